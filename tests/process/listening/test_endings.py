"""What a harness prints becomes the facts of its session and the name of its ending, whatever it prints."""

from __future__ import annotations

import pytest

from tests.process.listening.talk import TALK

pytestmark = pytest.mark.process


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
