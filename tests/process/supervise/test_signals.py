"""Each signal to the supervisor, and what it answers."""

from __future__ import annotations

import signal

import pytest

from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process


def test_hangup_with_a_broken_config_keeps_the_last_good_one_and_says_so(site):
    site.configure(WAIT)
    process = site.start()
    config = site.root / ".leasehold/config.toml"
    good = config.read_text()
    config.write_text(good + "\n[supervisor]\nmax_sesions = 3\n")

    process.send_signal(signal.SIGHUP)
    event = site.wait_for("supervisor.reload_refused")

    assert 'did you mean "max_sessions"?' in event["data"]["problems"][0]
    site.wait_for("supervisor.signal", signal="SIGHUP")
    status = site.ask("status")
    assert status["generation"] == 1
    assert "kept as it was" in status["last_signal"]["answer"]
    assert status["config_refused"] == event["data"]["problems"]
    assert "CONFIG       not in force: " in site.run("status").stdout
    config.write_text(good + "\n[supervisor]\nmax_sessions = 3\n")
    process.send_signal(signal.SIGHUP)
    assert site.wait_for("supervisor.reloaded")["data"]["changes"] == ["supervisor.max_sessions: 4 -> 3"]
    assert site.ask("status")["slots"]["of"] == 3
    assert site.ask("status")["config_refused"] == []


def test_usr1_reads_priorities_again_and_the_next_start_follows_the_new_ranking(site):
    for key in ("a", "b", "c"):
        site.task(key, key, priority=1)
    site.configure(WAIT, supervisor={"max_sessions": 1})
    process = site.start()
    first = site.wait_for("session.running")
    assert first["task"] == "a"
    site.task("c", "c", priority=9)

    process.send_signal(signal.SIGUSR1)
    told = site.wait_for("supervisor.signal", signal="SIGUSR1")

    assert told["data"]["answer"] == "ranking 1: c, b"
    assert site.ask("status")["ranked_first"] == ["c", "b"]
    site.run("session", "stop", first["session"])
    assert site.wait_for("session.running", count=2)["task"] == "c"


def test_usr2_toggles_draining(site):
    site.configure(WAIT)
    process = site.start()
    process.send_signal(signal.SIGUSR2)
    site.wait_for("supervisor.signal", signal="SIGUSR2")
    assert site.ask("status")["admission"] == "draining"

    process.send_signal(signal.SIGUSR2)
    site.wait_for("supervisor.signal", count=2, signal="SIGUSR2")
    assert site.ask("status")["admission"] == "open"


def test_quit_writes_the_state_to_the_log(site):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    site.wait_for("session.running")
    process.send_signal(signal.SIGQUIT)
    site.wait_for("supervisor.signal", signal="SIGQUIT")

    assert "dump.session" in site.log()
    assert "dump.lease" in site.log()


def test_interrupts_drain_then_stop(site, tagged):
    site.task("a", "x")
    site.configure(WAIT)
    process = site.start()
    session = site.wait_for("session.running")["session"]
    process.send_signal(signal.SIGINT)
    site.wait_for("supervisor.signal", signal="SIGINT")
    assert process.poll() is None

    assert site.end(process, signal.SIGINT) == 0
    assert tagged(session) == []
    assert site.events("session.ended")[0]["data"]["outcome"] == "stopped"


@pytest.mark.parametrize("on_stop", ["stop", "leave"])
def test_term_ends_by_on_stop(site, tagged, on_stop):
    site.task("a", "x")
    site.configure(WAIT, supervisor={"on_stop": on_stop})
    process = site.start()
    session = site.wait_for("session.running")["session"]

    assert site.end(process) == 0
    assert bool(tagged(session)) is (on_stop == "leave")
