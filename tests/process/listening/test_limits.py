"""Limits that an agent tells of, or uses up: of its account, its quota, its allowance, its model server."""

from __future__ import annotations

import sys

import pytest

from tests.process.listening.talk import CLAUDE, TALK

pytestmark = pytest.mark.process


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
