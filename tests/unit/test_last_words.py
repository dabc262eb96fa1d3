"""Which line of an error log says why a program ended."""

from __future__ import annotations

import pytest

from supervisor.core.sessions.last_words import telling_line
from supervisor.core.sessions.reading import Reading, VerdictKind
from supervisor.world.harness.registry import find

PYTHON = """\
Traceback (most recent call last):
  File "/opt/agent/main.py", line 3, in <module>
    run()
openai.APIConnectionError: Connection error.
"""
NODE = """\
node:internal/process/promises:394
      triggerUncaughtException(err, true);
      ^

Error: ENOSPC: no space left on device, write
    at Object.writeSync (node:fs:922:3) {
  errno: -28,
  code: 'ENOSPC'
}

Node.js v22.23.3
"""
RICH = """\
· WARNING  OpenAI API transient error (status unknown), retrying in 1.0s
           (attempt 1/2)
· ERROR    Fatal error occurred
· ERROR    Connection error.
· ERROR      at
           /opt/agent/lib/python3.11/
           site-packages/agent/llm.py:1878 in _stream_create
"""


@pytest.mark.parametrize(
    ("errors", "line"),
    [
        ("", ""),
        ("\n  \n", ""),
        ("loading\nready\n", "ready"),
        ("Warning: errors are likely\nwaiting to execute\n", "waiting to execute"),
        ("error: unknown option '--settings'\nTry --help.\n", "error: unknown option '--settings'"),
        ("[2026-01-01] starting\nfatal: out of memory", "fatal: out of memory"),
        ("At least one error\n    at x.js:1\nat y (z.js)\n", "At least one error"),
        (PYTHON, "openai.APIConnectionError: Connection error."),
        (NODE, "Error: ENOSPC: no space left on device, write"),
        (RICH, "Connection error."),
        ("\x1b[31merror:\x1b[0m unknown option '--x'\x07\n", "error: unknown option '--x'"),
        ("╭─ Error ─────────╮\n│ No such option: --x │\n╰───────────────────╯\n", "No such option: --x"),
        ("agent run [message]\n\nOptions:\n  --auto  approve\n          [boolean]\n", "agent run [message]"),
    ],
)
def test_it_is_the_last_that_speaks_of_an_error_and_is_no_part_of_a_trace(errors: str, line: str) -> None:
    assert telling_line(errors) == line


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        (PYTHON, VerdictKind.UNREACHABLE),
        (RICH, VerdictKind.UNREACHABLE),
        ("openai.AuthenticationError: Error code: 401 - {'error': 'no'}\n", VerdictKind.AUTH),
        ("Error: 429 Too Many Requests\n    at send (x.js:1)\n", VerdictKind.RATE_LIMITED),
        (NODE, VerdictKind.ERROR),
        ("", VerdictKind.ERROR),
    ],
)
def test_what_an_agent_says_on_standard_error_alone_names_its_end(errors: str, kind: VerdictKind) -> None:
    reading = Reading(errors=errors)
    verdict = find("gptme").ending(reading, 1, None)

    assert verdict is not None
    assert verdict.kind is kind


def test_standard_error_says_nothing_against_an_end_that_was_good_or_named_an_error_itself() -> None:
    good, named = Reading(errors=PYTHON), Reading(errors=PYTHON)
    named.fail(VerdictKind.CONTEXT_EXHAUSTED, "the context is full")

    for reading, code, kind in ((good, 0, "success"), (named, 1, "context_exhausted")):
        verdict = find("gptme").ending(reading, code, None)
        assert verdict is not None
        assert verdict.kind.value == kind


def test_qwen_code_that_waits_at_a_limited_server_says_so_on_standard_error_as_the_last_it_does() -> None:
    waits = "[qwen-code] Waiting for API capacity... attempt 2, retry in 540s\nOperation cancelled.\n"
    waiting = find("qwen").ending(Reading(now=1000.0, errors=waits, errors_latest=True), None, 15)
    went_on = find("qwen").ending(Reading(now=1000.0, errors=waits), None, 15)

    assert waiting is not None
    assert (waiting.kind, waiting.retry_at) == (VerdictKind.RATE_LIMITED, 1540.0)
    assert went_on is not None
    assert went_on.kind is VerdictKind.ABORTED
