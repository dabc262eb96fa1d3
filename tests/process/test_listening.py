"""What a harness prints becomes the facts of its session and the name of its ending, whatever it prints."""

from __future__ import annotations

import json
import signal
import sys
import textwrap

import pytest

pytestmark = pytest.mark.process

TALK = """
import json, os, signal, subprocess, sys, time
sys.stdin.read()

def say(**event):
    print(json.dumps(event), flush=True)

def init():
    say(type="system", subtype="init", session_id="native-1", model="claude-x")

def turn(number=1, text="working", tokens=100, **block):
    content = [{"type": "text", "text": text}, *([block] if block else [])]
    usage = {"input_tokens": tokens, "output_tokens": 10}
    say(type="assistant", message={"id": f"m{number}", "model": "claude-x", "content": content, "usage": usage})

def result(**fields):
    say(type="result", session_id="native-1", num_turns=1, **fields)

def done():
    result(subtype="success", is_error=False, result="all done", total_cost_usd=0.25)

def commit(name="a.txt"):
    path = os.path.join(os.environ["LEASEHOLD_REPO"], name)
    open(path, "a").write("x")
    subprocess.run(["git", "add", path], check=True)
    subprocess.run(["git", "commit", "-qm", "Do it", "--", path], check=True)
"""
KEY = "sk-" + "ant-" + "a1B2" * 8
CLAUDE = {"parse": "claude"}


@pytest.fixture
def talk(site):
    """Return what runs one session of an agent that talks like Claude Code, and returns how it ended."""

    def run(script: str, /, **harness):
        site.task("a", "a.txt")
        site.configure(TALK + textwrap.dedent(script), harness=CLAUDE | harness, retry={"attempts": 1})
        process = site.start()
        ended = site.wait_for("session.ended")
        site.end(process)
        return ended["data"]

    return run


def test_the_facts_of_a_session_are_kept_with_its_ending(talk, site):
    ended = talk(
        """
    init()
    turn(1, type="tool_use", id="t1", name="Edit", input={"file_path": "a.txt"})
    say(type="user", message={"content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]})
    turn(2, "did it")
    commit()
    done()
"""
    )
    heard = ended["evidence"]["heard"]

    assert ended["outcome"] == "finished"
    assert ended["evidence"]["verdict"]["kind"] == "success"
    assert (heard["model"], heard["native_session"], heard["turns"], heard["tool_calls"]) == (
        "claude-x", "native-1", 2, 1,
    )  # fmt: skip
    assert (heard["tokens_in"], heard["tokens_out"], heard["cost_usd"]) == (200, 20, 0.25)
    assert heard["files"] == ["a.txt"]
    assert heard["result"] == "all done"
    (usage,) = site.events("session.usage")
    assert usage["data"]["tokens_in"] == 200
    assert [event["data"]["model"] for event in site.events("session.model")] == ["claude-x"]


def test_exit_0_after_an_error_is_a_failure_that_names_the_error(talk):
    ended = talk('init(); result(subtype="error_max_turns", is_error=True)')

    assert ended["outcome"] == "failed"
    assert ended["evidence"]["verdict"]["kind"] == "max_turns"
    assert ended["evidence"]["code"] == 0


def test_another_exit_code_after_a_success_counts_for_nothing_where_the_work_is_there(talk):
    ended = talk("init(); turn(); commit(); done(); sys.exit(3)")

    assert ended["outcome"] == "finished"
    assert "exited with code 3" in ended["sentence"]
    assert "although it had said that it was done" in ended["sentence"]


def test_an_output_that_ends_without_the_last_event_is_incomplete_also_with_exit_0(talk):
    ended = talk("init(); turn(); os.close(1); commit(); os._exit(0)")

    assert ended["outcome"] == "failed"
    assert ended["evidence"]["verdict"]["kind"] == "incomplete"


