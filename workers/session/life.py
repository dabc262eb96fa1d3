"""The life of a session as its worker sees it: states, events, and what follows from each pair. No I/O.

Times are CLOCK_BOOTTIME seconds; `FOREVER` is a time that does not come.
"""

from __future__ import annotations

import enum

from workers.session.clock import FOREVER, span
from workers.session.spec import Budget


class Effect(enum.Enum):
    """What the worker does besides taking on the new state."""

    WARN = "tell the session how much of its budget is left"
    LOOK = "see whether the harness has written anything at all"
    THAW = "let the halted tree go on"
    SOFTLY = "send the soft signal to the harness's group and say that the session is stopping"


class Ending:
    """Why a session ends: the cause in one word, who caused it, and a sentence with the evidence."""

    __slots__ = ("by", "cause", "why")

    def __init__(self, cause: str, by: str, why: str) -> None:
        self.cause = cause
        self.by = by
        self.why = why


class Clocks:
    """When things fall due while the harness runs."""

    __slots__ = ("deadline", "resident_at", "startup_at", "warn_at")

    def __init__(self, deadline: float, warn_at: float, startup_at: float, resident_at: float) -> None:
        self.deadline = deadline
        self.warn_at = warn_at
        self.startup_at = startup_at
        self.resident_at = resident_at

    def but(self, **changes: float) -> Clocks:
        """Return these clocks with some of them set anew."""
        return Clocks(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})

    def later(self, seconds: float) -> Clocks:
        """Return these clocks, each so much later."""
        return Clocks(**{name: getattr(self, name) + seconds for name in self.__slots__})

    def next(self) -> float:
        """Return the earliest of them."""
        return min(self.deadline, self.warn_at, self.startup_at, self.resident_at)


class Starting:
    """Forked, and not yet known to have become the harness."""

    __slots__ = ("clocks",)
    name = "starting"

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks


class Running:
    """The harness runs."""

    __slots__ = ("clocks",)
    name = "running"

    def __init__(self, clocks: Clocks) -> None:
        self.clocks = clocks


class Paused:
    """Nothing of the session runs; its clocks stand as they stood at `since`."""

    __slots__ = ("by", "clocks", "since", "why")
    name = "paused"

    def __init__(self, clocks: Clocks, since: float, by: str, why: str) -> None:
        self.clocks = clocks
        self.since = since
        self.by = by
        self.why = why

    def clocks_at(self, now: float) -> Clocks:
        """Return the clocks as they would go on if the session did so at `now`."""
        return self.clocks.later(now - self.since)


class Stopping:
    """The harness was asked to end and has until `kill_at`."""

    __slots__ = ("ending", "kill_at")
    name = "stopping"

    def __init__(self, ending: Ending, kill_at: float) -> None:
        self.ending = ending
        self.kill_at = kill_at


class Over:
    """Decided: what is left of the tree is killed, and the record written."""

    __slots__ = ("ending",)
    name = "ended"

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Started:
    """The harness's program runs."""


class NotStarted:
    """The harness's program could not be run."""

    def __init__(self, why: str) -> None:
        self.why = why


class Due:
    """Time has passed."""


class Silent:
    """The start-up time is over and both logs are empty."""


class Exited:
    """The leader has ended; `alone` when no other process of its group lives."""

    def __init__(self, how: str, *, alone: bool) -> None:
        self.how = how
        self.alone = alone


class StopAsked:
    """Somebody wants the session to end, with `grace` seconds to do so."""

    def __init__(self, ending: Ending, grace: float) -> None:
        self.ending = ending
        self.grace = grace


class KillAsked:
    """Somebody wants the session to end at once."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Halted:
    """The whole tree has been brought to a standstill."""

    def __init__(self, by: str, why: str) -> None:
        self.by = by
        self.why = why


class GoOnAsked:
    """Somebody wants a halted session to go on."""


class Extended:
    """The budget has been lengthened, and the new deadline is on disk."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Finished:
    """The session's work was reported finished; the harness ought to leave."""


Alive = Starting | Running | Paused
State = Alive | Stopping | Over
Event = (
    Started
    | NotStarted
    | Due
    | Silent
    | Exited
    | StopAsked
    | KillAsked
    | Halted
    | GoOnAsked
    | Extended
    | Finished
)
Next = tuple[State, tuple[Effect, ...]]


def begin(budget: Budget, now: float) -> Starting:
    """Return the first state of a session whose harness is forked at `now`."""
    deadline = now + budget.wall
    warn_at = deadline - budget.warn if 0 < budget.warn < budget.wall else FOREVER
    return Starting(Clocks(deadline, warn_at, now + budget.startup, FOREVER))


