"""mini-swe-agent."""

from __future__ import annotations

import re

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import PROMPT, Direct, Prepared, Start
from supervisor.world.harness.aider import litellm_kind
from supervisor.world.harness.failures import judge
from supervisor.world.harness.homes import own_home

_STEP = re.compile(r"^mini-swe-agent \(step (\d+), \$([\d.]+)\)")
_HEADS = frozenset({"System:", "User:", "Tool:", "Exit:"})
_SAVED = "Saved trajectory to"
_ERROR = re.compile(r"litellm\.(?:exceptions\.)?(\w+(?:Error|Exception))")
_ENDS = {
    "LimitsExceeded": (VerdictKind.BUDGET, "its limit of steps or cost"),
    "TimeExceeded": (VerdictKind.BUDGET, "its limit of time"),
    "RepeatedFormatError": (VerdictKind.ERROR, "its model called no tool, several times in a row"),
}


class MiniSweAgent(Direct):
    """One tool, a shell; it prints text for people, and cannot go on with an earlier session."""

    name = "mini-swe-agent"
    program = "mini"
    package = "pypi:mini-swe-agent"
    tested = "2.4.6"
    stop = "TERM"
    can = frozenset({"cost"})

    def version(self, program: tuple[str, ...]) -> list[str]:
        """Return the command that prints its version in its banner."""
        return [*program, "--help"]

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started; its trajectory is kept in the session's own home."""
        argv = [*start.program, "--yolo", "--exit-immediately", "-o", str(start.home / "trajectory.json")]
        argv += start.model_words()
        home, links = own_home(start, (".config/mini-swe-agent",))
        env = home | {
            "MSWEA_CONFIGURED": "true",  # else it asks for keys on the terminal
            "MSWEA_COST_TRACKING": "ignore_errors",
            "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "5",  # else it tries for minutes, without a word
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        return Prepared((*argv, *start.args, "-t", PROMPT), env, {"mini.home": b""}, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line of text."""
        words = line.decode("utf-8", "replace").rstrip()
        if not words:
            return
        if found := _STEP.match(words):
            reading.own["part"] = "step"
            reading.turns = max(reading.turns, int(found[1]))
            reading.tool_calls = reading.turns
            reading.costs(float(found[2].rstrip(".") or 0))
            reading.recovered()
            reading.final = False  # what looked like its end was text
        elif words in _HEADS:
            reading.own["part"] = words
        elif reading.own.get("part") == "Exit:":
            _exit(words, reading)
        elif reading.own.get("part") == "step":
            _step(words, reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended: it exits with 0 at its limits too."""
        return judge(reading, code, signal, final=False, name="mini-swe-agent")


def _step(words: str, reading: Reading) -> None:
    """Take in what the model said and, between fences, the command that it runs."""
    if words.startswith("```"):
        reading.own["part"] = "command"
    else:
        reading.say(words)


def _exit(words: str, reading: Reading) -> None:
    """Take in why it ends, which its last part begins with: an error, a limit, or what the model submitted."""
    if words.startswith(_SAVED):
        reading.own["part"] = ""
        if reading.error is None:
            reading.conclude()
    elif words in _ENDS:
        reading.fail(*_ENDS[words])
    elif reading.error is None and (found := _ERROR.search(words)):
        reading.fail(litellm_kind(found[1], words), words)
