"""Choosing a harness by draws from what sessions were worth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from supervisor.core.decisions.choosing import choose
from supervisor.core.decisions.policy import Choose, Harness, Selection
from supervisor.core.decisions.selection import Fit, decide, explain
from supervisor.core.history import draws
from supervisor.core.history.grades import Arm
from supervisor.core.sessions.budget import Budget

BUDGET = Budget(60, 0, 1)
HARNESSES = {
    "good": Harness("good", BUDGET, model="m"),
    "poor": Harness("poor", BUDGET, model="m", max_sessions=None),
}


@pytest.fixture
def thompson(new_house):
    def make(explore=0.0, **changes):
        selection = Selection(choose=Choose.THOMPSON, explore=explore)
        return new_house(harnesses=HARNESSES, selection=selection, max_sessions=100_000, **changes)

    return make


def grade(house, harness, lane, *values, model="m"):
    for value in values:
        house.tables.grades.add(Arm(lane, harness, model), value)


def chosen(house, work, lane, count=400):
    return Counter(
        choose(house.tables, work(f"t{number}", lane=lane).task, ["good", "poor"]).harness
        for number in range(count)
    )


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (2.0, 5.0), (60.5, 20.25), (400.0, 3.0)])
def test_draws_have_the_mean_and_the_spread_of_their_distribution(a, b):
    found = [draws.beta(a, b, f"seed{number}") for number in range(3000)]

    mean = sum(found) / len(found)
    variance = sum((x - mean) ** 2 for x in found) / len(found)
    expected = a * b / ((a + b) ** 2 * (a + b + 1))
    assert mean == pytest.approx(a / (a + b), abs=4 * (expected / 3000) ** 0.5)
    assert variance == pytest.approx(expected, rel=0.15)
    assert all(0.0 < x < 1.0 for x in found)


def test_a_shape_below_one_is_refused():
    with pytest.raises(ValueError, match="less than one"):
        draws.beta(0.5, 1.0, "x")


def test_without_grades_all_are_tried_alike(thompson, work):
    found = chosen(thompson(), work, "code")

    assert 140 < found["good"] < 260


def test_the_better_one_is_taken_most_often_and_only_in_the_lane_that_it_is_better_in(thompson, work):
    house = thompson()
    grade(house, "good", "code", *[0.9] * 30)
    grade(house, "poor", "code", *[0.2] * 30)
    grade(house, "good", "docs", *[0.2] * 30)
    grade(house, "poor", "docs", *[0.9] * 30)

    assert chosen(house, work, "code")["good"] > 395
    assert chosen(house, work, "docs")["poor"] > 395


def test_a_harness_that_is_hardly_known_is_still_tried(thompson, work):
    house = thompson()
    grade(house, "good", "code", *[0.7] * 50)
    grade(house, "poor", "code", 0.4)

    assert chosen(house, work, "code")["poor"] > 20


def test_the_floor_share_is_chosen_blindly_and_said_to_be(thompson, work):
    house = thompson(explore=0.2)
    grade(house, "good", "", *[1.0] * 200)
    grade(house, "poor", "", *[0.0] * 200)

    found = [choose(house.tables, work(f"t{number}").task, ["good", "poor"]) for number in range(1000)]

    blind = [choice for choice in found if choice.blind]
    assert 150 < len(blind) < 250
    assert 0.05 < sum(choice.harness == "poor" for choice in found) / 1000 < 0.15
    assert (
        blind[0]
        .sentence()
        .startswith(f"{blind[0].harness} was chosen blindly, to learn of it in tasks without")
    )


def test_what_next_shows_is_what_is_started(thompson, work):
    house = thompson(explore=0.3)
    house.offer(*(work(f"t{number}", lane="code") for number in range(20)))
    for number in range(20):
        decision = decide(house.tables, house.now)
        assert decision.chosen is not None
        again = explain(house.tables, decision.chosen.work, house.now)
        assert isinstance(again, Fit)
        assert again.choice is not None
        assert again.choice == decision.chosen.choice
        house.tables.policy = replace(house.tables.policy, max_sessions=number + 1)

        house.fill()

        note = house.notes("session.intended")[-1]
        assert note.task == decision.chosen.work.task.key
        assert note.data["harness"] == decision.chosen.harness
        assert note.data["choice"] == again.choice.as_json()


def test_only_harnesses_with_room_are_drawn_for_and_a_named_one_is_not_chosen(new_house, work):
    full = {**HARNESSES, "good": replace(HARNESSES["good"], max_sessions=0)}
    house = new_house(harnesses=full, selection=Selection(choose=Choose.THOMPSON, explore=0.0))
    house.offer(work("a"))

    fit = decide(house.tables, house.now).chosen

    assert fit is not None
    assert (fit.harness, fit.choice) == ("poor", None)


def test_the_first_in_order_runs_where_nothing_else_is_asked_for(new_house, work):
    house = new_house(harnesses=HARNESSES)
    house.offer(work("a"))

    fit = decide(house.tables, house.now).chosen

    assert fit is not None
    assert (fit.harness, fit.choice) == ("good", None)


def test_the_sentence_names_each_draw_and_what_it_rests_on(thompson, work):
    house = thompson()
    grade(house, "good", "code", 0.9, 0.7)

    sentence = choose(house.tables, work("a", lane="code").task, ["good", "poor"]).sentence()

    assert 'drew highest for lane "code": ' in sentence
    assert "(mean 0.80 of 2)" in sentence
    assert "(not graded yet)" in sentence


def test_an_ended_session_teaches(thompson, work):
    house = thompson()
    house.offer(work("a", "a.py", lane="code"))
    house.fill()
    arm = Arm("code", house.session("a").intent.harness, "m")

    house.started("a")
    house.end("a", commits=["abc"])

    assert house.tables.grades.of(arm).n == 1
    assert house.tables.grades.of(arm).mean == pytest.approx(0.9)
    assert list(house.tables.to_look_after) == ["s1"]
