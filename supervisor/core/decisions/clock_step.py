"""The wall clock was set: what waits for a span of time waits as long as it would have.

Instants that outlive a restart are kept as Unix time, since the steady clock begins anew with each boot.
When the wall clock steps they step with it. Schedules do not: they follow the calendar.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from supervisor.core.decisions.effects import Effect, Note, SaveTask
from supervisor.core.decisions.tables import Tables
from supervisor.core.pacing import flow
from supervisor.core.tasks.standing import Cooling


def step(tables: Tables, seconds: float) -> list[Effect]:
    """Move back-offs, rests, pauses, quotas and the starts that were counted by the `seconds` (negative: back) that the clock was set."""
    effects: list[Effect] = [Note("clock.stepped", data={"seconds": round(seconds, 3)})]
    for key, track in list(tables.backlog.tracks()):
        moved = replace(track, starts=tuple(at + seconds for at in track.starts))
        if isinstance(track.standing, Cooling):
            moved = moved.moved(replace(track.standing, until=track.standing.until + seconds))
        if moved != track:
            tables.backlog.put(key, moved)
            effects.append(SaveTask(key))
    tables.resting = {
        name: rest if rest.until is None else replace(rest, until=rest.until + seconds)
        for name, rest in tables.resting.items()
    }
    tables.lane_state = {name: _moved(lane, seconds) for name, lane in tables.lane_state.items()}
    tables.all_lanes = _moved(tables.all_lanes, seconds)
    tables.starts.move(seconds)
    return effects


def _moved(lane: flow.Lane, seconds: float) -> flow.Lane:
    match lane:
        case flow.Flowing(failures):
            return flow.Flowing(tuple(at + seconds for at in failures))
        case flow.Paused(since, until, failures):
            return flow.Paused(since + seconds, until + seconds, failures)
        case flow.Probing() | flow.Held():
            return replace(lane, since=lane.since + seconds)
        case _:
            assert_never(lane)
