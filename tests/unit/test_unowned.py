"""What a git command is told that would throw away changes of nobody."""

from __future__ import annotations

import pytest

from supervisor.core.decisions.unowned import spare, unowned
from supervisor.core.leases.lease import Granted, Mode, Want
from supervisor.core.leases.scope import tree_scope
from supervisor.core.sessions.outcome import Outcome
from supervisor.core.tasks.standing import LastRun, Track


def test_a_refusal_over_very_many_files_names_a_hundred_and_counts_the_rest(house, work) -> None:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    paths = [f"new/{number}" for number in range(80_000)]

    refusal, effects = spare(house.tables, house.session("a"), paths, "both")
    house.take(effects)

    assert refusal.data["paths"] == paths[:100]
    assert refusal.data["count"] == 80_000
    assert "and 79997 more" in refusal.sentence
    (note,) = house.notes("write.refused")
    assert len(note.data["paths"]) == 100


@pytest.mark.parametrize(
    ("what", "way_out"),
    [
        ("tracked", "git restore -- FILE"),
        ("untracked", "rm -- FILE"),
        ("both", "git stash push -u -- FILE"),
    ],
)
def test_a_refusal_names_a_way_that_can_do_what_the_command_was_to_do(house, work, what, way_out) -> None:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")

    refusal, _ = spare(house.tables, house.session("a"), ["new.txt"], what)

    assert f"`{way_out}`" in refusal.sentence


def test_a_file_that_a_session_left_is_no_persons_until_it_is_written_again(house) -> None:
    last = LastRun("s0", Outcome.FAILED, "failed", 100.0, dirty=("a.py",), repo="app")
    house.tables.backlog.put("a", Track(last=last))

    assert unowned(house.tables, "app", {"a.py": 99.0}, fold_case=False) == ()
    assert unowned(house.tables, "app", {"a.py": 101.0}, fold_case=False) == ("a.py",)


def test_a_file_that_a_session_left_says_nothing_of_one_of_that_name_elsewhere(house) -> None:
    last = LastRun("s0", Outcome.FAILED, "failed", 100.0, dirty=("README.md",), repo="app")
    house.tables.backlog.put("a", Track(last=last))

    assert unowned(house.tables, "other", {"README.md": 99.0}, fold_case=False) == ("README.md",)


def test_the_checkout_that_a_sweep_has_been_granted_makes_no_change_its_own(house) -> None:
    granted = house.tables.broker.acquire("s0", (Want(tree_scope("", "app"), Mode.EXCLUSIVE),), 1.0, wait=0.0)
    assert isinstance(granted, Granted)
    tokens = frozenset(lease.token for lease in granted.leases)

    assert unowned(house.tables, "app", {"a.py": 9.0}, fold_case=False) == ()
    assert unowned(house.tables, "app", {"a.py": 9.0}, fold_case=False, apart_from=tokens) == ("a.py",)
