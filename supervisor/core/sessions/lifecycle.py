"""The whole life of a session on one screen: every state, every event, every answer.

    starting -> running (<-> paused) -> stopping -> (unkillable ->) settling -> ended(outcome)

What an operator or a policy *wants* of a session (its wish) is kept apart from what it *is*: a stop
asked while the worker is still starting is carried out once there is somebody to tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.core.moment import Moment
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.outcome import Ending


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that can be told from another with the same number: `start` in clock ticks since boot."""

    pid: int
    start: int
    boot_id: str = ""


# --- wishes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """Let it run to its own end."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ask it to end; kill after `grace` seconds (`None`: the harness's own grace)."""

    cause: str
    by: str
    why: str
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class Kill:
    """End it without asking."""

    by: str
    why: str
    cause: str = "kill"


Wish = Run | Stop | Kill


# --- states ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Starting:
    """The intent is recorded; the worker is on its way."""

    since: Moment


@dataclass(frozen=True, slots=True)
class Running:
    """The worker reported that the harness runs."""

    since: Moment
    worker: ProcessId
    harness: ProcessId


@dataclass(frozen=True, slots=True)
class Paused:
    """Nothing of it runs, and its clocks stand still, until an operator resumes it; it keeps all that it holds."""

    since: Moment
    worker: ProcessId
    harness: ProcessId
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """Somebody began its end: the operator, the budget, a policy."""

    since: Moment
    worker: ProcessId
    cause: str
    why: str


@dataclass(frozen=True, slots=True)
class Unkillable:
    """Processes of its tree are left that SIGKILL did not end; nothing is released before they are gone.

    `survivors` read "pid 123 (name, state D, wchan x)".
    """

    since: Moment
    survivors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settling:
    """No process is left; what it did is being read from the repository."""

    since: Moment
    found: ExitRecord | str  # the worker's record, or in words why there is none


@dataclass(frozen=True, slots=True)
class Ended:
    """Over, for good."""

    at: Moment
    ending: Ending


State = Starting | Running | Paused | Stopping | Unkillable | Settling | Ended


# --- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wish changed."""

    wish: Wish


@dataclass(frozen=True, slots=True)
class HarnessStarted:
    """The worker reports that the harness runs."""

    worker: ProcessId
    harness: ProcessId


@dataclass(frozen=True, slots=True)
class HarnessPaused:
    """The worker reports that nothing of the session runs any more."""

    by: str
    why: str


@dataclass(frozen=True, slots=True)
class HarnessResumed:
    """The worker reports that the session goes on."""


@dataclass(frozen=True, slots=True)
class StopBegan:
    """The worker reports that it began to end its harness."""

    cause: str
    why: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """The worker wrote its record and is gone: no process of the session is left."""

    record: ExitRecord


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """There is no worker and no record: `why` in words."""

    why: str


@dataclass(frozen=True, slots=True)
class TreeLives:
    """These processes of its tree could not be ended, says its worker, or who cleared up after that."""

    survivors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """Settling is done; the ending is known."""

    ending: Ending


Event = (
    Wanted
    | HarnessStarted
    | HarnessPaused
    | HarnessResumed
    | StopBegan
    | WorkerEnded
    | WorkerLost
    | TreeLives
    | Settled
)


# --- effects --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TellWorker:
    """Pass the wish on to the worker."""

    wish: Stop | Kill


@dataclass(frozen=True, slots=True)
class BeginSettling:
    """Read from the repository what the session did."""


@dataclass(frozen=True, slots=True)
class Close:
    """Release what it holds and decide what becomes of its task."""

    ending: Ending


Effect = TellWorker | BeginSettling | Close


@dataclass(frozen=True, slots=True)
class Life:
    """Where a session is, and where it is wanted."""

    state: State
    wish: Wish = Run()


