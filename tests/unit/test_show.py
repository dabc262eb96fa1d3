"""What tables and sentences on a terminal look like."""

from __future__ import annotations

import time

from supervisor.cli.show import ended_as, shortly, table, used, with_repo


def printed(capsys) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines() if line.strip(" ─")]


def test_a_column_that_may_be_left_out_is_shown_where_a_row_has_something_in_it(capsys):
    columns = ("session", "model", "leases")

    table(columns, [("a", None, 0), ("b", "", 1)], "none", optional=("model",))
    without = printed(capsys)
    table(columns, [("a", None, 0), ("b", "opus", 1)], "none", optional=("model",))
    having = printed(capsys)

    assert without == [["session", "leases"], ["a", "0"], ["b", "1"]]
    assert having == [["session", "model", "leases"], ["a", "0"], ["b", "opus", "1"]]


def test_the_repository_is_told_where_there_is_more_than_one():
    rows = [("a",), ("b",)]

    assert with_repo(("task",), rows, ["app", "app"]) == (("task",), rows)
    assert with_repo(("task",), rows, ["app", "api"]) == (("task", "repo"), [("a", "app"), ("b", "api")])


def test_an_ending_does_not_say_its_outcome_twice():
    assert ended_as("lost", "lost: its worker is gone") == "lost: its worker is gone"
    assert ended_as("stopped", "stopped by operator after 5s") == "stopped by operator after 5s"
    assert ended_as("failed", "exited with code 3") == "failed: exited with code 3"


def test_a_time_of_today_has_no_date_and_one_of_another_year_nothing_else():
    now = time.time()

    assert shortly(now) == time.strftime("%H:%M:%S", time.localtime(now))
    assert shortly(86400.0 * 400) == "1971-02-05"


def test_tokens_and_cost_are_short_and_what_was_not_told_is_left_out():
    assert used(None, None) == ""
    assert used(9_999, None) == "9999 tokens"
    assert used(12_345, 0.5) == "12k tokens, 0.50 USD"
    assert used(1_234_567, None) == "1.2M tokens"
    assert used(123_456_789, 12.0) == "123M tokens, 12.00 USD"
