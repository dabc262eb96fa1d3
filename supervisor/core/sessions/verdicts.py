"""What a harness said of its end, weighed against how its process ended and what it left in the repository.

An exit code alone is no verdict: harnesses exit with 0 after an error, and with something else after a success.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.last_words import telling_line
from supervisor.core.sessions.masking import Masks
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.core.sessions.visible import visible

# Troubles of the account or its server: the task is not at fault, and any other would fare alike.
HELD_UP = frozenset({VerdictKind.RATE_LIMITED, VerdictKind.AUTH, VerdictKind.UNREACHABLE})
_MET = HELD_UP | {
    VerdictKind.WAITING_FOR_HUMAN
}  # what a session may stand before until its budget is used up
_HELD_UP_NAMES = frozenset(kind.value for kind in HELD_UP)
_STOOD_STILL = frozenset({"stall", "startup"})
_OVERDUE = _STOOD_STILL | {"budget"}
_QUESTION = re.compile(
    r"(?:\?:?|[\[(]y(?:es)?(?:/n(?:o)?)?(?:/[^\])]{1,20})?[\])]:?|pass(?:word|phrase)\b[^:]{0,80}:)\s*$",
    re.IGNORECASE,
)
_UNNAMED = frozenset({VerdictKind.INCOMPLETE, VerdictKind.ERROR})
_SHOWN = 3  # names of files in a sentence
_WORDS_LIMIT = 200  # characters of last words that are shown
_QUESTION_LIMIT = 200  # characters of a question that are shown


@dataclass(frozen=True, slots=True)
class Told:
    """The last word of a session's harness: its verdict, and the facts as they are shown and kept."""

    verdict: Verdict | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def evidence(self) -> dict[str, Any]:
        """Return what an ending carries of this."""
        found: dict[str, Any] = {}
        if self.verdict is not None:
            found["verdict"] = {"kind": self.verdict.kind.value, "sentence": self.verdict.sentence}
            if self.verdict.retry_at is not None:
                found["verdict"]["retry_at"] = self.verdict.retry_at
        if self.facts:
            found["heard"] = dict(self.facts)
        return found

    def asides(self) -> str:
        """Return what else an ending's sentence tells of the harness, each with a semicolon before it."""
        found = ""
        if words := self.facts.get("last_words"):
            found += f'; its last words were "{words}"'
        if changed := self.facts.get("replaced"):
            found += f"; its program {changed} was replaced while it ran"
        if touched := self.facts.get("account"):
            more = f" and {len(touched) - _SHOWN} more" if len(touched) > _SHOWN else ""
            found += f"; changed in the account's home meanwhile: {', '.join(touched[:_SHOWN])}{more}"
        return found

    def masked(self, masks: Masks) -> Told:
        """Return the same with the verdict's words as they may be shown, without secrets."""
        if self.verdict is None:
            return self
        return replace(
            self, verdict=replace(self.verdict, sentence=masks.text(visible(self.verdict.sentence)))
        )


def is_question(line: str) -> bool:
    """Tell whether the last line that a program printed looks as if it waited for an answer."""
    return _QUESTION.search(line) is not None


def weigh_end(
    record: ExitRecord, reading: Reading, verdict: Verdict | None, last_line: str
) -> Verdict | None:
    """Return the verdict that holds, given also why the session was ended.

    A session that stood still while its harness tried again and again was held up by what it met there. One whose last
    line was a question waited for somebody who is not there. Either may also go on until the budget is used up.
    """
    if record.cause not in _OVERDUE or (reading.final and record.cause not in _STOOD_STILL):
        done = reading.final and reading.error is None
        return (
            Verdict(VerdictKind.SUCCESS, "it said that it was done")
            if verdict is not None and done
            else verdict
        )
    if not reading.final and (trouble := _still_in(reading)) is not None:
        return trouble
    last_error = reading.errors.rstrip().rpartition("\n")[2] if reading.errors_latest else ""
    for line in (last_error, last_line):
        if is_question(line):
            asked = line.strip()[-_QUESTION_LIMIT:]
            return Verdict(VerdictKind.WAITING_FOR_HUMAN, f'it seems to wait for an answer to "{asked}"')
    return verdict


def with_last_words(verdict: Verdict | None, reading: Reading, tested: str) -> Verdict | None:
    """Add the telling line of its error log where a harness failed without naming an error of its own.

    One that said nothing which its adapter understood may be of another version than `tested`.
    """
    if verdict is None or verdict.kind not in _UNNAMED or reading.error is not None:
        return verdict
    words = last_words(reading)
    sentence = verdict.sentence + (f'; its last words were "{words}"' if words else "")
    if not reading.heard and tested:
        sentence += f"; nothing it printed was understood, its adapter was tested with version {tested}"
    return replace(verdict, sentence=sentence)


def last_words(reading: Reading) -> str:
    """Return the line of its error log that says most about its end, cut to what is shown; "" if there is none."""
    return telling_line(reading.errors)[:_WORDS_LIMIT]


def _still_in(reading: Reading) -> Verdict | None:
    """Return the trouble of its account that a harness still tried to get over when it was last heard."""
    latest = reading.events[-1] if reading.events else None
    if latest is not None and latest.kind == "retry" and latest.data.get("kind") in _HELD_UP_NAMES:
        return Verdict(VerdictKind(latest.data["kind"]), latest.text, reading.retry_at)
    if reading.error in HELD_UP:
        return Verdict(reading.error, reading.error_text or reading.error.value, reading.retry_at)
    return None


def holds_up(record: ExitRecord, verdict: Verdict | None) -> VerdictKind | None:
    """Return the trouble of the account that this session ended by, if it did."""
    if verdict is None or verdict.kind not in HELD_UP:
        return None
    return verdict.kind if record.cause in {"exited", "resident", *_STOOD_STILL} else None


def comment(record: ExitRecord, verdict: Verdict | None) -> str:
    """Return what the verdict adds to the sentence of an ending; empty where it adds nothing."""
    if verdict is None:
        return ""
    match verdict.kind:
        case VerdictKind.SUCCESS:
            if record.cause == "exited" and record.code != 0:
                return "although it had said that it was done"
            return ""
        case (
            VerdictKind.RATE_LIMITED
            | VerdictKind.AUTH
            | VerdictKind.UNREACHABLE
            | VerdictKind.CONTEXT_EXHAUSTED
            | VerdictKind.REFUSED
            | VerdictKind.WAITING_FOR_HUMAN
            | VerdictKind.BUDGET
            | VerdictKind.MAX_TURNS
            | VerdictKind.ABORTED
            | VerdictKind.ERROR
            | VerdictKind.INCOMPLETE
        ):
            heeded = {"exited", "resident", *(_OVERDUE if verdict.kind in _MET else _STOOD_STILL)}
            return verdict.sentence if record.cause in heeded else ""
        case _:
            assert_never(verdict.kind)
