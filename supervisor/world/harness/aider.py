"""aider."""

from __future__ import annotations

import re

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import PROMPT_FILE, Direct, Prepared, Start
from supervisor.world.harness.failures import judge, kind_of, retries, status_in
from supervisor.world.harness.homes import own_home

_TOKENS = re.compile(
    r"Tokens: ([\d.,]+)(k|M)? sent(?:, ([\d.,]+)(k|M)? cache hit)?.*?([\d.,]+)(k|M)? received", re.IGNORECASE
)
_COST = re.compile(r"\$([\d.]+) session")
_EDIT = re.compile(r"^Applied edit to (.+)$")
_COMMIT = re.compile(r"^Commit [0-9a-f]{7,} ")
_ERROR = re.compile(
    r"litellm\.(\w+(?:Error|Exception))|^Error: |\bAPI key\b.*(?:invalid|missing)", re.IGNORECASE
)
_BROWSER = re.compile(r"^Please open this URL in your browser")
_RETRY = re.compile(r"^Retrying in")
_MODEL = re.compile(r"^(?:Main m|M)odel: (\S+)")
_SCALE = {"": 1, "k": 1000, "m": 1_000_000}


class Aider(Direct):
    """Prints text for people, commits by itself, and exits with 0 after an error."""

    name = "aider"
    program = "aider"
    package = "pypi:aider-chat"
    tested = "0.86.2"
    stop = "INT"
    can = frozenset({"usage", "cost"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; its histories are kept out of the repository."""
        argv = [*start.program, "--yes-always", "--no-check-update", "--analytics-disable"]
        argv += ["--no-show-model-warnings", "--no-gitignore", "--no-pretty", "--no-fancy-input"]
        argv += ["--no-show-release-notes", "--message-file", PROMPT_FILE]
        for kind in ("chat", "input", "llm"):
            argv += [f"--{kind}-history-file", str(start.home / f"aider.{kind}.history")]
        argv += start.model_words()
        home, links = own_home(start, (".aider.conf.yml", ".aider"))
        env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} | home
        return Prepared((*argv, *start.args), env, {"aider.home": b""}, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of text."""
        words = line.decode("utf-8", "replace").rstrip()
        if not words:
            return
        if found := _TOKENS.search(words):
            reading.turns += 1
            cached = _count(found[3], found[4]) if found[3] else None
            reading.used(_count(found[1], found[2]), _count(found[5], found[6]), cached)
            if cost := _COST.search(words):
                reading.costs(float(cost[1]))
            reading.recovered()
        elif found := _EDIT.match(words):
            reading.call("edit", found[1])
            reading.touch(found[1])
        elif _COMMIT.match(words):
            reading.note("commit", words)
        elif _BROWSER.match(words):  # for minutes, where it has neither model nor key
            reading.fail(
                VerdictKind.AUTH, "it has no API key, and waits for somebody to log in with a browser"
            )
        elif _RETRY.match(words):
            retries(reading, reading.error_text or words)
        elif found := _ERROR.search(words):
            status = status_in(words)
            reading.fail(_LITELLM.get(found[1] or "", kind_of(status, words)), words)
        elif found := _MODEL.match(words):
            reading.model = found[1]
            reading.note("start", reading.model)
        else:
            reading.message = words[:4096]

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: by the last error that no answer followed."""
        return judge(reading, code, signal, final=False, name="aider")


_LITELLM = {
    "AuthenticationError": VerdictKind.AUTH,
    "PermissionDeniedError": VerdictKind.AUTH,
    "RateLimitError": VerdictKind.RATE_LIMITED,
    "ContextWindowExceededError": VerdictKind.CONTEXT_EXHAUSTED,
    "ContentPolicyViolationError": VerdictKind.REFUSED,
    "APIConnectionError": VerdictKind.UNREACHABLE,
    "InternalServerError": VerdictKind.UNREACHABLE,
    "ServiceUnavailableError": VerdictKind.UNREACHABLE,
    "Timeout": VerdictKind.UNREACHABLE,
    "BudgetExceededError": VerdictKind.BUDGET,
}


def litellm_kind(name: str, words: str) -> VerdictKind:
    """Return what an exception of LiteLLM, by its class, amounts to."""
    return _LITELLM.get(name) or kind_of(status_in(words), words)


def _count(digits: str, scale: str | None) -> int | None:
    try:
        return round(float(digits.replace(",", "")) * _SCALE[(scale or "").lower()])
    except ValueError:
        return None
