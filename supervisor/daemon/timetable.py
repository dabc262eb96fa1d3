"""The schedules at work: what is due becomes requests for slots, and every skipped slot is recorded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.policy import Planned
from supervisor.core.decisions.tables import SlotRequest, Tables
from supervisor.core.moment import Moment
from supervisor.core.pacing.schedule import Fire, Memory, Queue, Skip, Slot, due, next_due, wake_at
from supervisor.daemon.authority import Authority
from supervisor.daemon.recorder import Recorder
from supervisor.world.journal.entries import ScheduleRow


class Timetable:
    """Asks each schedule when it is due; its memory is in the journal."""

    def __init__(self, authority: Authority, recorder: Recorder, rows: Iterable[ScheduleRow]) -> None:
        self._tables: Tables = authority.tables
        self._recorder = recorder
        self._memory = {row.name: _memory(row) for row in rows}
        self._stirred: dict[str, int] = {}
        authority.on_time(self._seconds_left, self._ring)

    def describe(self, now: Moment) -> list[dict[str, Any]]:
        """Return each schedule with its next due time (Unix seconds) and what waits."""
        shown = []
        for planned in self._tables.policy.schedules:
            memory = self._remembered(planned, now)
            shown.append(
                {
                    "name": planned.schedule.name,
                    "next_due": next_due(planned.schedule, memory.last_due).timestamp(),
                    "wakes_at": wake_at(planned.schedule, memory).timestamp(),
                    "queued": len(memory.queued),
                    "running": self._running(planned),
                }
            )
        return shown

    def _seconds_left(self, now: Moment) -> float | None:
        left = [
            wake_at(planned.schedule, self._remembered(planned, now)).timestamp() - now.wall
            for planned in self._tables.policy.schedules
        ]
        # A queued slot is looked at again when a session of the schedule has ended.
        for planned in self._tables.policy.schedules:
            name, running = planned.schedule.name, self._running(planned)
            if self._remembered(planned, now).queued and running < self._stirred.get(name, running):
                left.append(0.0)
        return max(0.0, min(left)) if left else None

    def _ring(self, now: Moment) -> list[Effect]:
        effects: list[Effect] = []
        at = datetime.fromtimestamp(now.wall, UTC)
        for planned in self._tables.policy.schedules:
            schedule, running = planned.schedule, self._running(planned)
            before = self._remembered(planned, now)
            decisions, after = due(schedule, before, at, running)
            self._stirred[schedule.name] = running
            for decision in decisions:
                effects += self._decided(planned, decision)
            if after != before:  # after the slots were asked for: both are one batch
                self._memory[schedule.name] = after
                self._recorder.submit([_row(schedule.name, after)])
        return effects

    def _decided(self, planned: Planned, decision: Fire | Queue | Skip) -> list[Effect]:
        name = planned.schedule.name
        match decision:
            case Fire(slot) if any(request.schedule == name for request in self._tables.slot_requests):
                why = f'schedule "{name}" skipped one slot ({slot.key}): an earlier one still waits for room'
                data = {"schedule": name, "count": 1, "reason": "no_room", "sentence": why}
                return [Note("schedule.skipped", data=data)]
            case Fire(slot, lateness):
                self._tables.slot_requests.append(
                    SlotRequest(name, slot.due_at.timestamp(), 1, planned.harness, planned.lane, planned.tag)
                )
                return [
                    Note("schedule.fired", data={"schedule": name, "slot": slot.key, "lateness": lateness})
                ]
            case Queue(slot):
                return [Note("schedule.queued", data={"schedule": name, "slot": slot.key})]
            case Skip(count=count, reason=reason):
                data = {
                    "schedule": name,
                    "count": count,
                    "reason": reason.value,
                    "first": decision.first.timestamp(),
                    "last": decision.last.timestamp(),
                    "sentence": decision.sentence(),
                }
                return [Note("schedule.skipped", data=data)]

    def _running(self, planned: Planned) -> int:
        name = planned.schedule.name
        asked = sum(request.slots for request in self._tables.slot_requests if request.schedule == name)
        return asked + sum(session.intent.schedule == name for session in self._tables.roster)

    def _remembered(self, planned: Planned, now: Moment) -> Memory:
        name = planned.schedule.name
        if name not in self._memory:
            memory = Memory(datetime.fromtimestamp(now.wall, UTC))
            self._memory[name] = memory
            self._recorder.submit([_row(name, memory)])
        return self._memory[name]


def _memory(row: ScheduleRow) -> Memory:
    queued = tuple(Slot(row.name, datetime.fromtimestamp(at, UTC), number) for at, number in row.queued)
    return Memory(datetime.fromtimestamp(row.last_due_wall, UTC), queued)


def _row(name: str, memory: Memory) -> ScheduleRow:
    queued = tuple((slot.due_at.timestamp(), slot.number) for slot in memory.queued)
    return ScheduleRow(name, memory.last_due.timestamp(), queued)
