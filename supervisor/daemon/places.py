"""Where sessions live on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """Where sessions live on disk: their folders, which survive a reboot, and their workers' sockets."""

    sessions: Path
    sockets: Path

    def folder(self, session: str) -> Path:
        """Return the folder of a session."""
        return self.sessions / session

    def socket(self, session: str) -> Path:
        """Return the path of its worker's socket."""
        return self.sockets / f"{session}.sock"
