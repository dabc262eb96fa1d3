"""Which installation a session belongs to: several may share one host, one user and one cgroup hierarchy."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_FILE = "installation"


@dataclass(frozen=True, slots=True)
class Installation:
    """One state directory with what is in it. `id` is the same at each start, and no other's."""

    id: str
    sessions: Path
    sockets: Path


def installation_of(state_dir: Path, sockets: Path) -> Installation:
    """Return the installation of a state directory.

    Its id is made of a random file in it and of its path: a container that has the same path differs in
    the one, a copy of the directory in the other.

    Raises:
        OSError: the file can be neither read nor made.
    """
    path = state_dir / _FILE
    if not path.exists():
        _draw(path)
    return Installation(_mark(path, state_dir), state_dir / "sessions", sockets)


def known_installation(state_dir: Path) -> str | None:
    """Return the id of the installation of a state directory; `None` if it has none yet, or it cannot be read."""
    try:
        return _mark(state_dir / _FILE, state_dir)
    except OSError:
        return None


def _mark(path: Path, state_dir: Path) -> str:
    drawn = path.read_text(encoding="ascii").strip()
    return hashlib.sha256(f"{drawn} {state_dir.resolve()}".encode(errors="surrogateescape")).hexdigest()[:12]


def _draw(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{_FILE}.{os.getpid()}")
    draft.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # whole or not at all, and never over another's
    finally:
        draft.unlink()
