"""How much of its time a session has had, and until when it may run: kept for whoever asks, in a file, at the manager."""

from __future__ import annotations

from workers.session import describe, life, notify
from workers.session.clock import boottime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.session.spec import Spec


class Timekeeping:
    """Counts pauses and extensions; `deadline.json` and the service manager's own limit follow the session's clocks."""

    __slots__ = ("_extended", "_paused_before", "_spec")

    def __init__(self, spec: Spec, begun: life.Starting) -> None:
        self._spec = spec
        self._extended = 0.0  # seconds by which the budget has grown
        self._paused_before = 0.0  # seconds of the pauses that are over
        self.write(begun, durably=False)

    def note_pause(self, before: life.State, after: life.State, now: float) -> None:
        """Count a pause that is over by this change of state."""
        if isinstance(before, life.Paused) and not isinstance(after, life.Paused):
            self._paused_before += now - before.since

    def note_extension(self, seconds: float) -> None:
        """Count so many seconds more."""
        self._extended += seconds

    def paused_for(self, state: life.State) -> float:
        """Return the seconds for which the session has stood still so far."""
        now = boottime() - state.since if isinstance(state, life.Paused) else 0.0
        return self._paused_before + now

    def report(self, state: life.State) -> dict[str, object]:
        """Return both counts, in seconds."""
        return {"paused_for": self.paused_for(state), "extended": self._extended}

    def write(self, state: life.State, *, durably: bool) -> None:
        """Write the deadline of a session that is alive to its file.

        Raises:
            OSError: it could not be written; the file says what it said before.
        """
        assert isinstance(state, life.Alive)  # noqa: S101  - nothing else has a deadline
        path = self._spec.path("deadline.json")
        describe.write_deadline(path, state, self.paused_for(state), durably=durably)

    def allow(self, state: life.State) -> None:
        """Have the service manager wait for as long as the session may run."""
        if isinstance(state, life.Starting | life.Running):
            notify.allow(describe.time_left(state) + self._spec.budget.grace + notify.SLACK)
