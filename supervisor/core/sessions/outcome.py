"""How a session ended: one name, one sentence, and the evidence both rest on."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor.core.duration import format_duration
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.integration import Hitch, Unintegrated
from supervisor.core.sessions.masking import Masks
from supervisor.core.sessions.reading import Verdict, VerdictKind
from supervisor.core.sessions.remains import Remains
from supervisor.core.sessions.verdicts import Told, comment, holds_up
from supervisor.core.tasks.task import Expects


class Outcome(enum.Enum):
    """The names of all endings."""

    FINISHED = "finished"
    NO_CHANGE = "no_change"
    UNINTEGRATED = "unintegrated"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    STOPPED = "stopped"
    KILLED = "killed"
    PREEMPTED = "preempted"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"  # the account was refused, or its model server could not be reached
    OVER_QUOTA = "over_quota"
    LOST = "lost"
    UNSPAWNED = "unspawned"


TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h: a harness that exits with it asks for a later attempt


@dataclass(frozen=True, slots=True)
class Ending:
    """An outcome in words, with the evidence it rests on."""

    outcome: Outcome
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def masked(self, masks: Masks) -> Ending:
        """Return the same without secrets."""
        return replace(self, sentence=masks.text(self.sentence), evidence=masks.all(self.evidence))


_BY_CAUSE = {
    "unspawned": Outcome.UNSPAWNED,
    "unlaunched": Outcome.UNSPAWNED,  # the host had no worker to give; the harness is not at fault
    "abandoned": Outcome.UNSPAWNED,  # the supervisor ended between intent and start; nobody failed
    "budget": Outcome.TIMED_OUT,
    "startup": Outcome.STALLED,
    "stall": Outcome.STALLED,
    "stop": Outcome.STOPPED,
    "shutdown": Outcome.STOPPED,  # the supervisor ended, by its configuration or an impatient signal
    "kill": Outcome.KILLED,
    "preempt": Outcome.PREEMPTED,
    "quota": Outcome.OVER_QUOTA,
}
_HELD_UP = {
    VerdictKind.RATE_LIMITED: Outcome.RATE_LIMITED,
    VerdictKind.AUTH: Outcome.UNAVAILABLE,
    VerdictKind.UNREACHABLE: Outcome.UNAVAILABLE,
}

_NO_ERROR = frozenset({VerdictKind.SUCCESS, VerdictKind.ABORTED, VerdictKind.INCOMPLETE})


def judge(
    record: ExitRecord, remains: Remains, expects: Expects, *, refused: int = 0, told: Told | None = None
) -> Ending:
    """Name the ending of a session from the worker's record and what it left in the repository.

    `refused` counts its commits that the gate refused, `told` is what its harness said of the end.
    """
    verdict = told.verdict if told is not None else None
    held_up = holds_up(record, verdict)
    outcome = (
        _HELD_UP[held_up]
        if held_up is not None
        else _BY_CAUSE.get(record.cause) or _judge_exit(record, remains, expects, verdict)
    )
    if outcome is Outcome.FINISHED and isinstance(remains.integration, Unintegrated):
        outcome = _unlanded(remains.integration)
    sentence = _sentence(outcome, record, remains, verdict)
    if refused:
        sentence += f"; {refused} commit{'s' * (refused > 1)} refused"
    sentence += told.asides() if told is not None else ""
    return Ending(outcome, sentence, {**_evidence(record, remains), **(told.evidence() if told else {})})


def judge_lost(why: str, remains: Remains, told: Told | None = None) -> Ending:
    """Name the ending of a session whose worker died without writing a record."""
    left = f"; {remains.sentence()}" if remains != Remains() else ""
    evidence = {"why": why, **remains.as_json(), **(told.evidence() if told else {})}
    return Ending(Outcome.LOST, f"lost: {why}{left}", evidence)


def _judge_exit(record: ExitRecord, remains: Remains, expects: Expects, verdict: Verdict | None) -> Outcome:
    delivered = bool(remains.commits or remains.interim) or expects is Expects.NOTHING
    if record.cause == "resident" and (verdict is None or verdict.kind in _NO_ERROR):
        # the harness had said that it finished; only its process stayed
        return Outcome.FINISHED if delivered else Outcome.NO_CHANGE
    if verdict is not None:
        if verdict.kind is not VerdictKind.SUCCESS:
            return Outcome.FAILED
        if record.code != 0:  # what it did after its last word is no part of the task, if the work is there
            return Outcome.FINISHED if delivered else Outcome.FAILED
    if record.code == TRY_LATER:
        return Outcome.RATE_LIMITED
    if record.code != 0:
        return Outcome.FAILED
    return Outcome.FINISHED if delivered else Outcome.NO_CHANGE


def _unlanded(kept: Unintegrated) -> Outcome:
    """Return what a session comes to whose work is done, but not where it belongs."""
    match kept.hitch:
        case Hitch.CONFLICT | Hitch.LEASED | Hitch.HELD | Hitch.FAULT:
            return Outcome.UNINTEGRATED
        case Hitch.UNRESOLVED | Hitch.CHECK | Hitch.REFUSED | Hitch.UNFINISHED:
            return Outcome.FAILED


def _how_it_exited(record: ExitRecord) -> str:
    if record.signal is not None:
        return f"ended by signal {record.signal}"
    return f"exited with code {record.code}"


def _sentence(outcome: Outcome, record: ExitRecord, remains: Remains, verdict: Verdict | None) -> str:
    after = f" after {format_duration(max(0.0, record.elapsed - record.paused))}"
    if record.paused:
        after += f" (and {format_duration(record.paused)} paused)"
    by = f" by {record.by}" if record.by else ""
    match outcome:
        case Outcome.UNSPAWNED:
            kept = f"; {remains.salvage.sentence()}" if remains.salvage is not None else ""
            return f"could not be started: {record.why}{kept}"
        case Outcome.TIMED_OUT:
            reason = f": {record.why}" if record.by == "supervisor" else ""
            text = f"its budget ran out{after}{reason}; {_how_it_exited(record)}"
        case Outcome.STALLED:
            text = f"no sign of work{after}: {record.why}; {_how_it_exited(record)}"
        case Outcome.STOPPED | Outcome.KILLED | Outcome.PREEMPTED:
            reason = f": {record.why}" if record.why else ""
            text = f"{outcome.value}{by}{after}{reason}; {_how_it_exited(record)}"
        case Outcome.OVER_QUOTA:
            text = f"stopped{by}{after}: {record.why}; {_how_it_exited(record)}"
        case Outcome.RATE_LIMITED if verdict is None:
            text = f"the harness asked to be tried later (exit code {TRY_LATER}){after}"
        case Outcome.FINISHED if record.cause == "resident":
            text = f"finished, but its process stayed and was stopped{after}"
        case _:
            text = f"{_how_it_exited(record)}{after}"
    if said := comment(record, verdict):
        text += f", {said}" if said.startswith("although") else f": {said}"
    text += f"; {remains.sentence()}"
    if killed := record.limits.get("oom_kills"):
        text += f"; {killed} of its processes killed by the kernel for want of memory"
    if refused := record.limits.get("refused_forks"):
        text += f"; a new process refused by the kernel {refused} time{'s' * (refused > 1)}"
    if record.leaked:
        text += f"; {len(record.leaked)} leaked process{'es' * (len(record.leaked) > 1)} swept"
    if record.unkillable:
        text += f"; {len(record.unkillable)} could not be killed for a while"
    if record.survivors:
        text += f"; {len(record.survivors)} could not be killed"
    return text


def _evidence(record: ExitRecord, remains: Remains) -> Mapping[str, Any]:
    return {
        "cause": record.cause,
        "why": record.why,
        "by": record.by,
        "code": record.code,
        "signal": record.signal,
        "elapsed": record.elapsed,
        "paused": record.paused,
        "limits": dict(record.limits),
        **remains.as_json(),
        "leaked": [dict(p) for p in record.leaked],
        "survivors": [dict(p) for p in record.survivors],
        "unkillable": [dict(p) for p in record.unkillable],
        "log": dict(record.log),
        "guard": dict(record.guard),
        "confined": record.confined,
        "usage": dict(record.usage),
    }
