"""Who holds a lease, in the words of every refusal."""

from __future__ import annotations

from supervisor.core.decisions.tables import Tables
from supervisor.core.duration import format_duration
from supervisor.core.leases.lease import Conflict, Lease
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import Paused

OPERATOR = "operator"  # the holder of leases that a human took at the command line
ORPHANS = "worktree"  # the holder of uncommitted changes that belong to no session
UNDER_WAY = "under-way"  # the source of the tasks by which such changes are handed to a session


def describe(tables: Tables, conflict: Conflict, now: Moment) -> str:
    """Return who holds or awaits a scope, in the words of every refusal: session, task, pid, age."""
    holder = tables.roster.get(conflict.holder)
    if isinstance(conflict, Lease):
        word, since = "held", conflict.granted_at
    else:
        word, since = "awaited", conflict.asked_at
    age = format_duration(max(0.0, now.mono - since))
    if holder is None:
        whose = (
            f"{ORPHANS} (uncommitted files of no session)" if conflict.holder == ORPHANS else conflict.holder
        )
        return f"{word} by {whose} for {age}"
    worker = holder.worker()
    pid = f", worker pid {worker.pid}" if worker else ""
    state = holder.life.state
    paused = f", paused by {state.by}" if isinstance(state, Paused) else ""
    return f"{word} by session {holder.id} (task {holder.key}{pid}{paused}) for {age}"
