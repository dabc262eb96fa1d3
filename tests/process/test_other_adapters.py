"""Adapters of other packages: the documented protocol is enough, and a broken one is named and ends nothing but its sessions."""

from __future__ import annotations

import sys
import textwrap

import pytest

pytestmark = pytest.mark.process

PACKAGE = """
    import json
    from pathlib import Path
    from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
    from supervisor.world.harness.adapter import PROMPT, Direct, Prepared, Start

    class MyAgent(Direct):
        name = "my-agent"
        program = "my-agent"
        package = "pypi:my-agent"
        tested = "1.0"
        stop = "TERM"
        can = frozenset({"usage", "cost", "resume", "preset_id"})

        def prepare(self, start):
            resume = ("--resume", start.resume) if start.resume else ("--id", start.native)
            return Prepared((*start.program, *resume, "--task", PROMPT), {"MY_AGENT_HOME": str(start.home)}, {"settings.json": b"{}"})

        def hear(self, line, reading):
            event = json.loads(line)
            if event["kind"] == "step":
                reading.turns += 1
                reading.say(event["text"])
                reading.used(event["in"], event["out"])
                reading.costs(event["usd"], more=True)
            elif event["kind"] == "end":
                reading.conclude(event["text"])

        def ending(self, reading, code, signal):
            return Verdict(VerdictKind.SUCCESS, "done") if reading.final else Verdict(VerdictKind.INCOMPLETE, "it said no end")
"""
AGENT = """
    import json, os, subprocess, sys, time
    pathname = os.environ["LEASEHOLD_TASK"] + ".txt"
    print(json.dumps({"kind": "step", "text": "on it", "in": 100, "out": 20, "usd": 0.5}), flush=True)
    print("no json at all", flush=True)
    open(pathname, "a").write("x")
    subprocess.run(["git", "add", pathname], check=True)
    subprocess.run(["git", "commit", "-qm", "Do it", "--", pathname], check=True)
    print(json.dumps({"kind": "end", "text": "all done"}), flush=True)
"""


@pytest.fixture
def provided(site):
    """Return what installs a package with one adapter, whose source is changed by `broken`, and configures it."""

    def install(broken: str = "", at: str = "my_agent:MyAgent") -> None:
        library = site.root.parent / "library"
        info = library / "my_agent-1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-agent\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[leasehold.harness]\nmy-agent = {at}\n")
        (library / "my_agent.py").write_text(textwrap.dedent(PACKAGE) + "\n" + textwrap.dedent(broken))
        site.environ["PYTHONPATH"] += f":{library}"
        site.task("a", "a.txt", harness="mine")
        site.task("b", "b.txt", harness="agent")
        program = site.write("../bin/my-agent", f"#!{sys.executable}\n{textwrap.dedent(AGENT)}")
        program.chmod(0o755)
        site.environ["PATH"] = f"{program.parent}:{site.environ['PATH']}"
        plain = AGENT.replace("import json", "import sys; sys.stdin.read(); import json")
        mine = {"adapter": "my-agent", "budget": "5m", "grace": "1s"}
        site.configure(plain, retry={"attempts": 1}, **{"harness.mine": mine})

    return install


def test_an_adapter_of_another_package_is_found_started_and_understood(provided, site):
    provided()

    site.until_idle()

    shown = site.ask("session", "show", "a")
    heard = shown["heard"]
    assert shown["outcome"] == "finished"
    assert (heard["adapter"], heard["turns"], heard["cost_usd"]) == ("my-agent", 1, 0.5)
    assert (heard["tokens_in"], heard["tokens_out"], heard["result"]) == (100, 20, "all done")
    assert heard["odd"] == 1


@pytest.mark.parametrize(
    "broken",
    [
        "def broken(self, start): return None\nMyAgent.prepare = broken",
        "def broken(self, found): raise RuntimeError('lost')\nMyAgent.real = broken",
        "def broken(self, line, reading): reading.tokens_in = 'many'; reading.events = None\nMyAgent.hear = broken",
        "def broken(self, reading, code, signal): return 'success'\nMyAgent.ending = broken",
    ],
    ids=["prepare", "real", "hear", "ending"],
)
def test_a_broken_adapter_is_named_and_ends_nothing_but_its_sessions(provided, site, broken):
    provided(broken)
    process = site.start()

    mine = site.wait_for("session.ended", task="a")["data"]
    other = site.wait_for("session.ended", task="b")["data"]

    assert other["outcome"] == "finished"
    assert site.end(process) == 0
    assert "my-agent" in mine["sentence"] + site.log()


@pytest.mark.parametrize(
    ("broken", "at", "told"),
    [
        ("raise RuntimeError('no library')", "my_agent:MyAgent", "cannot be loaded: no library"),
        ("MyAgent.stop = 'NO'", "my_agent:MyAgent", 'is no adapter: stop is "NO", which is no signal'),
    ],
)
def test_an_adapter_that_cannot_be_used_is_named_by_check_and_at_the_start(provided, site, broken, at, told):
    provided(broken, at)

    for verb in (("check",), ("run", "--until-idle")):
        done = site.run(*verb, code=1)
        assert told in done.stdout + done.stderr
        assert "my-agent" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_doctor_and_the_logs_outlive_a_broken_adapter(provided, site):
    provided("def broken(self, *args): raise RuntimeError('lost')\nMyAgent.version = MyAgent.hear = broken")
    site.until_idle(code=None)

    assert "my-agent" in site.run("doctor", code=None).stdout
    assert "all done" in site.run("session", "logs", "--pretty", "a").stdout
