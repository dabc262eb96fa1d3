"""gptme."""

from __future__ import annotations

from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import PROMPT, Direct, Prepared, Start
from supervisor.world.harness.failures import judge
from supervisor.world.harness.gptme_plugin import FOLDER, gptme_plugin
from supervisor.world.harness.homes import own_home
from supervisor.world.harness.lines import event, number, table, text


class Gptme(Direct):
    """Tools are code blocks in what the model says; its exit codes name three of its endings."""

    name = "gptme"
    program = "gptme"
    package = "pypi:gptme"
    tested = "0.35.1"
    stop = "TERM"
    can = frozenset({"hooks", "mcp", "resume", "usage", "preset_id"})

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started."""
        argv = [*start.program, "--non-interactive", "--output-format", "json"]
        argv += ["--name", start.resume, "--resume"] if start.resume else ["--name", start.native]
        argv += start.model_words()
        home, links = own_home(start, (".config/gptme",), keep=(".local/share/gptme/logs",))
        env = home | {
            "GPTME_TIKTOKEN_TIMEOUT": "0",  # else it looks for a file on the net for a minute
            "GPTME_LLM_MAX_RETRIES": "5",  # else it tries for minutes before it ends and says why
        }
        files: dict[str, bytes] = {}
        if start.hook or start.mcp:
            before = start.env.get("PYTHONPATH", "")
            files = gptme_plugin(start.hook, start.mcp, before)
            env["PYTHONPATH"] = ":".join(part for part in (str(start.home / FOLDER), before) if part)
        return Prepared((*argv, *start.args, PROMPT), env, files, links)

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one message."""
        found = event(line, reading)
        if found is None:
            return
        words = text(found, "content")
        match found.get("role"):
            case "assistant":
                reading.turns += 1
                reading.say(words)
                meta = table(found, "metadata")
                usage = table(meta, "usage")
                reading.model = text(meta, "model") or reading.model
                reading.used(
                    number(usage, "input_tokens"),
                    number(usage, "output_tokens"),
                    number(usage, "cache_read_tokens"),
                )
                reading.costs(meta.get("cost"), more=True)
            case "system":
                _system(words, reading)

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended."""
        match code:
            case 75:
                return Verdict(VerdictKind.RATE_LIMITED, "gptme: rate limited", reading.retry_at)
            case 76:
                return Verdict(VerdictKind.AUTH, "gptme: the API key was refused")
            case 77:
                return Verdict(VerdictKind.UNREACHABLE, "gptme: the model is not available (404 or 503)")
            case _:
                return judge(reading, code, signal, final=False, name="gptme")


def _system(words: str, reading: Reading) -> None:
    """Take in what a tool or gptme itself answered: the first line says what it did."""
    head = words.strip().splitlines()[0] if words.strip() else ""
    lower = head.lower()
    if lower.startswith(("ran command", "executed", "saved to", "patch successfully applied", "appended to")):
        about = head.partition("`")[2].partition("`")[0]
        reading.call(head.split(" ")[0].lower(), about)
        if about and not lower.startswith(("ran command", "executed")):
            reading.touch(about)
    elif lower.startswith("error"):
        reading.note("tool_error", words)
