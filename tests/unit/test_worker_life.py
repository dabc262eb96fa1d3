"""The life of a session in its worker: every pair of state and event, without process or clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.session import life
from workers.session.clock import FOREVER
from workers.session.life import (
    Due,
    Effect,
    Ending,
    Exited,
    Extended,
    Finished,
    GoOnAsked,
    Halted,
    KillAsked,
    NotStarted,
    Over,
    Paused,
    Running,
    Silent,
    Started,
    Starting,
    StopAsked,
    Stopping,
)
from workers.session.spec import Budget

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET = Budget(wall=3000.0, warn=300.0, grace=10.0, startup=60.0, resident=120.0)
ANNA = Ending("stop", "anna", "lunch")
BERT = Ending("kill", "bert", "fire")


def starting() -> Starting:
    return life.begin(BUDGET, now=1000.0)


def running() -> Running:
    return Running(starting().clocks)


def step(state: life.State, event: life.Event, now: float = 1001.0) -> life.Next:
    return life.step(state, event, BUDGET, now)


def test_a_session_starts_with_its_deadline_its_warning_and_its_startup_time() -> None:
    clocks = starting().clocks

    assert (clocks.deadline, clocks.warn_at, clocks.startup_at, clocks.resident_at) == (
        4000.0,
        3700.0,
        1060.0,
        FOREVER,
    )


@pytest.mark.parametrize("warn", [0.0, 3000.0, 5000.0])
def test_a_warning_that_is_not_inside_the_budget_is_not_given(warn: float) -> None:
    budget = Budget(wall=3000.0, warn=warn, grace=1.0, startup=FOREVER, resident=FOREVER)

    assert life.begin(budget, now=0.0).clocks.warn_at == FOREVER


def test_the_next_instant_is_the_earliest_of_the_clocks() -> None:
    assert life.next_due(starting()) == 1060.0
    assert life.next_due(Stopping(ANNA, kill_at=1010.0)) == 1010.0
    assert life.next_due(Over(ANNA)) == FOREVER


def test_the_warning_is_given_once() -> None:
    state, effects = step(Running(running().clocks.but(startup_at=FOREVER)), Due(), now=3700.0)
    again, silence = step(state, Due(), now=3701.0)

    assert effects == (Effect.WARN,)
    assert silence == ()
    assert life.next_due(again) == 4000.0


def test_the_end_of_the_budget_asks_first_and_kills_after_the_grace() -> None:
    state, effects = step(running(), Due(), now=4000.0)

    assert isinstance(state, Stopping)
    assert (state.ending.cause, state.kill_at, effects) == ("budget", 4010.0, (Effect.SOFTLY,))
    assert isinstance(step(state, Due(), now=4009.9)[0], Stopping)
    assert isinstance(step(state, Due(), now=4010.0)[0], Over)


def test_the_startup_time_makes_the_worker_look_and_silence_stops_the_session() -> None:
    looked, effects = step(running(), Due(), now=1060.0)
    assert effects == (Effect.LOOK,)

    stopped, _ = step(looked, Silent(), now=1060.0)

    assert isinstance(stopped, Stopping)
    assert stopped.ending.cause == "startup"
    assert life.next_due(looked) == 3700.0


def test_a_program_that_never_starts_ends_with_the_startup_time() -> None:
    state, _ = step(starting(), Due(), now=1060.0)

    assert isinstance(state, Over)
    assert state.ending.cause == "startup"


def test_finished_starts_the_resident_clock_and_does_not_restart_it() -> None:
    once, _ = step(running(), Finished(), now=2000.0)
    twice, _ = step(once, Finished(), now=2100.0)

    assert isinstance(twice, Running)
    assert twice.clocks.resident_at == 2120.0
    stopped, _ = step(twice, Due(), now=2120.0)
    assert isinstance(stopped, Stopping)
    assert stopped.ending.cause == "resident"


def test_an_extension_moves_deadline_and_warning() -> None:
    state, _ = step(running(), Extended(500.0))

    assert isinstance(state, Running)
    assert (state.clocks.deadline, state.clocks.warn_at) == (4500.0, 4200.0)


def test_an_extension_shorter_than_the_warning_time_does_not_warn_again() -> None:
    warned, _ = step(Running(running().clocks.but(startup_at=FOREVER)), Due(), now=3900.0)

    state, _ = step(warned, Extended(100.0), now=3900.0)

    assert isinstance(state, Running)
    assert (state.clocks.deadline, state.clocks.warn_at) == (4100.0, FOREVER)


def test_an_exit_that_nobody_asked_for_is_the_harness_s_own() -> None:
    state, _ = step(running(), Exited("exited with code 3", alone=False))

    assert isinstance(state, Over)
    assert (state.ending.cause, state.ending.by) == ("exited", "harness")
    assert state.ending.why == "the harness exited with code 3"


def test_a_stopping_session_waits_for_the_rest_of_its_group() -> None:
    state = Stopping(ANNA, kill_at=1010.0)

    assert step(state, Exited("exited with code 0", alone=False))[0] is state
    assert isinstance(step(state, Exited("exited with code 0", alone=True))[0], Over)


@pytest.mark.parametrize(("grace", "kill_at"), [(2.0, 1003.0), (600.0, 1010.0)])
def test_a_second_stop_can_shorten_the_grace_and_not_lengthen_it(grace: float, kill_at: float) -> None:
    state, effects = step(Stopping(ANNA, kill_at=1010.0), StopAsked(BERT, grace))

    assert isinstance(state, Stopping)
    assert (state.ending, state.kill_at, effects) == (ANNA, kill_at, ())


def test_a_kill_keeps_the_first_cause() -> None:
    state, _ = step(Stopping(ANNA, kill_at=1010.0), KillAsked(BERT))

    assert isinstance(state, Over)
    assert state.ending is ANNA


@pytest.mark.parametrize("event", [StopAsked(ANNA, 10.0), KillAsked(ANNA)])
def test_a_session_that_has_not_started_ends_at_once(event: life.Event) -> None:
    state, effects = step(starting(), event)

    assert isinstance(state, Over)
    assert (state.ending, effects) == (ANNA, ())


def test_an_exit_before_the_start_is_known_decides_nothing() -> None:
    state = starting()

    assert step(state, Exited("was ended by SIGKILL", alone=True)) == (state, ())
    assert isinstance(step(state, NotStarted("no such program"))[0], Over)
    assert isinstance(step(state, Started())[0], Running)


def paused(since: float = 1001.0) -> Paused:
    return Paused(running().clocks, since, "anna", "lunch")


def test_no_clock_runs_while_a_session_is_paused() -> None:
    state, effects = step(running(), Halted("anna", "lunch"), now=1030.0)
    assert isinstance(state, Paused)
    assert (life.next_due(state), effects) == (FOREVER, ())
    assert step(state, Due(), now=9000.0) == (state, ())

    again, effects = step(state, GoOnAsked(), now=5030.0)

    assert isinstance(again, Running)
    assert effects == (Effect.THAW,)
    clocks = again.clocks
    assert (clocks.deadline, clocks.warn_at, clocks.startup_at) == (8000.0, 7700.0, 5060.0)
    assert clocks.resident_at == FOREVER


def test_a_paused_session_is_let_go_on_before_it_is_asked_to_leave() -> None:
    state, effects = step(paused(), StopAsked(ANNA, 10.0), now=2000.0)

    assert isinstance(state, Stopping)
    assert (state.kill_at, effects) == (2010.0, (Effect.THAW, Effect.SOFTLY))


def test_a_paused_session_is_killed_as_it_stands() -> None:
    state, effects = step(paused(), KillAsked(BERT))

    assert isinstance(state, Over)
    assert (state.ending, effects) == (BERT, ())


def test_a_leader_killed_while_paused_says_so() -> None:
    state, _ = step(paused(), Exited("was ended by SIGKILL", alone=True))

    assert isinstance(state, Over)
    assert state.ending.why == "the harness was ended by SIGKILL while it was paused"


def test_a_budget_extended_while_paused_counts_from_the_resume() -> None:
    state, _ = step(paused(1100.0), Extended(500.0), now=3000.0)
    again, _ = step(state, GoOnAsked(), now=3100.0)

    assert isinstance(again, Running)
    assert (again.clocks.deadline, again.clocks.warn_at) == (6500.0, 6200.0)


def test_a_second_pause_keeps_the_first_reason_and_a_second_resume_changes_nothing() -> None:
    state = paused()

    assert step(state, Halted("bert", "tea"))[0] is state
    assert step(running(), GoOnAsked())[1] == ()


MAKERS: list[Callable[[float], life.Event]] = [
    lambda _: Started(),
    lambda _: NotStarted("why"),
    lambda _: Due(),
    lambda _: Silent(),
    lambda _: Exited("exited with code 0", alone=True),
    lambda _: Exited("exited with code 0", alone=False),
    lambda length: StopAsked(ANNA, length),
    lambda _: KillAsked(BERT),
    Extended,
    lambda _: Finished(),
    lambda _: Halted("anna", "lunch"),
    lambda _: GoOnAsked(),
]
ORDER: dict[type[life.State], int] = {Starting: 0, Running: 1, Paused: 1, Stopping: 2, Over: 3}
HISTORY = st.lists(st.tuples(st.sampled_from(MAKERS), st.floats(0, 5000), st.floats(0, 2000)), max_size=30)


@given(HISTORY)
def test_whatever_happens_a_session_only_goes_forward_and_keeps_its_first_cause(
    history: list[tuple[Callable[[float], life.Event], float, float]],
) -> None:
    state: life.State = starting()
    now = 1000.0
    for make, length, passed in history:
        now += passed
        before = state
        state, effects = life.step(before, make(length), BUDGET, now)

        assert ORDER[type(state)] >= ORDER[type(before)]
        assert (Effect.SOFTLY in effects) == (
            isinstance(state, Stopping) and not isinstance(before, Stopping)
        )
        assert (Effect.THAW in effects) == (
            isinstance(before, Paused) and isinstance(state, Running | Stopping)
        )
        if isinstance(before, Over):
            assert state is before
        if isinstance(before, Stopping) and isinstance(state, Stopping | Over):
            assert state.ending is before.ending
        if isinstance(before, Stopping) and isinstance(state, Stopping):
            assert state.kill_at <= before.kill_at


@given(HISTORY)
def test_whatever_happens_a_session_ends_soon_after_its_last_deadline(
    history: list[tuple[Callable[[float], life.Event], float, float]],
) -> None:
    state: life.State = starting()
    now = 1000.0
    for make, length, passed in history:
        now += passed
        state, _ = life.step(state, make(min(length, 600.0)), BUDGET, now)
    state, _ = life.step(state, GoOnAsked(), BUDGET, now)
    for _ in range(10):  # with nothing but the passing of time
        due = life.next_due(state)
        if due == FOREVER:
            break
        now = max(now, due)
        state, _ = life.step(state, Due(), BUDGET, now)

    assert isinstance(state, Over)