def test_lines_that_are_no_json_are_passed_over(talk):
    ended = talk(
        r"""
    sys.stdout.buffer.write(b"Warning: a banner\n\xff\xfe\n{\"type\": \n[1, 2]\nnull\n" + b"{" * 5000 + b"\n")
    sys.stdout.flush()
    init(); turn(); commit(); done()
"""
    )

    assert ended["outcome"] == "finished"
    assert ended["evidence"]["heard"]["odd"] == 6


def test_a_hundred_megabytes_are_heard_out_and_the_last_event_counts(talk):
    ended = talk(
        """
    init(); turn(); commit()
    for _ in range(90):
        os.write(1, (b"noise " * 20 + b"\\n") * 8192)
    os.write(1, b"y" * (12 << 20) + b"\\n")
    done()
""",
        log_limit="4MiB",
    )
    heard = ended["evidence"]["heard"]

    assert ended["outcome"] == "finished"
    assert heard["result"] == "all done"
    assert ended["evidence"]["log"]["out"]["bytes"] > 90 << 20


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


def test_a_rate_limit_that_the_harness_names_rests_its_account_and_is_no_failure(site):
    site.task("a", "a.txt")
    site.configure(
        TALK
        + 'init(); result(subtype="success", is_error=True, result="API Error: 429 rate_limit_error", api_error_status=429); sys.exit(1)',
        harness=CLAUDE,
        **{"quotas.plan": {"harness": ["agent"]}},
    )
    process = site.start()
    ended = site.wait_for("session.ended")["data"]
    resting = site.wait_for("harness.resting")["data"]
    site.end(process)

    assert ended["outcome"] == "rate_limited"
    assert ended["task_standing"] == "ready"
    assert resting["account"] == "plan"
    assert "429" in resting["why"]


def test_a_refused_key_stops_the_account_and_is_said_once(site):
    for name in ("a", "b"):
        site.task(name, f"{name}.txt")
    site.configure(
        TALK
        + 'init(); result(subtype="success", is_error=True, result="Invalid API key", api_error_status=401); sys.exit(1)',
        harness=CLAUDE,
    )
    process = site.start()
    site.wait_for("session.ended", count=2)
    status = site.ask("status")
    resumed = site.ask("resume", "--harness", "agent")
    site.wait_for("session.ended", count=3)
    site.end(process)

    assert len(site.events("harness.stopped")) == 2  # again after the operator's word
    assert "leasehold resume --harness agent" in status["harnesses_told"][0]
    assert resumed["rested"] is True


def test_a_session_that_asks_a_human_is_told_from_one_that_hangs(talk):
    ended = talk(
        'init(); turn(); sys.stdout.write("Do you trust this folder? [y/N] "); sys.stdout.flush(); signal.pause()',
        stall="3s",
    )

    assert ended["outcome"] == "stalled"
    assert ended["evidence"]["verdict"]["kind"] == "waiting_for_human"
    assert "Do you trust this folder? [y/N]" in ended["sentence"]


def test_retries_are_no_progress_and_a_session_that_does_nothing_else_was_rate_limited(talk):
    ended = talk(
        """
    init(); turn()
    for attempt in range(1, 10_000):
        say(type="system", subtype="api_retry", attempt=attempt, max_retries=10_000, error_status=429, error="rate_limit")
        time.sleep(0.05)
""",
        stall="3s",
    )

    assert ended["outcome"] == "rate_limited"
    assert ended["evidence"]["cause"] == "stall"


def test_used_up_tokens_end_the_session(site):
    site.task("a", "a.txt")
    site.configure(
        TALK + "init(); turn(1, tokens=600); turn(2, tokens=600); signal.pause()",
        harness=CLAUDE,
        **{"quotas.plan": {"harness": ["agent"], "tokens": 1000, "window": "1h"}},
    )
    process = site.start()
    ended = site.wait_for("session.ended")["data"]
    status = site.ask("status")
    site.end(process)

    assert ended["outcome"] == "over_quota"
    assert "quota plan is used up: 1220 of 1000 tokens within 1h" in ended["sentence"]
    assert status["quotas"][0]["tokens"] == {"used": 1220, "of": 1000}
    assert ended["task_standing"] == "ready"


