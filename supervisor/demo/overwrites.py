"""Seeing an update vanish while it happens: after each write, who else's line is gone from the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Overwrites:
    """Remembers who wrote which line, and looks whether it is still there.

    For the show only: the account at the end is made from commits.
    """

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self._written: dict[tuple[str, str], str] = {}

    def hear(self, event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Take in an event; yield (session, path) for each update that its write wiped out."""
        if event["kind"] != "wrote" or not event["line"]:
            return
        path, writer = str(event["path"]), str(event["session"])
        self._written[path, str(event["line"])] = writer
        try:
            lines = set((self._repo / path).read_text(encoding="utf-8").splitlines())
        except OSError:
            return
        if event["line"] not in lines:
            return  # a newer write is under way already; its own event tells what is gone
        for (other, line), session in list(self._written.items()):
            if other == path and line not in lines:
                del self._written[other, line]
                yield session, path
