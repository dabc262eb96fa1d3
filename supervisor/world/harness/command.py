"""Any other program: its command line is the operator's, and only its exit code is known."""

from __future__ import annotations

from supervisor.core.sessions.reading import Reading, Verdict
from supervisor.world.harness.adapter import Direct, Prepared, Start


class Command(Direct):
    """What `command = [...]` in the configuration runs."""

    name = "command"
    program = ""
    package = ""
    tested = ""
    stop = "TERM"
    can: frozenset[str] = frozenset()

    def prepare(self, start: Start) -> Prepared:
        """Return the command as it is written."""
        return Prepared((*start.program, *start.args))

    def hear(self, line: bytes, reading: Reading) -> None:
        """Leave the line alone: nobody knows what it means. The listener keeps its text."""
        reading.message = line.decode("utf-8", "replace").strip()[:4096] or reading.message

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:  # noqa: ARG002
        """Leave the judgement to the exit code."""
        return None
