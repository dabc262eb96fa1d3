"""A commit of everything, before a gate that knows one file of somebody else."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread

from supervisor.daemon.verbs.leases import GateCheck
from supervisor.world.control.access import Access
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.loop import LOOP
from supervisor.world.control.methods import Method, Who
from supervisor.world.control.server import serving
from supervisor.world.git.hooks import environment, install_hooks
from supervisor.world.git.repository import open_repository
from supervisor.world.git.wire_path import decode_path


def commit_everything(root: Path, held: str) -> str:
    """Return "refused", "landed" or, when there is no change to commit, "nothing"; --no-verify does not help."""
    return anyio.run(_commit, root, held, backend_options=LOOP)


async def _commit(root: Path, held: str) -> str:
    repo = await open_repository(root)
    with tempfile.TemporaryDirectory(prefix="lh-gate-") as name:
        folder = Path(name)
        install_hooks(folder / "hooks")

        def check(_caller: Caller, params: GateCheck) -> object:
            paths = [decode_path(path) for update in params.updates for path in update.paths]
            if held in paths:
                raise RpcError(Code.REFUSED, f"{held} is held by another session")
            return {"ok": True}

        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LEASEHOLD_SESSION": "one",
            "LEASEHOLD_TASK": "one",
            "LEASEHOLD_TOKEN": "one",
            "LEASEHOLD_SOCKET": str(folder / "ctl.sock"),
        }
        env |= environment(repo, folder / "hooks", env)
        method = Method("gate.check", GateCheck, check, Who.ANYONE)
        async with serving(folder / "ctl.sock", [method], access=Access(resolve=lambda _token: "one")):
            return await anyio.to_thread.run_sync(_commit_here, root, env)


def _commit_here(root: Path, env: dict[str, str]) -> str:
    who = ("-c", "user.name=T", "-c", "user.email=t@localhost")

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)

    git("add", "--all", "--ignore-errors")  # pipes of the script are no files of a commit
    if git("diff", "--cached", "--quiet").returncode == 0:
        return "nothing"
    done = git("commit", "-q", "--no-verify", "-m", "All")
    if done.returncode == 0:
        return "landed"
    assert "held by another session" in done.stderr, done.stderr
    return "refused"
