"""The supervisor's failpoints, in the order of a session's life; what they do is said in `workers/session/failpoint.py`."""

from __future__ import annotations

from collections.abc import Mapping

from workers.session import failpoint as engine
from workers.session.failpoint import failpoint

POINTS = (
    "supervisor.journal_open",
    "supervisor.tokens_reserved",
    "adopt.found",
    "adopt.watched",
    "adopt.reported",
    "supervisor.adopted",
    "supervisor.answering",
    "supervisor.started",
    "assign.chosen",
    "assign.queued",
    "journal.before_commit",
    "journal.committed",
    "launch.intent_durable",
    "launch.prepared",
    "launch.folder_written",
    "launch.listening",
    "launch.forked",
    "launch.connected",
    "start.told",
    "start.queued",
    "gate.judged",
    "order.before",
    "order.sent",
    "exit.noticed",
    "exit.reaped",
    "exit.read",
    "clear.before",
    "clear.done",
    "settle.begun",
    "settle.kept",
    "settle.cleaned",
    "integrate.checked",
    "integrate.files_moved",
    "integrate.moved",
    "integrate.known",
    "settle.judged",
    "settle.closed",
    "reload.read",
    "reload.in_force",
    "retention.journal_pruned",
    "retention.folder_removed",
    "supervisor.stopping",
)

__all__ = ["POINTS", "arm_failpoints", "failpoint", "inherited_by_workers"]


def arm_failpoints(environ: Mapping[str, str]) -> None:
    """Arm what the environment asks of the supervisor; its workers inherit what it asks of them.

    Raises:
        ValueError: it names a point that does not exist, or cannot be read.
    """
    known = {*POINTS, *engine.POINTS, engine.ANY}
    for name in engine.read(environ.get(engine.VARIABLE, "")):
        if name not in known:
            raise ValueError(
                f'{engine.VARIABLE}: no failpoint "{name}"; docs/reference/failpoints.md lists them'
            )
    engine.arm(environ, {*POINTS, engine.ANY})


def inherited_by_workers(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a worker must have for its own points."""
    return {name: environ[name] for name in (engine.VARIABLE, engine.HITS) if name in environ}
