"""Does the gate bite? A commit that must be refused is tried in a throw-away repository."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

import workers
from supervisor.daemon.verbs.leases import GateCheck
from supervisor.world.control.access import Access
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.methods import Method, Who
from supervisor.world.control.server import serving
from supervisor.world.git.hooks import environment, install_hooks
from supervisor.world.git.repository import RepositoryError, open_repository
from supervisor.world.git.run import GitError, git
from supervisor.world.git.session_git import session_git
from supervisor.world.level import Bite, Level
from supervisor.world.threads import in_thread

_PROBE_LIMIT = 30.0  # seconds

_IDENTITY = (
    *("-c", "user.name=Leasehold", "-c", "user.email=leasehold@localhost"),
    *("-c", "commit.gpgSign=false"),
)


async def probe_level(*, guard: bool = True, below: Bite | None = None) -> tuple[Level, str]:
    """Return the level that really holds here, and what was seen; without `guard` the kernel is not asked.

    `below` is what was seen of the guard where sessions run, when that is elsewhere.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="leasehold-probe-") as folder:
            level, seen = await _try_a_commit(Path(folder))
    except (GitError, RepositoryError, OSError) as error:
        return Level.NONE, f"the commit gate could not be tried: {error}"
    if level < Level.HOOKS:
        return level, seen
    if not guard:
        return level, f"{seen}; the guard is switched off by guard.mode"
    bite = below or await _ask_probe("guard-probe")
    return (
        (Level.KERNEL, f"{seen}, and {bite.told}")
        if bite.holds
        else (level, f"{seen}; no guard: {bite.told}")
    )


async def probe_confinement() -> Bite:
    """Return whether Landlock holds a session back from what is not in its folders, and what was seen."""
    return await _ask_probe("confine-probe")


async def _ask_probe(name: str) -> Bite:
    command = [sys.executable, "-I", "-S", str(Path(workers.__file__).parent), name]
    try:
        with anyio.fail_after(_PROBE_LIMIT):
            done = await anyio.run_process(command, check=False, stdin=subprocess.DEVNULL)
    except (OSError, TimeoutError) as error:
        return Bite(holds=False, told=f"the probe could not be run: {str(error) or 'it took too long'}")
    said = (done.stdout or done.stderr).decode(errors="replace").strip()
    told = said.splitlines()[-1] if said else f"the probe ended with {done.returncode}"
    return Bite(done.returncode == 0, told)


async def _try_a_commit(folder: Path) -> tuple[Level, str]:
    repo_path, hooks, socket = folder / "repo", folder / "hooks", folder / "ctl.sock"
    repo_path.mkdir()
    await git(repo_path, "init", "--quiet", "--initial-branch=main")
    await git(repo_path, *_IDENTITY, "commit", "--quiet", "--allow-empty", "--message=Begin")
    (repo_path / "file").write_text("x\n", encoding="utf-8")
    await git(repo_path, "add", "file")
    repo = await open_repository(repo_path)
    install_hooks(hooks)
    asked: list[str] = []

    def refuse(_caller: Caller, params: GateCheck) -> object:
        asked.extend(path for update in params.updates for path in update.paths)
        raise RpcError(Code.REFUSED, "this commit is a test and must not land")

    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LEASEHOLD_SESSION": "probe",
        "LEASEHOLD_TASK": "probe",
        "LEASEHOLD_TOKEN": "probe",
        "LEASEHOLD_SOCKET": str(socket),
    }
    env |= environment(repo, hooks, env)
    methods = [Method("gate.check", GateCheck, refuse, Who.ANYONE)]
    async with serving(socket, methods, access=Access(resolve=lambda _token: "probe")):
        refused, said = await in_thread(
            session_git,
            repo_path,
            (*_IDENTITY, "commit", "--quiet", "--no-verify", "--message=Must not land"),
            env,
        )
    after = await git(repo_path, "rev-list", "--count", "HEAD")
    if refused and asked == ["file"] and after.strip() == b"1":
        return Level.HOOKS, "a commit that the gate refused did not land"
    return (
        Level.NONE,
        f"a commit that the gate refused landed all the same ({said.strip() or 'git said nothing'})",
    )
