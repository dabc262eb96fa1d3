from __future__ import annotations

from supervisor.core.history.plateau import Alternative, Plateau, warning

READY = [
    ("d-9", "More docs", "docs"),
    ("c-1", "Parse faster", "core"),
    ("t-1", "Cover the parser", "tests"),
    ("c-2", "Parse less", "core"),
    ("x-1", "No lane", ""),
]


def test_varied_assignments_give_no_warning() -> None:
    assert warning(["docs", "core", "tests", "docs", "core"], READY, 0.6, 5) is None


def test_a_window_below_the_minimum_gives_no_warning() -> None:
    assert warning(["docs"] * 4, READY, 0.6, 5) is None


def test_no_assignments_give_no_warning() -> None:
    assert warning([], READY, 0.6, 0) is None


def test_a_lane_with_exactly_the_share_dominates() -> None:
    found = warning(["docs", "core", "docs", "core", "docs"], READY, 0.6, 5)

    assert found is not None
    assert (found.lane, found.count, found.window, found.share) == ("docs", 3, 5, 0.6)


def test_the_alternative_is_the_best_task_of_the_most_neglected_lane() -> None:
    found = warning(["core", "docs", "docs", "docs", "docs"], READY, 0.6, 5)

    assert found is not None
    assert found.alternative == Alternative("t-1", "Cover the parser", "tests", 0)


def test_of_equally_neglected_lanes_the_best_ranked_task_wins() -> None:
    found = warning(["docs"] * 5, READY, 0.6, 5)

    assert found is not None
    assert found.alternative == Alternative("c-1", "Parse faster", "core", 0)


def test_tasks_of_the_dominant_lane_or_of_none_are_no_alternative() -> None:
    found = warning(["docs"] * 5, [READY[0], READY[4]], 0.6, 5)

    assert found == Plateau("docs", 1.0, 5, 5, None)


def test_no_lane_counts_in_the_window_but_does_not_dominate() -> None:
    assert warning([""] * 9 + ["docs"], READY, 0.6, 5) is None
    assert warning([""] * 4 + ["docs"] * 6, READY, 0.6, 5) is not None


def test_of_two_lanes_with_equal_counts_the_one_assigned_last_dominates() -> None:
    found = warning(["docs", "core", "docs", "core"], READY, 0.5, 4)

    assert found is not None
    assert found.lane == "core"


def test_the_sentence_and_the_json_say_the_same() -> None:
    found = warning(["docs"] * 4 + ["core"], READY, 0.6, 5)

    assert found is not None
    assert found.sentence() == (
        'plateau: 4 of the last 5 assignments (80%) were in lane "docs"; '
        'consider t-1 "Cover the parser" in lane "tests", which had 0'
    )
    assert found.as_json() == {
        "dominant_lane": "docs",
        "share": 0.8,
        "count": 4,
        "window": 5,
        "alternative": {"id": "t-1", "title": "Cover the parser", "lane": "tests", "assigned": 0},
        "sentence": found.sentence(),
    }


def test_without_an_alternative_the_warning_says_so() -> None:
    found = warning(["docs"] * 5, [], 0.6, 5)

    assert found is not None
    assert found.sentence().endswith("no task of another lane is ready")
    assert found.as_json()["alternative"] is None
