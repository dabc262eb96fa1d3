"""What a session's harness has said of itself so far, and the verdict that its last words come to.

An adapter fills a `Reading` from the lines that its harness prints. Whatever a harness prints, and however long it
runs, a reading stays small: texts, files and events are bounded. What a harness did not tell stays `None`.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.core.sessions.visible import visible

TEXT_LIMIT = 4096  # characters kept of a text
FILES_LIMIT = 256  # names kept of the files it touched
EVENTS_LIMIT = 64  # events kept of the latest


class VerdictKind(enum.Enum):
    """What the end of a harness amounts to, in its own words rather than by its exit code alone."""

    SUCCESS = "success"
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"  # the account or its key was refused
    UNREACHABLE = "unreachable"  # the model server could not be reached, or is broken
    CONTEXT_EXHAUSTED = "context_exhausted"
    REFUSED = "refused"  # the model or its provider would not do it
    WAITING_FOR_HUMAN = "waiting_for_human"
    BUDGET = "budget"  # a limit of tokens or cost that the harness itself keeps
    MAX_TURNS = "max_turns"
    ABORTED = "aborted"
    ERROR = "error"
    INCOMPLETE = "incomplete"  # it ended without the event that is always its last


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a harness ended, in a kind and a sentence; `retry_at` is Unix seconds, where it was told."""

    kind: VerdictKind
    sentence: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that a harness told: `kind` is "message", "tool", "result", "file", "error", "retry", "note" or the like."""

    kind: str
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Reading:
    """The facts of one session, as far as its harness told them. Adapters change it through its methods.

    `now` (Unix seconds) is set before lines are heard, for what is told as a delay. `limited_until` (Unix seconds) is told of the
    account's limit apart from an error. `tokens_in` counts all input
    tokens, those read from a cache (`tokens_cached`) among them. `final` tells that the event was
    seen which is always the last of this harness. `lines` counts all lines, `odd` those that could not be understood,
    `long` those that were longer than is read; `missed` are the bytes that were dropped before they could be read.
    `errors` is the end of what it wrote on standard error, and `errors_latest` tells that nothing was printed after that;
    both are known at its end only.
    """

    now: float = 0.0
    model: str = ""
    native_session: str = ""
    turns: int = 0
    tool_calls: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None
    cost_usd: float | None = None
    message: str = ""
    result: str = ""
    error: VerdictKind | None = None
    error_text: str = ""
    retry_at: float | None = None
    limited_until: float | None = None
    final: bool = False
    lines: int = 0
    odd: int = 0
    long: int = 0
    missed: int = 0
    heard: int = 0
    errors: str = ""
    errors_latest: bool = False
    files: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    files_more: int = 0
    events: deque[Heard] = field(default_factory=lambda: deque(maxlen=EVENTS_LIMIT))
    own: dict[str, Any] = field(default_factory=dict)  # what an adapter has to remember between two lines

    def note(self, kind: str, text: str = "", data: Mapping[str, Any] | None = None) -> None:
        """Take note of something that the harness told."""
        self.heard += 1
        self.events.append(Heard(kind, text[:TEXT_LIMIT], data or {}))

    def say(self, text: str) -> None:
        """Take note of what the model said; the latest is kept."""
        if text:
            self.message = text[:TEXT_LIMIT]
            self.note("message", text)

    def call(self, tool: str, about: str = "", data: Mapping[str, Any] | None = None) -> None:
        """Count a tool call; `about` is its command, path or the like."""
        self.tool_calls += 1
        self.note("tool", f"{tool} {about}".rstrip(), data)

    def touch(self, path: str) -> None:
        """Remember a file that it wrote."""
        if path in self.files:
            return
        if len(self.files) < FILES_LIMIT:
            self.files[path[:TEXT_LIMIT]] = None
        else:
            self.files_more += 1

    def used(self, tokens_in: object, tokens_out: object, tokens_cached: object = None) -> None:
        """Add the tokens of one model call; what is no count is left out."""
        self.tokens_in = _added(self.tokens_in, tokens_in)
        self.tokens_out = _added(self.tokens_out, tokens_out)
        self.tokens_cached = _added(self.tokens_cached, tokens_cached)

    def total(self, tokens_in: object, tokens_out: object, tokens_cached: object = None) -> None:
        """Set the tokens of the whole session, which the harness counted itself; a smaller count is not believed."""
        self.tokens_in = _larger(self.tokens_in, tokens_in)
        self.tokens_out = _larger(self.tokens_out, tokens_out)
        self.tokens_cached = _larger(self.tokens_cached, tokens_cached)

    def costs(self, usd: object, *, more: bool = False) -> None:
        """Set the cost of the whole session in US dollars, or add that of one call (`more`)."""
        if isinstance(usd, int | float) and not isinstance(usd, bool) and 0 <= usd < 1e9:
            self.cost_usd = (self.cost_usd or 0.0) + usd if more else max(self.cost_usd or 0.0, float(usd))

    def fail(self, kind: VerdictKind, text: str, retry_at: float | None = None) -> None:
        """Take note of an error; the latest counts, until `recovered`."""
        self.error, self.error_text, self.retry_at = kind, text[:TEXT_LIMIT], retry_at
        self.note("error", text, {"kind": kind.value})

    def recovered(self) -> None:
        """Forget the latest error: the harness went on."""
        self.error, self.error_text, self.retry_at = None, "", None

    def conclude(self, result: str = "") -> None:
        """Take note of the harness's last event, with its result in words."""
        self.final = True
        self.result = result[:TEXT_LIMIT] or self.message
        self.note("result", self.result)

    def progress(self) -> tuple[int, int, int, int]:
        """Return what differs whenever the model or a tool did something: never mere output, retries or noise."""
        return self.turns, self.tool_calls, self.tokens_out or 0, len(self.files) + self.files_more

    def answered(self) -> bool:
        """Tell whether its model has answered: a turn that came to an error only is no answer."""
        worked = self.tool_calls or self.tokens_out or self.files
        return bool(worked or (self.turns and self.message and self.error is None))

    def as_json(self) -> dict[str, Any]:
        """Return the facts by name, texts as they may be shown; what the harness did not tell is `None`, an error is left out where there is none."""
        found: dict[str, Any] = {
            "model": visible(self.model) or None,
            "native_session": visible(self.native_session) or None,
            "turns": self.turns,
            "tool_calls": self.tool_calls,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "tokens_cached": self.tokens_cached,
            "cost_usd": None if self.cost_usd is None else round(self.cost_usd, 6),
            "files": [visible(path) for path in self.files],
            "message": visible(self.message),
            "result": visible(self.result),
            "final": self.final,
            "lines": self.lines,
        }
        if self.error is not None:
            words = visible(self.error_text)
            found["error"] = {"kind": self.error.value, "text": words, "retry_at": self.retry_at}
        extra = {"files_more": self.files_more, "odd": self.odd, "long": self.long, "missed": self.missed}
        return found | {name: count for name, count in extra.items() if count}


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def _added(before: int | None, more: object) -> int | None:
    count = _count(more)
    return before if count is None else (before or 0) + count


def _larger(before: int | None, total: object) -> int | None:
    count = _count(total)
    return before if count is None else max(before or 0, count)
