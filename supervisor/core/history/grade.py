"""The grade of a session: a number in [0, 1] from the evidence of its end.

    grade = work * kept * thrift

- `work` is what the ending is worth, by the table below. An external grader may say otherwise.
- `kept` is 1 minus 0.8 times the share of its commits that were reverted within a day.
- `thrift` is 1 up to half of the time budget, and falls to 0.9 at the whole of it.

An ending that was not the session's own (an operator, a preemption, a rate limit, the host) has no grade, and neither
has a task that its session found blocked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from supervisor.core.sessions.integration import Hitch
from supervisor.core.sessions.outcome import Ending, Outcome
from supervisor.core.sessions.said import Kind

PASS = 0.5  # a session with this grade or a better one passes
REVERTED_WITHIN = 86_400.0  # seconds

_CHECKED = 1.0  # finished, and the repository's check passed on it
_FINISHED = 0.9  # finished, and nothing told that it is good
_NOT_MOVED = 0.8  # finished, and the target could not be moved, which is not its fault
_CONFLICT = 0.5  # finished, and its commits conflict with others'
_NOTHING_LEFT = 0.5  # it changed nothing, and said why nothing was left to do
_PART = 0.4  # it did not end well, and commits of it landed
_CHECK_FAILED = 0.3
_LEFT_OVER = 0.2  # it did not end well, and its work is kept for the next session
_NO_CHANGE = 0.1  # it ended well, and changed nothing

_PENALTY = 0.8
_UNTHRIFTY = 0.1


@dataclass(frozen=True, slots=True)
class Grade:
    """The parts of a grade; `by` is "evidence" or "command", and `why` what the command said."""

    work: float
    thrift: float
    commits: int = 0
    reverted: int = 0
    by: str = "evidence"
    why: str = ""

    @property
    def value(self) -> float:
        """The grade itself."""
        kept = 1.0 - _PENALTY * min(1.0, self.reverted / self.commits) if self.commits else 1.0
        return round(self.work * kept * self.thrift, 3)

    def with_reverts(self, reverted: int) -> Grade:
        """Return the grade after so many of the commits were reverted."""
        return replace(self, reverted=reverted)

    def by_command(self, work: float, why: str) -> Grade:
        """Return the grade with the word of an external grader for the work; thrift is its matter too."""
        return replace(self, work=work, thrift=1.0, by="command", why=why)

    def as_json(self) -> dict[str, Any]:
        """Return the form that the journal and `--json` carry."""
        return {"value": self.value, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grade:
        """Read what `as_json` wrote."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})


def grade(
    ending: Ending, *, elapsed: float, budget: float, expects_commit: bool, checked: bool
) -> Grade | None:
    """Return the grade by evidence; `elapsed` and `budget` in seconds, `checked`: what it did passed a check."""
    work = _work(ending, expects_commit=expects_commit, checked=checked)
    if work is None:
        return None
    used = elapsed / budget if budget > 0 else 0.0
    thrift = 1.0 - _UNTHRIFTY * min(1.0, max(0.0, 2.0 * used - 1.0))
    return Grade(round(work, 3), round(thrift, 3), len(ending.evidence.get("commits", ())))


def _work(ending: Ending, *, expects_commit: bool, checked: bool) -> float | None:
    evidence = ending.evidence
    said = evidence.get("said") or {}
    commits = bool(evidence.get("commits"))
    if said.get("kind") == Kind.BLOCKED and not commits:
        return None
    match ending.outcome:
        case Outcome.FINISHED:
            return _CHECKED if checked else _FINISHED
        case Outcome.UNINTEGRATED:
            blameless = evidence.get("branch", {}).get("hitch") in {Hitch.HELD.value, Hitch.FAULT.value}
            return _NOT_MOVED if blameless else _CONFLICT
        case Outcome.NO_CHANGE:
            nothing_left = said.get("kind") == Kind.DONE and bool(said.get("text"))
            return _NOTHING_LEFT if nothing_left or not expects_commit else _NO_CHANGE
        case Outcome.FAILED | Outcome.TIMED_OUT | Outcome.STALLED:
            return _of_a_failure(evidence, commits=commits)
        case _:
            return None


def _of_a_failure(evidence: Mapping[str, Any], *, commits: bool) -> float:
    branch = evidence.get("branch")
    if branch is not None and branch.get("hitch") == Hitch.CHECK.value:
        return _CHECK_FAILED
    if commits and branch is None:
        return _PART
    return _LEFT_OVER if commits or evidence.get("salvage") else 0.0
