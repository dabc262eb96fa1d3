"""The collision account: races that did not happen, counted where they were refused."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass


@dataclass(slots=True)
class Collisions:
    """Counts since the journal was begun.

    `duplicates_prevented`: tasks passed over at a start because a session was at work on them already.
    `assignments_deferred`: tasks kept back because another session held their scope.
    `leases_refused`, `leases_waited`: requests of sessions for what another holds.
    `commits_refused`: commits outside the session's leases; `stale_refused`: with a token that is not
    the newest. `deadlocks_refused`: waits that would have closed a cycle. `writes_refused`,
    `writes_waited`: first writes of what another session held. `stale_reads`: first writes of what another had
    committed to since the session began.
    """

    duplicates_prevented: int = 0
    assignments_deferred: int = 0
    leases_refused: int = 0
    leases_waited: int = 0
    deadlocks_refused: int = 0
    commits_allowed: int = 0
    commits_refused: int = 0
    stale_refused: int = 0
    writes_refused: int = 0
    writes_waited: int = 0
    waited_seconds: float = 0.0
    writes_unattributed: int = 0
    stale_reads: int = 0

    def counts(self) -> tuple[float, ...]:
        """Return the counts in their order."""
        return astuple(self)

    def as_json(self) -> dict[str, float]:
        """Return the counts by name."""
        return asdict(self)
