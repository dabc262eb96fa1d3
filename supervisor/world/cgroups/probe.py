"""Whether groups really work here, tried with a throw-away process and not assumed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.cgroups import group
from supervisor.world.cgroups.hierarchy import MARK, CgroupError, look, mortal, places

PROBE = "probe-"  # the name of a group that is no session's begins with it
_PATIENCE = 5.0  # seconds for one process to die


@dataclass(frozen=True, slots=True)
class Base:
    """The group of an installation, below which each session gets its own; `limits` names the controllers it has."""

    path: Path
    limits: frozenset[str]


def find_base(installation: str) -> Base:
    """Return the best group for an installation, proven by moving a process into it and killing it there.

    Raises:
        CgroupError: there is none; it says what is in the way.
    """
    hierarchy = look()
    why = ""
    for place in places(hierarchy):
        if not os.access(place / "cgroup.procs", os.W_OK):
            why = why or f"{place} is not writable for {_who()}"
            continue
        if unit := mortal(hierarchy, place):
            why = f"{place} is writable, but what runs there ends with {unit}"
            continue
        try:
            return _tried(place, place / f"{MARK}{installation}")
        except OSError as error:
            why = f"{error.filename or place}: {error.strerror}"
    raise CgroupError(why)


def _tried(place: Path, base: Path) -> Base:
    parent = group.hand_down(place)
    base.mkdir(exist_ok=True)
    trial = base / f"{PROBE}{os.getpid()}"
    try:
        limits = group.hand_down(base) & parent
        trial.mkdir()
        try:
            _move_and_kill(trial)
        finally:
            group.remove(trial)
    finally:
        with contextlib.suppress(OSError):
            base.rmdir()  # sessions of an earlier supervisor may live in it
    return Base(base, limits)


def _move_and_kill(trial: Path) -> None:
    # It reads from a pipe whose other end is ours, so that it ends even if we do not come to kill it.
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        try:
            (trial / "cgroup.procs").write_text(str(child.pid), encoding="ascii")
            if group.end(trial, _PATIENCE):
                raise TimeoutError(0, "a process that was killed there stayed", str(trial))
        except OSError:
            child.kill()
            raise


def _who() -> str:
    return f"uid {os.geteuid()}"
