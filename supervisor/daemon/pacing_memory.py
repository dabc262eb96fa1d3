"""What paces the starts outlives the supervisor: pauses, lanes, rests, slots that wait, an operator's leases.

So does what was wanted of a session, and since when it has made no progress.

Nobody has to say that something changed. Whenever anything is written, the tables are compared with what
was written last, and the differences join the same batch: a slot that was served and the session it became
are on disk together, or neither is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any, Protocol

import msgspec
import structlog

from supervisor.core.decisions import resting
from supervisor.core.decisions.admission import Admission, Closing, Draining, Open, Paused
from supervisor.core.decisions.collisions import Collisions
from supervisor.core.decisions.holders import OPERATOR
from supervisor.core.decisions.tables import SlotRequest, Tables
from supervisor.core.leases.lease import Lease
from supervisor.core.moment import Moment
from supervisor.core.pacing import flow
from supervisor.core.pacing.rest import Rest
from supervisor.core.sessions.carried import Carried, carried, take_up
from supervisor.core.sessions.roster import Session
from supervisor.world.journal.entries import PacingDrop, PacingRow
from supervisor.world.processes import boot_id

log = structlog.get_logger("leasehold")

JOURNAL = "journal"  # who pauses the supervisor while nothing can be written; that is not for the next one

_Key = tuple[str, str]
_ADMISSIONS: dict[str, type[Paused | Draining]] = {"paused": Paused, "draining": Draining}
_NOTHING = flow.Flowing()


class Clock(Protocol):
    """What knows by how much the wall clock is ahead of CLOCK_BOOTTIME."""

    offset: float


class PacingMemory:
    """Compares the tables with the rows of the journal, both ways."""

    def __init__(self, tables: Tables, rows: Iterable[PacingRow], now: Callable[[], Moment]) -> None:
        self._tables = tables
        self._now = now
        self._written: dict[_Key, object] = {}
        self._rows = {(row.kind, row.name): row.value for row in rows}
        self._admission: Admission = Open()
        self.clock: Clock | None = None
        self._leases_to_come = self._rows.get(("operator", ""))
        self._carried: dict[str, Carried] = {}

    def restore(self) -> None:
        """Put what an earlier supervisor left into the tables; before sessions are taken over."""
        for (kind, name), value in self._rows.items():
            try:
                self._restore(kind, name, value)
            except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
                log.error("pacing.unreadable", kind=kind, name=name, why=str(error))
        resting.align(self._tables)
        self._admission = self._tables.admission
        current = self._current()
        self._written = {key: current[key] for key in self._rows if key in current}
        self._written |= {key: None for key in self._rows if key not in current}  # to be dropped

    def restore_leases(self) -> None:
        """Give the operator their leases back; after those of the sessions, which come first."""
        found: list[Lease] = []
        rows, self._leases_to_come = self._leases_to_come or (), None
        for value in rows:
            try:
                found.append(self._lease(value))
            except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
                log.error("pacing.unreadable", kind="operator", name="", why=str(error))
        for lease in found:
            conflict = self._tables.broker.restore(OPERATOR, [lease])
            if conflict is not None:
                log.error("lease.not_restored", scope=lease.scope.text, held_by=conflict.holder)

    def offset(self) -> float | None:
        """Return by how much the wall clock was ahead of this boot's when that was written last, if it was."""
        match self._rows.get(("clock", "")):
            case {"boot": str(boot), "offset": float(offset)} if boot == boot_id():
                return offset
            case _:
                return None

    def take_up(self, session: Session) -> None:
        """Give a session that was taken over what it carries."""
        kept = self._carried.get(session.id)
        if kept is not None:
            take_up(session, kept)

    def forget_sessions(self) -> None:
        """Let go of what those carried that were not taken over; after adoption."""
        self._carried.clear()

    def settle_canaries(self) -> None:
        """Let another session try where the canary is on nobody's list any more; after adoption."""
        tables, now = self._tables, self._now().wall

        def settled(lane: flow.Lane) -> flow.Lane:
            if isinstance(lane, flow.Probing) and lane.session not in tables.roster:
                return flow.Paused(lane.since, now, lane.failures)
            return lane

        tables.lane_state = {name: settled(lane) for name, lane in tables.lane_state.items()}
        tables.all_lanes = settled(tables.all_lanes)

    def changes(self) -> list[PacingRow | PacingDrop]:
        """Return what differs from what was written last; it counts as written from now on."""
        current, written = self._current(), self._written
        if current == written:
            return []
        found: list[PacingRow | PacingDrop] = [
            PacingRow(*key, self._spelled(key[0], value))
            for key, value in current.items()
            if key not in written or written[key] != value
        ]
        found += [PacingDrop(*key) for key in written if key not in current]
        self._written = current
        return found

    def forget_written(self) -> None:
        """Write everything again next time: a batch was refused."""
        self._written = {}

    def _current(self) -> dict[_Key, object]:
        tables = self._tables
        found: dict[_Key, object] = {}
        if not isinstance(tables.admission, Closing) and getattr(tables.admission, "by", "") != JOURNAL:
            self._admission = tables.admission
        if not isinstance(self._admission, Open):
            found["admission", ""] = self._admission
        found |= {("lane", name): lane for name, lane in tables.lane_state.items() if lane != _NOTHING}
        if tables.all_lanes != _NOTHING:
            found["all_lanes", ""] = tables.all_lanes
        found |= {("harness", name): rest for name, rest in tables.resting.items()}
        if tables.slot_requests:
            found["slots", ""] = tuple(tables.slot_requests)
        if self._leases_to_come is not None:
            found["operator", ""] = self._leases_to_come
        elif held := tables.broker.held(OPERATOR):
            found["operator", ""] = held
        if tables.ranking:
            found["ranking", ""] = tables.ranking
        if tables.lanes:
            found["assigned", ""] = tuple(tables.lanes)
        if self.clock is not None:
            found["clock", ""] = self.clock.offset
        if any(collisions := tables.collisions.counts()):
            found["collisions", ""] = collisions
        found |= {("session", name): kept for name, kept in self._carried.items()}
        found |= {("session", session.id): kept for session in tables.roster if (kept := carried(session))}
        return found

    def _spelled(self, kind: str, value: Any) -> Any:
        match kind:
            case "admission":
                name = "paused" if isinstance(value, Paused) else "draining"
                return {"state": name, **asdict(value)}
            case "lane" | "all_lanes":
                return {"state": flow.lane_name(value), **asdict(value)}
            case "clock":
                return {"boot": boot_id(), "offset": value}
            case "collisions":
                return self._tables.collisions.as_json()
            case "operator":
                now = self._now()
                return [
                    {"lease": msgspec.to_builtins(lease), "at": now.wall - now.mono + lease.granted_at}
                    for lease in value
                ]
            case _:
                return msgspec.to_builtins(value)

    def _restore(self, kind: str, name: str, value: Any) -> None:
        tables = self._tables
        match kind:
            case "admission":
                fields, of = _untagged(value)
                tables.admission = _ADMISSIONS[of](**fields)
            case "lane":
                fields, of = _untagged(value)
                tables.lane_state[name] = msgspec.convert(fields, flow.LANES[of])
            case "all_lanes":
                fields, of = _untagged(value)
                tables.all_lanes = msgspec.convert(fields, flow.LANES[of])
            case "harness":
                rest = msgspec.convert(value, Rest)
                # Whoever starts the supervisor again may have mended the harness: one try shows it.
                until = self._now().wall if rest.until is None else rest.until
                tables.resting[name] = replace(rest, until=until)
            case "slots":
                tables.slot_requests = msgspec.convert(value, list[SlotRequest])
            case "ranking":
                tables.ranking = int(value)
            case "assigned":
                tables.lanes = deque(msgspec.convert(value, list[str]))
            case "session":
                self._carried[name] = msgspec.convert(value, Carried)
            case "collisions":
                tables.collisions = msgspec.convert(value, Collisions)

    def _lease(self, value: Any) -> Lease:
        """Return an operator's lease with its age counted by this boot's clock."""
        now = self._now()
        lease = msgspec.convert(value["lease"], Lease)
        return lease._replace(granted_at=float(value["at"]) - (now.wall - now.mono))


def collisions_in(rows: Iterable[PacingRow]) -> Collisions:
    """Return the collision account as it was when something was written last."""
    kept: object = next((row.value for row in rows if row.kind == "collisions"), {})
    return msgspec.convert(kept, Collisions)


def _untagged(value: Any) -> tuple[dict[str, Any], str]:
    fields = dict(value)
    return fields, str(fields.pop("state"))
