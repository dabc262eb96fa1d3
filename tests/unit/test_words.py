"""What the command line says in passing: which verb was meant, counts of one, events without a session."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from supervisor.cli.event_kinds import KindType
from supervisor.cli.events import line
from supervisor.cli.facts import held_by
from supervisor.cli.main import leasehold
from supervisor.cli.show import clock, collisions


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("stop", '"session stop"?'), ("acquire", '"lease acquire"?'), ("sesion", '"session"?')],
)
def test_a_verb_that_is_not_there_is_answered_with_the_one_that_was_meant(typed: str, meant: str) -> None:
    done = CliRunner().invoke(leasehold, [typed])

    assert done.exit_code == 2
    assert f'no verb "{typed}"; did you mean {meant}' in done.output


def test_one_collision_is_told_in_the_singular() -> None:
    told = collisions({"writes_refused": 1, "commits_allowed": 2, "waited_seconds": 1.5, "stale_reads": 0})

    assert told == "1 write refused, 2 commits allowed, 1.5s waited"


def test_an_event_of_no_session_starts_in_the_same_column_as_others() -> None:
    alone = line({"at": 0.0, "kind": "supervisor.started", "data": {"pid": 7}})
    of_one = line({"at": 0.0, "kind": "session.exited", "session": "5cc9795f", "data": {"code": 0}})

    assert alone.index("pid=7") == of_one.index("5cc9795f")


def test_an_event_tells_instants_as_times_commits_in_short_and_a_holder_once() -> None:
    sha = "0123456789" * 4
    data = {"due": 86400.0 * 400, "lateness": 0.5, "sha": sha, "commits": [sha], "holder": "5cc9795f"}
    told = line({"at": 0.0, "kind": "x.y", "session": "5cc9795f", "data": data})

    assert f"due={clock(86400.0 * 400)} lateness=0.5 sha=0123456789 commits=0123456789" in told
    assert "holder" not in told
    assert "holder=operator" in line({"at": 0.0, "kind": "x.y", "data": {"holder": "operator"}})


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("session.endd", "did you mean session.ended"),
        ("sesion", "did you mean session"),
        ("zzz", "there are those of clock, commit, "),
    ],
)
def test_a_kind_of_event_that_there_is_not_is_answered_with_those_that_are_near(
    typed: str, told: str
) -> None:
    done = CliRunner().invoke(leasehold, ["events", "--kind", typed])

    assert done.exit_code == 2
    assert f'there is no event "{typed}"; {told}' in done.output


@pytest.mark.parametrize("typed", ["harness", "harness.", "harness.*"])
def test_a_group_of_events_stands_for_all_of_its_kinds(typed: str) -> None:
    found = KindType().convert(typed, None, None)

    assert {"harness.resting", "harness.stopped", "harness.resumed"} <= set(found)
    assert all(kind.startswith("harness.") for kind in found)


def test_what_holds_a_session_is_said_in_words_and_an_unknown_word_is_shown_as_it_is() -> None:
    processes, enforcement = held_by({"rung": "cgroup", "level": "kernel", "confined": True})

    assert processes.endswith("cgroup: each session is in a cgroup of its own, which is killed as one")
    assert "kernel: a write to a file that another session holds fails" in enforcement
    assert enforcement.endswith("; confined")
    assert held_by({"rung": "odd", "level": "odd"}) == ["processes    odd", "enforcement  odd"]
    assert held_by({"rung": "", "level": ""}) == []
