"""When a lease that a hook was granted for an edit is looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.core.moment import Moment
from supervisor.daemon.probation import Probation


@pytest.fixture
def trial(tmp_path):
    """Return a probation by a clock of our own, a session in a folder, and what was spawned."""
    clock = SimpleNamespace(mono=0.0)
    spawned: list[object] = []
    authority: Any = SimpleNamespace(
        now=lambda: Moment(clock.mono, 0.0), tables=SimpleNamespace(roster={"s": None})
    )
    probation = Probation(authority, spawned.append, lambda _holder, _wants: None)
    return probation, SimpleNamespace(id="s"), SimpleNamespace(root=tmp_path), clock, spawned


def test_an_edit_that_was_never_told_of_is_over_after_ten_seconds_when_the_hooks_speak_again(trial):
    probation, session, repo, clock, spawned = trial
    probation.begin(session, repo, ["a"])

    clock.mono = 9.0
    probation.spoke(session, repo, stopped=False)
    assert spawned == []
    clock.mono = 10.0
    probation.spoke(session, repo, stopped=False)
    assert len(spawned) == 1


def test_one_that_is_asked_for_again_has_its_time_again(trial):
    probation, session, repo, clock, spawned = trial
    probation.begin(session, repo, ["a"])
    clock.mono = 9.0
    probation.again(session, ["a", "b"])
    clock.mono = 18.0
    probation.spoke(session, repo, stopped=False)

    assert spawned == []


def test_a_file_that_somebody_wrote_since_is_not_taken_for_a_failed_edit(trial):
    probation, session, repo, _clock, spawned = trial
    probation.begin(session, repo, ["a"])
    (repo.root / "a").write_text("x")
    probation.spoke(session, repo, stopped=True)

    assert spawned == []


def test_what_was_refused_or_is_asked_for_by_the_session_itself_is_on_trial_no_more(trial):
    probation, session, repo, _clock, spawned = trial
    probation.begin(session, repo, ["a", "b"])
    probation.forget("s", ["a"])
    probation.forget("s")
    probation.edited(session, repo, ["a", "b"])
    probation.spoke(session, repo, stopped=True)

    assert spawned == []
