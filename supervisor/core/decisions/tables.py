"""The tables of the one authority. Between two awaits they are true: every mutator is synchronous."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from supervisor.core.decisions.admission import Admission, Open
from supervisor.core.decisions.collisions import Collisions
from supervisor.core.decisions.policy import Policy
from supervisor.core.decisions.room import Room, Shortage, plenty
from supervisor.core.history.grades import Grades
from supervisor.core.history.quota import Starts
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.lease import Lease, Want
from supervisor.core.pacing.flow import Flowing, Lane
from supervisor.core.pacing.rest import Rest
from supervisor.core.sessions.roster import Roster
from supervisor.core.tasks.backlog import Backlog

Mint = Callable[[], tuple[str, str]]  # a fresh session id and its capability; randomness is the world's


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """A schedule fired and wants `slots` sessions of its kind; `due` is Unix seconds."""

    schedule: str
    due: float
    slots: int
    harness: str = ""
    lane: str = ""
    tag: str = ""


@dataclass(slots=True)
class Tables:
    """Everything that decisions are made from.

    `lanes` holds the lanes of the latest assignments, oldest first. `resting` has the harnesses
    that cannot be used just now. `all_lanes` is the state of all lanes together. `room` tells whether there is
    room on the disks, `shortage` that there is none. `conflict_of` remembers what a task wanted
    and which lease kept it back, so that the same is not tested again while that lease is held. `ranking` grows with
    each re-ranking that an operator asked for. `closing` has the tokens of leases that are being taken back: their
    holder's guard is told, and nothing new is granted under them until it is known that nothing is open any more. `untold`
    has those of leases that their holder's worker does not know of yet, as it is not certain whether they stay. `rung` names what holds the processes of new sessions together.
    `patience` are the seconds for which what rests is waited for that has not told until when; `None` for as long as it takes.
    `to_look_after` has the sessions that ended and whose grade may still change, `being_graded` those that a grader is asked about.
    """

    policy: Policy
    broker: Broker
    backlog: Backlog
    mint: Mint
    recent: Recent
    roster: Roster = field(default_factory=Roster)
    admission: Admission = Open()  # noqa: RUF009  - frozen
    lanes: deque[str] = field(default_factory=deque)
    all_lanes: Lane = Flowing()  # noqa: RUF009  - frozen
    room: Room = plenty
    shortage: Shortage | None = None
    lane_state: dict[str, Lane] = field(default_factory=dict)
    resting: dict[str, Rest] = field(default_factory=dict)
    starts: Starts = field(default_factory=Starts)
    slot_requests: list[SlotRequest] = field(default_factory=list)
    conflict_of: dict[str, tuple[tuple[Want, ...], Lease]] = field(default_factory=dict)
    rereading: dict[str, float] = field(default_factory=dict)
    collisions: Collisions = field(default_factory=Collisions)
    ranking: int = 0
    rung: str = ""
    closing: set[int] = field(default_factory=set)
    untold: set[int] = field(default_factory=set)
    wait_for_reports: set[str] = field(default_factory=set)
    grades: Grades = field(default_factory=Grades)
    to_look_after: deque[str] = field(default_factory=deque)
    being_graded: set[str] = field(default_factory=set)
    patience: float | None = None

    def remember_lane(self, lane: str) -> None:
        """Take note of an assignment for the plateau warning."""
        self.lanes.append(lane)
        while len(self.lanes) > self.policy.selection.lane_window:
            self.lanes.popleft()

    def rung_of(self, session: str) -> str:
        """Return what holds a session's processes together; empty if it is not known here."""
        found = self.roster.find(session)
        return found.intent.rung if found is not None else ""
