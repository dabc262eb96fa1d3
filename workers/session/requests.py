"""What a client may ask of a worker: each verb's checks, what it does, and its answer."""

from __future__ import annotations

import math

from workers.session.clock import boottime
from workers.session.describe import clocks
from workers.session.failpoint import failpoint
from workers.session.halting import Halting
from workers.session.life import (
    Ending,
    Extended,
    Finished,
    GoOnAsked,
    KillAsked,
    Over,
    Paused,
    Running,
    Starting,
    StopAsked,
)

_YEAR = 366 * 86400.0
_MAX_NOTICE = 4096

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.life import Alive
    from workers.session.wire import Client
    from workers.session.worker import Worker

    Answer = dict[str, object]


class BadRequestError(ValueError):
    """The request cannot be carried out; the text is the answer's `error`."""


def take(worker: Worker, client: Client, request: dict[str, object]) -> None:
    """Carry out one request; the answer to `stop` and `kill` is sent when the tree is gone."""
    answer = _answer(lambda: _carry_out(worker, client, request))
    if answer is not None:
        worker.reply(client, request.get("id"), answer)


def _answer(work: Callable[[], Answer | None]) -> Answer | None:
    """Do something; return its answer, or that of its failure."""
    try:
        return work()
    except BadRequestError as error:
        return {"ok": False, "error": str(error)}
    except OSError as error:
        return {"ok": False, "error": f"{error.filename or 'the file'}: {error.strerror}"}


def _carry_out(worker: Worker, client: Client, request: dict[str, object]) -> Answer | None:
    match request.get("op"):
        case "stop":
            grace = _number(request, "grace", 0.0, _YEAR, worker.spec.budget.grace)
            _end(worker, client, request, StopAsked(_ending(request, "stop"), grace))
            return None
        case "kill":
            _end(worker, client, request, KillAsked(_ending(request, "kill")))
            return None
        case "extend":
            return _extend(worker, _number(request, "seconds", 0.001, _YEAR, None))
        case "pause":
            return _pause(worker, client, request)
        case "resume":
            return _resume(worker)
        case "finished":
            state = _alive(worker)
            worker.feed(Finished())
            return {"ok": True, **clocks(state)}
        case "notice":
            text = _text(request, "text", None)
            if not text.strip() or len(text) > _MAX_NOTICE:
                raise BadRequestError(f"text must have 1 to {_MAX_NOTICE} characters")
            worker.notices.add(text)
            return {"ok": True}
        case "hold":
            upto = request.get("upto")
            worker.rights.replace(_list(request, "leases"), upto if isinstance(upto, int) else None)
            return {"ok": True}
        case "grant":
            worker.rights.grant(_list(request, "leases"))
            return {"ok": True}
        case "revoke":
            worker.rights.revoke(_list(request, "tokens"))
            return {"ok": True}
        case "state":
            return {"ok": True, **worker.report()}
        case unknown:
            raise BadRequestError(
                f"unknown op {unknown!r}; there are stop, kill, extend, pause, resume, finished, notice, hold, grant, "
                "revoke and state"
            )


def _end(worker: Worker, client: Client, request: dict[str, object], event: StopAsked | KillAsked) -> None:
    failpoint("worker.stop_asked")
    worker.feed(event)
    worker.end.tell_when_gone(client, request.get("id"))


def _extend(worker: Worker, seconds: float) -> Answer:
    _alive(worker)
    worker.extend(Extended(seconds))
    return {"ok": True, **clocks(_alive(worker))}


def _pause(worker: Worker, client: Client, request: dict[str, object]) -> Answer | None:
    by, why = _text(request, "by", "supervisor"), _text(request, "why", "a pause was asked for")
    state = _alive(worker)
    if isinstance(state, Starting):
        return _later("the session is still starting")
    if isinstance(state, Paused):
        return {"ok": True, **worker.report()}  # paused twice is paused: the first reason stays
    if worker.halting is not None:
        return _later("another pause is under way")
    worker.halting = Halting(client, request.get("id"), by, why)
    attempt_pause(worker)
    return None


def attempt_pause(worker: Worker) -> None:
    """Try a pause that was asked for, if it is time; answer once it is a fact, or will not become one."""
    halting = worker.halting
    if halting is None or (isinstance(worker.state, Running) and boottime() < halting.next_at):
        return
    answer = _answer(lambda: _halted(worker, halting))
    if answer is not None:
        worker.halting = None
        worker.reply(halting.client, halting.number, answer)


def _halted(worker: Worker, halting: Halting) -> Answer | None:
    _alive(worker)
    if moving := worker.freezer.halt():
        if why := halting.moved(moving):
            raise BadRequestError(why)
        return None
    worker.halted(halting.by, halting.why)
    return {"ok": True, **worker.report()}


def _resume(worker: Worker) -> Answer:
    if worker.halting is not None:
        halting, worker.halting = worker.halting, None
        error = "the session was resumed before all of it stood still"
        worker.reply(halting.client, halting.number, {"ok": False, "error": error})
    if isinstance(_alive(worker), Paused):
        worker.feed(GoOnAsked())
    return {"ok": True, **clocks(_alive(worker))}


def _later(why: str) -> Answer:
    return {"ok": False, "try_later": True, "error": f"{why}; try again in a moment"}


def _alive(worker: Worker) -> Alive:
    state = worker.state
    if isinstance(state, Starting | Running | Paused):
        return state
    what = "over" if isinstance(state, Over) else "stopping"
    raise BadRequestError(f"too late: the session is {what} ({state.ending.why})")


def _ending(request: dict[str, object], default: str) -> Ending:
    cause = _text(request, "cause", default)
    if not cause.replace("_", "").isalnum() or len(cause) > 32:
        raise BadRequestError("cause must be one word")
    return Ending(
        cause, _text(request, "by", "supervisor"), _text(request, "why", f"a {default} was asked for")
    )


def _list(request: dict[str, object], key: str) -> list[object]:
    value = request.get(key)
    if not isinstance(value, list):
        raise BadRequestError(f"{key} must be a list")
    return value


def _text(request: dict[str, object], key: str, default: str | None) -> str:
    value = request.get(key, default)
    if not isinstance(value, str):
        raise BadRequestError(f"{key} must be a text")
    return value


def _number(request: dict[str, object], key: str, least: float, most: float, default: float | None) -> float:
    value = request.get(key)
    if value is None:
        value = default
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequestError(f"{key} must be a number of seconds")
    if not least <= value <= most:
        raise BadRequestError(f"{key} must be between {least:g} and {most:g} seconds")
    return float(value)
