"""A cgroup of one test's own, where this machine lets us make one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def why_not() -> str:
    """Return why no cgroup (version 2) can be made here; empty when one can."""
    base = _base()
    if base is None:
        return "no cgroup file system (version 2) is mounted"
    probe = base / f"leasehold-probe-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError as error:
        return f"{base}: {error.strerror}"
    lacks = [name for name in ("cgroup.kill", "cgroup.freeze") if not (probe / name).exists()]
    probe.rmdir()
    return f"the kernel has no {lacks[0]}" if lacks else ""


@contextlib.contextmanager
def made_cgroup(name: str) -> Iterator[Path]:
    """Yield a fresh cgroup; afterwards nothing of it is left."""
    base = _base()
    assert base is not None
    path = base / f"leasehold-test-{os.getpid()}-{name}"
    path.mkdir()
    try:
        yield path
    finally:
        (path / "cgroup.kill").write_text("1")
        for inner in [*sorted(path.rglob("*/"), reverse=True), path]:
            while inner.is_dir():
                with contextlib.suppress(OSError):  # until the killed are gone
                    inner.rmdir()


def _base() -> Path | None:
    inside = Path("/proc/self/cgroup").read_text().partition("0::")[2].partition("\n")[0].lstrip("/")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return Path(fields[1]) / inside
    return None


_WHY_NOT = why_not()
needs_cgroup = pytest.mark.skipif(bool(_WHY_NOT), reason=f"needs a writable cgroup: {_WHY_NOT}")
