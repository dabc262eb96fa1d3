"""What people are shown of a session that talks: while it lives, after a kill of the supervisor, and no secret of it."""

from __future__ import annotations

import json
import signal
import textwrap

import pytest

from tests.process.listening.talk import CLAUDE, KEY, TALK

pytestmark = pytest.mark.process


def test_a_secret_is_shown_nowhere(talk, site):
    site.environ["OTHER"] = "correct horse battery"
    ended = talk(
        f"""
    init(); turn(text="the key is {KEY}, the other " + os.environ["OTHER"]); commit()
    result(subtype="success", is_error=False, result="used {KEY} and " + os.environ["OTHER"])
""",
        env_from=["OTHER"],
    )

    session = site.ask("session", "list", "--all")["sessions"][0]["id"]
    assert KEY not in site.run("session", "logs", session).stdout
    assert "[masked]" in site.run("session", "logs", session).stdout
    assert KEY in site.run("session", "logs", session, "--raw").stdout
    assert ended["evidence"]["heard"]["result"] == "used [masked] and [masked]"
    assert KEY not in json.dumps(site.events())


GIVEN = {
    "OTHER": "passed horse battery",
    "CI_TOKEN": "inherited horse",
    "PLAIN_PASSWORD": 'written "horse" here',
}


VERBS = (
    ("session", "logs", "a"),
    ("session", "logs", "--err", "a"),
    ("session", "logs", "--pretty", "a"),
    ("session", "show", "a"),
    ("session", "show", "--json", "a"),
    ("events", "--json"),
    ("task", "show", "--json", "a"),
)


def test_secrets_of_supervisor_and_configuration_are_shown_to_no_operator(site):
    site.environ |= {name: GIVEN[name] for name in ("OTHER", "CI_TOKEN")}
    site.environ["PROXY"] = "http://me:hidden-horse@127.0.0.1:9/"
    site.task("a", "a.txt")
    site.configure(
        TALK
        + textwrap.dedent(
            """
            words = " ".join(os.environ[name] for name in ("OTHER", "CI_TOKEN", "PLAIN_PASSWORD", "PROXY"))
            init(); turn(text=words); commit()
            sys.stderr.write("error: " + words + "\\n")
            subprocess.Popen(["sh", "-c", "sleep 1000; :", words], start_new_session=True)
            leasehold = [sys.executable, "-m", "supervisor.cli.main"]
            subprocess.run([*leasehold, "task", "note", words], check=True)
            subprocess.run([*leasehold, "task", "handoff", words], check=True)
            sys.exit(3)
            """
        ),
        harness=CLAUDE | {"env_from": ["OTHER"], "env": {"PLAIN_PASSWORD": GIVEN["PLAIN_PASSWORD"]}},
        retry={"attempts": 1, "spawns": 1},
    )
    process = site.start()
    site.wait_for("session.ended")
    for name in ("OTHER", "CI_TOKEN", "PROXY"):
        del site.environ[name]  # the operator's shell has none of them
    shown = {verb: site.run(*verb).stdout for verb in VERBS}
    site.end(process)

    for verb, text in shown.items():
        assert "[masked]" in text, verb
        for secret in (*GIVEN.values(), "hidden-horse"):
            assert secret not in text, verb
            assert json.dumps(secret)[1:-1] not in text, verb


def test_a_later_supervisor_knows_all_that_a_session_said_before_and_after(site):
    site.task("a", "a.txt")
    site.configure(TALK + "init(); turn(1); turn(2); print('up', flush=True); signal.pause()", harness=CLAUDE)
    first = site.start()
    session = site.wait_for("session.model")["session"]
    site.until(lambda: site.ask("session", "show", session)["heard"]["turns"] == 2, first)
    first.send_signal(signal.SIGKILL)
    first.wait()

    second = site.start()
    site.wait_for("session.adopted")
    site.until(lambda: (site.ask("session", "show", session).get("heard") or {}).get("turns") == 2, second)
    heard = site.ask("session", "show", session)["heard"]
    site.run("session", "stop", session)
    site.end(second)

    assert (heard["model"], heard["tokens_in"], heard["tokens_out"]) == ("claude-x", 200, 20)
    assert len(site.events("session.model")) == 1


def test_a_flood_from_one_session_keeps_nobody_from_hearing_another(site):
    site.task("a", "a.txt", priority="high")
    site.task("b", "b.txt")
    site.configure(
        TALK
        + textwrap.dedent(
            """
            if os.environ["LEASEHOLD_TASK"] == "a":
                print("up", flush=True)
                while True:
                    os.write(1, b"noise\\n" * 10_000)
            init()
            turn()
            signal.pause()
            """
        ),
        harness=CLAUDE | {"log_limit": "1MiB"},
    )
    process = site.start()
    heard = site.wait_for("session.model", task="b")
    for session in site.ask("session", "list")["sessions"]:
        site.run("session", "kill", session["id"])
    site.end(process)

    assert heard["data"]["model"] == "claude-x"


def test_a_living_session_is_shown_and_its_log_is_told_in_words(site):
    site.task("a", "a.txt")
    site.configure(
        TALK + "init(); turn(1, type='tool_use', name='Bash', input={'command': 'make'}); signal.pause()",
        harness=CLAUDE,
    )
    process = site.start()
    session = site.wait_for("session.model")["session"]
    shown = site.run("session", "show", session).stdout
    pretty = site.run("session", "logs", session, "--pretty").stdout
    site.run("session", "kill", session)
    site.end(process)

    assert "1 turn, 1 tool call" in shown
    assert "100 tokens in, 10 out, cost unknown" in shown
    assert pretty.splitlines() == ["model claude-x", "working", "» Bash make"]


def test_ps_shows_model_and_tokens_of_a_session_that_told_them(site):
    site.task("a", "a.txt")
    site.configure(TALK + "init(); turn(1, tokens=20_000); signal.pause()", harness=CLAUDE)
    process = site.start()
    session = site.wait_for("session.model")["session"]
    shown = site.run("ps").stdout
    (found,) = site.ask("ps")["sessions"]
    site.run("session", "kill", session)
    site.end(process)

    assert "claude-x" in shown
    assert "20k tokens" in shown
    assert found["model"] == "claude-x"
    assert found["usage"] == {"tokens_in": 20_000, "tokens_out": 10, "cost_usd": None}