def test_a_reload_waits_for_the_hour_of_a_limited_account_until_its_harness_is_changed(site):
    limited = (
        TALK
        + """
init()
result(subtype="success", is_error=True, api_error_status=429, result=f"usage limit reached|{int(time.time()) + 900}")
sys.exit(1)
"""
    )
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    site.configure(limited, harness=CLAUDE, supervisor={"max_sessions": 1})
    process = site.start()
    site.wait_for("harness.resting")
    site.configure(limited, harness=CLAUDE, supervisor={"max_sessions": 2})
    site.run("reload")
    (told,) = site.ask("status")["harnesses_told"]
    assert told.startswith("harness agent rests for 1")

    site.configure(limited, harness=CLAUDE | {"model": "other"}, supervisor={"max_sessions": 2})
    site.run("reload")
    site.wait_for("harness.resting", count=2)
    site.end(process)

    assert len(site.events("session.intended")) == 2  # the second is the canary


def test_what_an_agent_goes_on_counting_over_its_sessions_is_counted_once(site):
    """Claude Code tells the cost of all of its own session, also to those that go on in it."""
    agent = (
        TALK
        + """
again = os.path.exists(".leasehold/again")
open(".leasehold/again", "w").close()
init()
def told(cost, tokens, used, **fields):
    usage = {"input_tokens": used, "output_tokens": 0}
    result(total_cost_usd=cost, modelUsage={"claude-x": {"inputTokens": tokens}}, usage=usage, **fields)
if not again:
    turn(1)
    told(0.5, 1000, 1000, subtype="success", is_error=True, api_error_status=429, result="try again in 0.2s")
    sys.exit(1)
assert "--resume" in sys.argv, sys.argv
turn(2); commit()
told(0.75, 1500, 500, subtype="success", is_error=False, result="done")
"""
    )
    site.task("a", "a.txt", harness="fake")
    program = [sys.executable, str(site.root / ".leasehold/agent.py")]
    section = {
        "adapter": "claude",
        "program": program,
        "budget": "5m",
        "grace": "1s",
        "mcp": False,
        "hooks": False,
    }
    plan = {"harness": ["fake"], "cost_usd": 10.0, "window": "1h"}
    site.configure(agent, **{"harness.fake": section, "quotas.plan": plan})
    site.until_idle()

    costs = [event["data"]["cost_usd"] for event in site.events("session.usage")]
    assert costs == [0.5, 0.25]
    process = site.start()
    assert site.ask("status")["quotas"][0]["cost_usd"]["used"] == 0.75
    site.end(process)


def test_a_session_over_its_allowance_is_warned_and_ended_and_the_sentence_says_of_what(talk, site):
    ended = talk("init(); turn(1, tokens=830); turn(2, tokens=0, text='warned')\n"
                 "while 'tokens used' not in open(os.environ['LEASEHOLD_NOTICE']).read(): time.sleep(0.02)\n"
                 "turn(3, tokens=900); signal.pause()", max_tokens=1000)  # fmt: skip
    (folder,) = (site.root / ".leasehold/state/sessions").iterdir()

    assert ended["outcome"] == "timed_out"
    assert ": 1760 of 1000 tokens used; ended by signal 15" in ended["sentence"]
    assert (
        "850 of 1000 tokens used; commit what is good, and come to an end" in (folder / "notice").read_text()
    )
    assert "- time budget: 5m; at most 1000 tokens" in (folder / "prompt.md").read_text()


