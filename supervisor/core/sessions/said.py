"""What a session says of its task before it ends: that it is done, blocked, or handed on to another session.

It is a word, not evidence. It decides what becomes of the task where the evidence leaves that open, and it is told to
the task's next session.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from supervisor.core.duration import format_duration
from supervisor.core.sessions.outcome import Ending, Outcome

LONGEST = 4_000  # characters of what is said, and of a note
_SHOWN = 160  # of these in one line


class Kind(enum.StrEnum):
    """What can be said."""

    DONE = "done"
    BLOCKED = "blocked"
    HANDED_OVER = "handed_over"


_SENTENCES = {
    Kind.DONE: "it said that the task is done",
    Kind.BLOCKED: "it said that the task is blocked",
    Kind.HANDED_OVER: "it handed the task over",
}


@dataclass(frozen=True, slots=True)
class Said:
    """The latest word counts. `at` is Unix seconds; `again_in` the seconds after which a blocked task may be tried."""

    kind: Kind
    text: str
    at: float
    again_in: float | None = None

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        what = _SENTENCES[self.kind]
        if self.again_in is not None:
            what += f", to be tried again in {format_duration(self.again_in)}"
        return f"{what}: {first_line(self.text)}" if self.text else what

    def fits_a_line(self) -> bool:
        """Tell whether `sentence` has all that was said."""
        return first_line(self.text) == self.text.strip()

    def as_json(self) -> dict[str, Any]:
        """Return the form that events, the journal and `session show --json` carry."""
        found: dict[str, Any] = {"kind": self.kind.value, "text": self.text, "at": self.at}
        if self.again_in is not None:
            found["again_in"] = self.again_in
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Said:
        """Read what `as_json` wrote.

        Raises:
            ValueError: the kind is not one that this version knows.
        """
        return cls(Kind(data["kind"]), str(data["text"]), float(data["at"]), data.get("again_in"))


def first_line(text: str) -> str:
    """Return the beginning of a text, for a sentence."""
    lines = text.strip().splitlines() or [""]
    return lines[0] if len(lines[0]) <= _SHOWN and len(lines) == 1 else f"{lines[0][:_SHOWN].rstrip()} …"


# Endings that somebody else decided on: an operator, a policy, the host. What was said changes nothing about them.
_NOT_ITS_OWN = frozenset(
    {
        Outcome.STOPPED,
        Outcome.KILLED,
        Outcome.PREEMPTED,
        Outcome.OVER_QUOTA,
        Outcome.RATE_LIMITED,
        Outcome.UNAVAILABLE,
        Outcome.UNSPAWNED,
    }
)


def heeded(said: Said | None, ending: Ending, *, expects_commit: bool) -> Said | None:
    """Return what was said if it decides about the task.

    "Done" is believed with commits that landed, and without any if it comes with a reason. Commits that are kept back
    from their target are nobody's word to overrule.
    """
    if said is None or ending.outcome in _NOT_ITS_OWN:
        return None
    if said.kind is not Kind.DONE:
        return said
    if "branch" in ending.evidence:
        return None
    landed = bool(ending.evidence.get("commits"))
    if landed or not expects_commit or (ending.outcome is Outcome.NO_CHANGE and said.text):
        return said
    return None


def spoken(ending: Ending, said: Said | None) -> Ending:
    """Return the ending with what the session said of its task."""
    if said is None:
        return ending
    evidence = {**ending.evidence, "said": said.as_json()}
    if said.kind is Kind.DONE and _only_its_exit_failed(ending):
        # what it did after its last word is no part of the task, if the work is there; the exit stays in the sentence
        ending = replace(ending, outcome=Outcome.FINISHED)
    return replace(ending, sentence=f"{ending.sentence}; {said.sentence()}", evidence=evidence)


def _only_its_exit_failed(ending: Ending) -> bool:
    """Tell whether nothing but an exit code or signal speaks against a session whose commits landed."""
    evidence = ending.evidence
    named = (evidence.get("verdict") or {}).get("kind") not in {None, "success"}
    return (
        ending.outcome is Outcome.FAILED
        and evidence.get("cause") == "exited"
        and bool(evidence.get("commits"))
        and "branch" not in evidence
        and not named
    )