def next_due(state: State) -> float:
    """Return when `Due` is to be given to `step`."""
    match state:
        case Starting() | Running():
            return state.clocks.next()
        case Stopping():
            return state.kill_at
        case Paused() | Over():
            return FOREVER


def step(state: State, event: Event, budget: Budget, now: float) -> Next:
    """Return the state after `event`, and what to do about it. Late news changes nothing."""
    match state:
        case Starting():
            return _starting(state, event, budget, now)
        case Running():
            return _running(state, event, budget, now)
        case Paused():
            return _paused(state, event, budget, now)
        case Stopping():
            return _stopping(state, event, now)
        case Over():
            return state, ()


def _starting(state: Starting, event: Event, budget: Budget, now: float) -> Next:
    match event:
        case Started():
            return Running(state.clocks), ()
        case NotStarted():
            return Over(Ending("unspawned", "worker", event.why)), ()
        case StopAsked() | KillAsked():
            return Over(event.ending), ()  # nothing runs yet that could be asked to leave
        case Due() if now >= min(state.clocks.deadline, state.clocks.startup_at):
            why = f"the harness's program did not start within {span(min(budget.wall, budget.startup))}"
            return Over(Ending("startup", "worker", why)), ()
        case Extended() | Finished():
            return Starting(_adjusted(state.clocks, event, budget, now)), ()
        case Due() | Silent() | Exited() | Halted() | GoOnAsked():
            return state, ()  # an exit is judged when it is known whether the program was started


def _running(state: Running, event: Event, budget: Budget, now: float) -> Next:
    match event:
        case Exited():
            return Over(Ending("exited", "harness", f"the harness {event.how}")), ()
        case StopAsked():
            return _ask(event.ending, event.grace, now)
        case KillAsked():
            return Over(event.ending), ()
        case Silent():
            why = f"the harness wrote nothing within {span(budget.startup)} of its start"
            return _ask(Ending("startup", "worker", why), budget.grace, now)
        case Due():
            return _due(state, budget, now)
        case Extended() | Finished():
            return Running(_adjusted(state.clocks, event, budget, now)), ()
        case Halted():
            return Paused(state.clocks, now, event.by, event.why), ()
        case Started() | NotStarted() | GoOnAsked():
            return state, ()


def _paused(state: Paused, event: Event, budget: Budget, now: float) -> Next:
    match event:
        case GoOnAsked():
            return Running(state.clocks_at(now)), (Effect.THAW,)
        case Exited():  # killed from outside: what stands still cannot leave
            return Over(Ending("exited", "harness", f"the harness {event.how} while it was paused")), ()
        case StopAsked():
            stopping, effects = _ask(event.ending, event.grace, now)
            return stopping, (Effect.THAW, *effects)
        case KillAsked():
            return Over(event.ending), ()
        case Extended() | Finished():
            clocks = _adjusted(state.clocks, event, budget, state.since)
            return Paused(clocks, state.since, state.by, state.why), ()
        case Started() | NotStarted() | Due() | Silent() | Halted():
            return state, ()


def _due(state: Running, budget: Budget, now: float) -> Next:
    clocks = state.clocks
    if now >= clocks.deadline:
        return _ask(Ending("budget", "worker", "the session's time budget is used up"), budget.grace, now)
    if now >= clocks.resident_at:
        why = f"the work was reported finished and the harness still ran {span(budget.resident)} later"
        return _ask(Ending("resident", "worker", why), budget.grace, now)
    effects: tuple[Effect, ...] = ()
    if now >= clocks.warn_at:
        clocks = clocks.but(warn_at=FOREVER)
        effects += (Effect.WARN,)
    if now >= clocks.startup_at:
        clocks = clocks.but(startup_at=FOREVER)
        effects += (Effect.LOOK,)
    return Running(clocks), effects


def _stopping(state: Stopping, event: Event, now: float) -> Next:
    match event:
        case Exited() if event.alone:
            return Over(state.ending), ()
        case KillAsked():
            return Over(state.ending), ()  # the first cause is why it ended; a kill only shortens the grace
        case StopAsked():
            return Stopping(state.ending, min(state.kill_at, now + event.grace)), ()
        case Due() if now >= state.kill_at:
            return Over(state.ending), ()
        case _:
            return state, ()


def _ask(ending: Ending, grace: float, now: float) -> Next:
    return Stopping(ending, now + grace), (Effect.SOFTLY,)


def _adjusted(clocks: Clocks, event: Extended | Finished, budget: Budget, now: float) -> Clocks:
    match event:
        case Extended():
            deadline = clocks.deadline + event.seconds
            warn_at = deadline - budget.warn
            return clocks.but(
                deadline=deadline, warn_at=warn_at if budget.warn and warn_at > now else clocks.warn_at
            )
        case Finished():
            return clocks.but(resident_at=min(clocks.resident_at, now + budget.resident))