def test_a_quota_that_a_reload_brings_counts_what_was_used_before_it_under_earlier_supervisors_too(site):
    waits = (
        TALK
        + """
init(); turn(1)
while os.environ["LEASEHOLD_TASK"] == "b" and not os.path.exists(".leasehold/go"): time.sleep(0.02)
if os.environ["LEASEHOLD_TASK"] == "a": commit()
done()
"""
    )
    site.task("a", "a.txt")
    site.configure(waits, harness=CLAUDE)
    first = site.start()
    site.wait_for("session.ended", task="a")
    site.task("b", "b.txt")
    session = site.wait_for("session.model", task="b")["session"]
    first.kill()
    first.wait()
    site.write(".leasehold/go", "")
    site.until((site.root / f".leasehold/state/sessions/{session}/exit.json").exists)
    second = site.start()  # takes b over, which has ended meanwhile
    site.wait_for("session.ended", task="b")

    site.configure(
        waits,
        harness=CLAUDE,
        supervisor={"daily_tokens": 230},
        **{"quotas.plan": {"sessions": 9, "window": "1h"}},
    )
    site.run("reload")
    day, plan = sorted(site.ask("status")["quotas"], key=lambda quota: quota["name"])
    site.end(second)

    assert (day["tokens"], day["cost_usd"]["used"], plan["sessions"]["used"]) == (
        {"used": 220, "of": 230},
        0.5,
        2,
    )


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


GONE = """
init(); result(subtype="success", is_error=True, result="API Error: Unable to connect (ECONNREFUSED)"); sys.exit(1)
"""


def test_an_idle_run_ends_when_a_model_server_stays_away_and_names_account_url_and_reason(site):
    for name in ("a", "b"):
        site.task(name, f"{name}.txt")
    site.configure(
        TALK + GONE,
        harness=CLAUDE | {"env": {"ANTHROPIC_BASE_URL": "http://me:hidden@127.0.0.1:9/v1"}},
        retry={"backoff": "1s", "jitter": 0.0},
        **{"quotas.plan": {"harness": ["agent"]}},
    )

    done = site.run("run", "--until-idle", "--patience", "4s", code=1)

    assert "account plan (harness agent) was tried 3 times" in done.stderr
    assert "model server cannot be reached" in done.stderr
    assert "ECONNREFUSED" in done.stderr
    assert "(model server http://127.0.0.1:9/v1)" in done.stderr
    assert "hidden" not in done.stderr
    assert "  a: harness agent (account plan) rests for" in done.stderr
    assert len(site.events("session.ended")) <= 4  # two at once, and a canary each time


def test_an_idle_run_tries_a_server_once_that_was_away_for_an_earlier_one(site):
    site.task("a", "a.txt")
    site.configure(TALK + GONE, harness=CLAUDE, retry={"backoff": "30m"})
    site.run("run", "--until-idle", "--patience", "0s", code=1)

    site.run("run", "--until-idle", "--patience", "0s", code=1)

    assert len(site.events("session.ended")) == 2


def test_an_agent_that_told_its_result_and_stays_is_stopped_as_finished(talk):
    ended = talk("init(); turn(); commit(); done(); signal.pause()", resident="1s")

    assert ended["outcome"] == "finished"
    assert ended["evidence"]["cause"] == "resident"
    assert "its process stayed and was stopped" in ended["sentence"]


def test_an_agent_that_told_an_error_and_stays_is_stopped_and_not_finished(talk):
    ended = talk(
        'init(); turn(); commit(); result(subtype="error_max_turns", is_error=True); signal.pause()',
        resident="1s",
    )

    assert ended["evidence"]["cause"] == "resident"
    assert ended["outcome"] == "failed"


def test_a_session_that_said_done_and_committed_is_finished_whatever_its_exit_code(site):
    site.task("a", "a.txt")
    site.configure(
        TALK
        + "commit(); subprocess.run([sys.executable, '-m', 'supervisor.cli.main', 'task', 'done'], check=True); sys.exit(3)",
        retry={"attempts": 1},
    )
    site.until_idle()
    (ended,) = site.events("session.ended")

    assert ended["data"]["outcome"] == "finished"
    assert "exited with code 3" in ended["data"]["sentence"]
    assert "it said that the task is done" in ended["data"]["sentence"]


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
