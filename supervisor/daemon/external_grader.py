"""An operator's own grader: a program that is told of an ended session and prints what its work is worth."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.core.duration import format_duration
from supervisor.world.launch.environment import session_base
from supervisor.world.programs.program import Finished, NotStarted, Overflowed, TimedOut, run

EVIDENCE = "grading.json"  # in the session's folder
_LIMIT = 64 << 10  # bytes that it may print
_WHY = 500  # characters kept of its reason


@dataclass(frozen=True, slots=True)
class Worth:
    """What the grader says of the work, in [0, 1], and why if it says so."""

    work: float
    why: str = ""


class GraderError(Exception):
    """The grader gave no grade; one line says why."""


async def ask_grader(
    command: Sequence[str], seconds: float, cwd: Path, folder: Path, told: Mapping[str, Any]
) -> Worth:
    """Run the grader on what is `told` of a session, whose folder is `folder`.

    It finds that as JSON in the file named by LEASEHOLD_EVIDENCE, and prints a number or {"grade": …, "why": …}.

    Raises:
        GraderError: it failed, took too long, or printed anything else.
    """
    path = folder / EVIDENCE
    try:
        path.write_text(json.dumps(told), encoding="utf-8")
    except OSError as error:
        raise GraderError(f"{path} cannot be written: {error.strerror}") from error
    env = session_base(os.environ) | {
        "LEASEHOLD_EVIDENCE": str(path),
        "LEASEHOLD_SESSION": str(told["session"]),
        "LEASEHOLD_TASK": str(told["task"]),
    }
    done = await run(command, cwd=cwd, env=env, seconds=seconds, limit=_LIMIT)
    name = f"the grader `{shlex.join(command)}`"
    match done:
        case Finished(0, output, _):
            return _worth(name, output)
        case Finished(code, _, complaints):
            said = complaints.decode("utf-8", "replace").strip().splitlines()
            raise GraderError(
                f"{name} failed with exit code {code}" + (f": {said[-1][:200]}" if said else "")
            )
        case TimedOut():
            raise GraderError(f"{name} was still running after {format_duration(seconds)} and was ended")
        case Overflowed():
            raise GraderError(f"{name} printed more than {_LIMIT >> 10} KiB")
        case NotStarted(fault):
            raise GraderError(f"{name} cannot be started: {fault.strerror}")


def _worth(name: str, output: bytes) -> Worth:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError) as error:
        raise GraderError(f"{name} printed no JSON: {output[:80]!r}") from error
    value, why = (found.get("grade"), found.get("why")) if isinstance(found, dict) else (found, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise GraderError(f"{name} printed {value!r}, which is no number from 0 to 1")
    said = str(why or "")[:_WHY].encode("utf-8", "replace").decode()  # JSON can spell half a character
    return Worth(float(value), said)