def step(life: Life, event: Event, now: Moment) -> tuple[Life, tuple[Effect, ...]]:
    """Return the life after `event`, and what is to be done about it.

    News that comes late (an exit after the end, a wish for a session that is over) changes nothing.
    """
    state, wish = life.state, life.wish
    match state:
        case Starting():
            match event:
                case Wanted(new):
                    return replace(life, wish=_stronger(wish, new)), ()
                case HarnessStarted(worker, harness):
                    running = replace(life, state=Running(now, worker, harness))
                    return (running, ()) if isinstance(wish, Run) else (running, (TellWorker(wish),))
                case StopBegan() | HarnessPaused() | HarnessResumed():
                    return life, ()
                case WorkerEnded() | WorkerLost() | TreeLives():
                    return _worker_gone(life, event, now)
                case Settled():
                    return life, ()
        case Running():
            match event:
                case Wanted(new):
                    return _want(life, new)
                case HarnessStarted() | HarnessResumed():
                    return life, ()
                case HarnessPaused(by, why):
                    return replace(life, state=Paused(now, state.worker, state.harness, by, why)), ()
                case StopBegan(cause, why):
                    return replace(life, state=Stopping(now, state.worker, cause, why)), ()
                case WorkerEnded() | WorkerLost() | TreeLives():
                    return _worker_gone(life, event, now)
                case Settled():
                    return life, ()
        case Paused():
            match event:
                case Wanted(new):
                    return _want(life, new)
                case HarnessResumed():
                    return replace(life, state=Running(now, state.worker, state.harness)), ()
                case StopBegan(cause, why):
                    return replace(life, state=Stopping(now, state.worker, cause, why)), ()
                case WorkerEnded() | WorkerLost() | TreeLives():
                    return _worker_gone(life, event, now)
                case HarnessStarted() | HarnessPaused() | Settled():
                    return life, ()
        case Stopping():
            match event:
                case Wanted(new):
                    return _want(life, new)
                case HarnessStarted() | HarnessPaused() | HarnessResumed() | StopBegan():
                    return life, ()
                case WorkerEnded() | WorkerLost() | TreeLives():
                    return _worker_gone(life, event, now)
                case Settled():
                    return life, ()
        case Unkillable(since, known):
            match event:
                case TreeLives(survivors) if survivors == known:
                    return life, ()
                case WorkerEnded() | WorkerLost() | TreeLives():
                    return _worker_gone(life, event, since if isinstance(event, TreeLives) else now)
                case Wanted() | HarnessStarted() | HarnessPaused() | HarnessResumed():
                    return life, ()
                case StopBegan() | Settled():
                    return life, ()
        case Settling():
            match event:
                case Settled(ending):
                    return replace(life, state=Ended(now, ending)), (Close(ending),)
                case Wanted() | HarnessStarted() | HarnessPaused() | HarnessResumed():
                    return life, ()
                case StopBegan() | WorkerEnded() | WorkerLost() | TreeLives():
                    return life, ()
        case Ended():
            return life, ()


def _worker_gone(
    life: Life, event: WorkerEnded | WorkerLost | TreeLives, at: Moment
) -> tuple[Life, tuple[Effect, ...]]:
    match event:
        case WorkerEnded(record):
            return replace(life, state=Settling(at, record)), (BeginSettling(),)
        case WorkerLost(why):
            return replace(life, state=Settling(at, why)), (BeginSettling(),)
        case TreeLives(survivors):
            return replace(life, state=Unkillable(at, survivors)), ()


def _want(life: Life, new: Wish) -> tuple[Life, tuple[Effect, ...]]:
    wish = _stronger(life.wish, new)
    if wish == life.wish or isinstance(wish, Run):
        return life, ()
    return replace(life, wish=wish), (TellWorker(wish),)


def _stronger(old: Wish, new: Wish) -> Wish:
    """Return the wish that holds: a kill outranks a stop, a stop outranks running; none is taken back."""
    match old, new:
        case (Kill(), _) | (_, Run()):
            return old
        case _:
            return new
