"""Inside a pid namespace of its own, as its init: kill a session, and give its numbers to innocent processes.

`python recycle.py SITE EVIDENCE COMMAND...`: COMMAND is `leasehold run`, to be run in SITE. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.process.announced import until

PATIENCE = 60.0  # seconds


def main(site: str, evidence: str, command: list[str]) -> None:
    first = subprocess.Popen(command, cwd=site, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    harness = seen(Path(evidence), lambda: spoken(Path(evidence) / "log", "ready"))["pid"]
    sessions = Path(site) / ".leasehold/state/sessions"
    worker = seen(sessions, lambda: described(sessions, harness))["pid"]
    first.kill()
    first.wait()
    os.kill(worker, signal.SIGKILL)
    reap(worker, harness)
    innocents = {pid: innocent(pid) for pid in sorted((worker, harness))}
    again = subprocess.run(
        [*command, "--until-idle"], cwd=site, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    states = {pid: state(pid) for pid in innocents}
    told = {"code": again.returncode, "log": again.stderr, "states": states}
    sys.stdout.write(json.dumps(told | {"recycled": [worker, harness]}) + "\n")
    for process in innocents.values():
        process.kill()
        process.wait()


def seen(place: Path, found: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Return what is found once something in a folder, or in one of those in it, tells of it."""
    result = until(found, (place, *place.glob("*/")), PATIENCE)
    if result is None:
        raise TimeoutError(place)
    return result


def spoken(log: Path, what: str) -> dict[str, Any] | None:
    lines = log.read_text().splitlines() if log.exists() else []
    return next((line for line in map(json.loads, lines) if line["what"] == what), None)


def described(sessions: Path, harness: int) -> dict[str, Any] | None:
    for path in sessions.glob("*/worker.json"):
        record: dict[str, Any] = json.loads(path.read_text())
        if (record.get("harness") or {}).get("pid") == harness:
            return record
    return None


def reap(*pids: int) -> None:
    """Collect what fell to this init until these numbers are free."""
    left = {*pids}
    while left:
        left.discard(os.waitpid(-1, 0)[0])


def innocent(pid: int) -> subprocess.Popen[bytes]:
    """Start a process that knows of nothing, with exactly this number."""
    for _ in range(100):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        process = subprocess.Popen(["/bin/sleep", "300"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise RuntimeError(f"the number {pid} was not given out again")


def state(pid: int) -> str:
    """Return the state of a process and what it runs, "" when it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0]
            + " "
            + Path(f"/proc/{pid}/comm").read_text()
        )
    except OSError:
        return ""


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
