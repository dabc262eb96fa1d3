"""The canary: two real sessions under a real supervisor are made to collide, in a throw-away repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from supervisor.demo.scene import environment
from supervisor.demo.sweep import end_supervisor

LIMIT = 60.0  # seconds
FILE = "shared.txt"
_BEFORE = "one line\n"
# Both run this script; they meet at two pipes, so that the second writes while the first holds the file.
_SCRIPT = f"""
cd repo
if [ "$1" = holder ]; then
  echo mine >> {FILE}
  echo > ../held
  read -r _ < ../tried
else
  read -r _ < ../held
  echo theirs >> {FILE}
  cp "$LEASEHOLD_NOTICE" ../told
  echo > ../tried
fi
exit 0
"""


class CanaryError(Exception):
    """The two sessions could not be made to collide; one line says why."""


@dataclass(frozen=True, slots=True)
class Collision:
    """What came of it. `printed` is what the refused program said, `told` what Leasehold said to its session."""

    bites: bool
    level: str
    why: str
    printed: str
    told: str

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return it for people."""
        text = [f"canary: two sessions; the first wrote to {FILE}, the second tried to"]
        text += [f"  the program said: {line}" for line in self.printed.splitlines() if line]
        text += [f"  the session was told: {line}" for line in self.told.splitlines() if line]
        if self.bites:
            return [*text, "  the write changed nothing: the guard bites"]
        return [*text, f"  NO: the second session changed the file ({self.why or 'the guard let it'})"]


def collide(environ: Mapping[str, str]) -> Collision:
    """Let two sessions collide; takes a few seconds and leaves nothing behind.

    Raises:
        CanaryError: git, or the supervisor, could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="lh-canary-") as name:
        folder = Path(name).resolve()
        env = environment(environ) | {"HOME": str(folder)}
        _lay_out(folder, env)
        words = [sys.executable, "-m", "supervisor.cli.main", "run", "--until-idle"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*words, "-c", str(folder / "config.toml")],
                cwd=folder, env=env, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                process.wait(LIMIT)
            except subprocess.TimeoutExpired:
                raise CanaryError(f"the two sessions did not end within {LIMIT:g} s") from None
            finally:
                end_supervisor(process, folder)
        return _read(folder)


def _lay_out(folder: Path, env: Mapping[str, str]) -> None:
    repo = folder / "repo"
    repo.mkdir()
    (repo / FILE).write_text(_BEFORE, encoding="utf-8")
    who = ("-c", "user.name=Leasehold", "-c", "user.email=leasehold@localhost")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*who, "commit", "-q", "-m", "Begin")):
        try:
            done = subprocess.run(
                ["git", *words], cwd=repo, env=env, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise CanaryError(f"git cannot be run: {error}") from error
        if done.returncode != 0:
            raise CanaryError(f"git {words[0]}: {done.stderr.strip()}")
    for pipe in ("held", "tried"):
        os.mkfifo(folder / pipe)
    (folder / "tasks").mkdir()
    for key in ("holder", "rival"):
        (folder / "tasks" / f"{key}.md").write_text(f"---\nstate: ready\n---\n# {key}\n", encoding="utf-8")
    (folder / "script").write_text(_SCRIPT, encoding="utf-8")
    (folder / "config.toml").write_text(_config(folder), encoding="utf-8")


def _config(folder: Path) -> str:
    place = json.dumps(str(folder))
    return f"""
[supervisor]
max_sessions = 2
on_stop = "stop"
state_dir = {json.dumps(str(folder / "state"))}
runtime_dir = {json.dumps(str(folder / "run"))}
log_format = "json"
disk_floor = "0B"
[repos.canary]
path = {json.dumps(str(folder / "repo"))}
[sources.tasks]
kind = "markdown"
path = {json.dumps(str(folder / "tasks"))}
[harness.canary]
command = ["sh", "-c", "cd \\"$1\\" && exec sh script \\"$2\\"", "canary", {place}, "{{task}}"]
budget = "30s"
warn = "0s"
grace = "1s"
[guard]
wait = "0s"
[retry]
attempts = 1
"""


def _read(folder: Path) -> Collision:
    records = [json.loads(path.read_text()) for path in (folder / "state/sessions").glob("*/exit.json")]
    rival = next((record for record in records if record["task"] == "rival"), None)
    told = folder / "told"
    if rival is None or not told.exists():
        last = (folder / "log").read_text(errors="replace").splitlines()[-1:]
        raise CanaryError(f"the second session did not come to write: {''.join(last) or 'no log'}")
    printed = (folder / "state/sessions" / rival["session"] / "err.log").read_text(errors="replace")
    own = [line for line in printed.splitlines() if not line.startswith("leasehold: ")]
    guard = rival["guard"]
    bites = (folder / "repo" / FILE).read_text(encoding="utf-8") == f"{_BEFORE}mine\n"
    return Collision(bites, guard["level"], guard.get("why", ""), "\n".join(own), told.read_text().strip())
