"""The repository's own check, run on what would become the target: bounded, and gone with all that it started."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from supervisor.core.duration import format_duration
from supervisor.world.launch.environment import session_base
from supervisor.world.programs.program import Finished, NotStarted, Overflowed, TimedOut, run
from supervisor.world.threads import in_thread

MARK = "LEASEHOLD_CHECK"  # the variable by which a check is known, should it outlive its supervisor
_LIMIT = 1 << 40  # bytes; a check may print what it likes, since only the tail is kept
_TAIL = 64 << 10


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not pass: why in a sentence, and the last of what it printed."""

    why: str
    output: str


async def check(command: Sequence[str], seconds: float, tree: Path) -> Failed | None:
    """Run the check in a work tree; `None` when it passed."""
    env = session_base(os.environ) | {MARK: str(tree), "LEASEHOLD_REPO": str(tree)}
    done = await run(command, cwd=tree, env=env, seconds=seconds, limit=_LIMIT, tail=_TAIL)
    name = f"the check `{shlex.join(command)}`"
    match done:
        case Finished(code=0):
            return None
        case Finished(code, output, errors):
            said = (output + errors).decode("utf-8", "replace")
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            return Failed(f"{name} failed with {how}{_last_line(said)}", said)
        case TimedOut(errors):
            said = errors.decode("utf-8", "replace")
            limit = format_duration(seconds)
            return Failed(f"{name} was still running after {limit} and was ended{_last_line(said)}", said)
        case NotStarted(error):
            return Failed(f"{name} cannot be started: {error.strerror}", "")
        case Overflowed():
            return Failed(f"{name} printed too much", "")


async def end_leftover_checks(folder: Path) -> None:
    """Kill the checks that an earlier supervisor left running in work trees below `folder`."""
    await in_thread(_end, str(folder))


def _end(folder: str) -> None:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK, "").startswith(f"{folder}/"):
                process.kill()  # psutil compares the start time first


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""
