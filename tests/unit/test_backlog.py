"""The backlog: merged by key, ranked, blocked by name."""

from __future__ import annotations

from supervisor.core.sessions.outcome import Outcome
from supervisor.core.tasks.backlog import Backlog, Offer
from supervisor.core.tasks.dependencies import find_cycles
from supervisor.core.tasks.standing import (
    Assigned,
    Cancelled,
    Cooling,
    Done,
    Held,
    LastRun,
    Parked,
    Ready,
    Track,
)
from supervisor.core.tasks.task import Stage


def keys(backlog: Backlog) -> list[str]:
    return [work.task.key for work in backlog.ranked()]


def test_the_same_key_from_two_sources_is_one_task_and_the_second_is_named(work):
    backlog = Backlog(["md", "queue"])
    backlog.offer(Offer("queue", (work("a", source="queue", origin="queue a"),)))
    backlog.offer(Offer("md", (work("a", source="md", origin="tasks/a.md"),)))

    assert keys(backlog) == ["a"]
    (problem,) = backlog.problems()
    assert problem.sentence() == (
        'queue a: key "a" is already offered by tasks/a.md, which is used; give it another key if it is other work'
    )


def test_the_second_offer_takes_over_when_the_first_is_withdrawn(work):
    backlog = Backlog(["md", "queue"])
    backlog.offer(Offer("queue", (work("a", source="queue"),)))
    backlog.offer(Offer("md", (work("a", source="md"),)))
    backlog.withdraw("md")

    (left,) = backlog.works()
    assert left.task.source == "queue"
    assert backlog.problems() == ()


def test_an_unchanged_reading_changes_nothing(work):
    backlog = Backlog()
    works = (work("a"), work("b"))
    assert backlog.offer(Offer("md", works)) == ("a", "b")
    assert backlog.offer(Offer("md", works)) == ()
    assert backlog.offer(Offer("md", (work("a"), work("b", priority=1)))) == ("b",)


def test_a_dependency_cycle_is_named_and_the_rest_runs(work):
    backlog = Backlog()
    backlog.offer(
        Offer(
            "md",
            (
                work("a", requires=("b",)),
                work("b", requires=("c",)),
                work("c", requires=("a",)),
                work("into", requires=("a",)),
                work("free"),
            ),
        )
    )

    assert keys(backlog) == ["free"]
    (problem,) = backlog.problems()
    assert "dependency cycle a -> b -> c -> a" in problem.sentence()
    assert backlog.blockers("b") == ("dependency cycle a -> b -> c -> a",)


def test_a_cycle_is_gone_when_a_requirement_is_removed(work):
    backlog = Backlog()
    backlog.offer(Offer("md", (work("a", requires=("b",)), work("b", requires=("a",)))))
    backlog.offer(Offer("md", (work("a", requires=("b",)), work("b"))))

    assert backlog.problems() == ()
    assert keys(backlog) == ["b"]


def test_a_task_that_requires_itself_is_a_cycle_of_one(work):
    backlog = Backlog()
    backlog.offer(Offer("md", (work("a", requires=("a",)),)))
    assert backlog.blockers("a") == ("dependency cycle a -> a",)


def test_a_chain_of_any_length_is_walked():
    chain = {str(n): [str(n + 1)] for n in range(50_000)}
    assert find_cycles(chain) == {}
    chain["50000"] = ["0"]
    assert len(find_cycles(chain)) == 50_001


def test_closed_and_waiting_tasks_are_not_ranked_and_closed_ones_satisfy(work):
    backlog = Backlog()
    backlog.offer(
        Offer(
            "md",
            (
                work("shut", stage=Stage.CLOSED),
                work("later", stage=Stage.WAITING),
                work("next", requires=("shut",)),
                work("not", requires=("later",)),
            ),
        )
    )

    assert keys(backlog) == ["next"]


def test_a_requirement_done_before_its_source_vanished_stays_done(work):
    backlog = Backlog(tracks={"gone": Track(Done("s1", 0.0))})
    backlog.offer(Offer("md", (work("a", requires=("gone",)),)))
    assert keys(backlog) == ["a"]


def test_every_standing_survives_the_journal():
    last = LastRun("s1", Outcome.FAILED, "exited with code 1", 5.0, ("c",), ("x.py",))
    for standing in (
        Ready(),
        Cooling(9.0, "why"),
        Assigned("s1"),
        Held("op", "why", 1.0),
        Parked("why", 1.0),
        Done("s1", 1.0),
        Cancelled("op", 1.0),
    ):
        track = Track(standing, 2, last, 7)
        assert Track.from_json(track.as_json()) == track
