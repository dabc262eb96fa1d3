"""What an error of a model server amounts to, from its HTTP status or its words."""

from __future__ import annotations

import re

from supervisor.core.sessions.last_words import telling_line
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.resets import reset_in

_STATUS = re.compile(
    r"\b(?:status(?: code)?|error(?: code)?|HTTP|API Error|(?<=[\"'])code)[\"':=\s]*(\d{3})\b", re.IGNORECASE
)
_BARE = re.compile(r"^\s*(\d{3})\b|\((\d{3})\)")
_WORDS = (
    (
        VerdictKind.CONTEXT_EXHAUSTED,
        re.compile(
            r"context[ _](?:length|window)|prompt is too long|maximum context|too many tokens|token limit|input (?:is )?too long",
            re.IGNORECASE,
        ),
    ),
    (
        VerdictKind.RATE_LIMITED,
        re.compile(
            r"rate[ _-]?limit|too many requests|overloaded|usage limit|quota (?:was )?exceeded|exceeded your.*quota|RESOURCE_EXHAUSTED",
            re.IGNORECASE,
        ),
    ),
    (
        VerdictKind.AUTH,
        re.compile(
            r"unauthori[sz]ed|unauthenticated|authentication|\bauth (?:type|method)|invalid[ _](?:x-)?api[ _-]?key|incorrect api key|api key not valid|not logged in|please run /login|no api key|no provider configured|no default model set|permission[ _]denied.*api|credit balance",
            re.IGNORECASE,
        ),
    ),
    (
        VerdictKind.UNREACHABLE,
        re.compile(
            r"ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|unable to connect|(?:could not|cannot) connect|FailedToOpenSocket|connection (?:error|refused|reset)|fetch failed|stream (?:disconnected|ended without)|error sending request|network error|socket hang up|APIConnectionError|timed? ?out",
            re.IGNORECASE,
        ),
    ),
    (
        VerdictKind.REFUSED,
        re.compile(
            r"content[ _]filter|content policy|usage policy|safety|\brefus(?:al|ed by)", re.IGNORECASE
        ),
    ),
    (
        VerdictKind.WAITING_FOR_HUMAN,
        re.compile(
            r"requires? (?:user )?(?:approval|confirmation|a terminal|an interactive)|not a (?:tty|terminal)|waiting for (?:user )?input",
            re.IGNORECASE,
        ),
    ),
)


def kind_of(status: int | None, words: str = "") -> VerdictKind:
    """Return what an error amounts to; a status says more than words, but for 400, which says nothing."""
    match status:
        case 401 | 402 | 403 | 407:
            return VerdictKind.AUTH
        case 429 | 529:
            return VerdictKind.RATE_LIMITED
        case 413:
            return VerdictKind.CONTEXT_EXHAUSTED
        case 404:
            return VerdictKind.ERROR
        case int() if 500 <= status < 600 or status == 408:
            return VerdictKind.UNREACHABLE
        case _:
            pass
    for kind, pattern in _WORDS:
        if pattern.search(words):
            return kind
    return VerdictKind.ERROR


def status_in(words: str) -> int | None:
    """Return the HTTP status that a message names, `None` when it names none."""
    found = _STATUS.search(words) or _BARE.search(words[:200])
    if found is None:
        return None
    status = int(next(group for group in found.groups() if group))
    return status if 400 <= status < 600 else None


def fail(reading: Reading, words: str, status: int | None = None, retry_after: float | None = None) -> None:
    """Take note of an error in words; `retry_after` in seconds from now."""
    status = status or status_in(words)
    kind = kind_of(status, words)
    at = reading.now + retry_after if retry_after is not None and retry_after >= 0 else None
    if at is None and kind is VerdictKind.RATE_LIMITED:
        at = reset_in(words, reading.now) or reading.limited_until
    reading.fail(kind, words, at)


def retries(reading: Reading, words: str, status: int | None = None) -> None:
    """Take note that the harness tries again by itself, and over what: it may do so until somebody loses patience."""
    reading.note("retry", words, {"kind": kind_of(status or status_in(words), words).value})


def judge(
    reading: Reading, code: int | None, signal: int | None, *, final: bool = True, name: str = "the harness"
) -> Verdict:
    """Return the verdict that most harnesses end with: an error that stands, the last event, or its absence.

    Of one that failed and named no error in its events, standard error may tell what it was.

    `final` tells whether this harness always ends with an event of its own.
    """
    reading.result = reading.result or reading.message  # of those without a last event: what was said last
    said = reading.error_text.strip().splitlines()
    if reading.error is not None:
        sentence = f"{name}: {said[0][:300]}" if said else f"{name} ended with an error"
        return Verdict(reading.error, sentence, reading.retry_at)
    if (
        code
        and (kind := kind_of(status_in(line := telling_line(reading.errors)), line)) is not VerdictKind.ERROR
    ):
        return Verdict(kind, f"{name}: {line.strip()[:300]}", reading.retry_at)
    if signal is not None:
        return Verdict(VerdictKind.ABORTED, f"{name} was ended by signal {signal}")
    if final and not reading.final:
        return Verdict(VerdictKind.INCOMPLETE, f"{name} ended (exit code {code}) without its last event")
    if code:
        return Verdict(VerdictKind.ERROR, f"{name} exited with code {code} and named no error")
    return Verdict(VerdictKind.SUCCESS, f"{name} ended as it should")
