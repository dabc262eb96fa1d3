"""What a client may ask of a worker: each verb's checks, what it does, and its answer."""

from __future__ import annotations

import math

from workers.session.describe import clocks
from workers.session.failpoint import failpoint
from workers.session.freeze import StillMovingError
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
    from workers.session.life import Alive
    from workers.session.wire import Client
    from workers.session.worker import Worker


class BadRequestError(ValueError):
    """The request cannot be carried out; the text is the answer's `error`."""


def take(worker: Worker, client: Client, request: dict[str, object]) -> None:
    """Carry out one request; the answer to `stop` and `kill` is sent when the tree is gone."""
    try:
        answer = _carry_out(worker, client, request)
    except (BadRequestError, StillMovingError) as error:
        answer = {"ok": False, "error": str(error)}
    except OSError as error:
        answer = {"ok": False, "error": f"{error.filename or 'the file'}: {error.strerror}"}
    if answer is not None:
        worker.reply(client, request.get("id"), answer)


def _carry_out(worker: Worker, client: Client, request: dict[str, object]) -> dict[str, object] | None:
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
            return _pause(worker, request)
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
            leases = request.get("leases")
            if not isinstance(leases, list):
                raise BadRequestError("leases must be a list")
            worker.rights.replace(leases)
            return {"ok": True}
        case "state":
            return {"ok": True, **worker.report()}
        case unknown:
            raise BadRequestError(
                f"unknown op {unknown!r}; there are stop, kill, extend, pause, resume, finished, notice, hold "
                "and state"
            )


def _end(worker: Worker, client: Client, request: dict[str, object], event: StopAsked | KillAsked) -> None:
    failpoint("worker.stop_asked")
    worker.feed(event)
    worker.end.tell_when_gone(client, request.get("id"))


def _extend(worker: Worker, seconds: float) -> dict[str, object]:
    _alive(worker)
    worker.extend(Extended(seconds))
    return {"ok": True, **clocks(_alive(worker))}


def _pause(worker: Worker, request: dict[str, object]) -> dict[str, object]:
    by, why = _text(request, "by", "supervisor"), _text(request, "why", "a pause was asked for")
    state = _alive(worker)
    if isinstance(state, Starting):
        return {
            "ok": False,
            "try_later": True,
            "error": "the session is still starting; try again in a moment",
        }
    if isinstance(state, Running):
        worker.halt(by, why)
    return {"ok": True, **worker.report()}  # paused twice is paused: the first reason stays


def _resume(worker: Worker) -> dict[str, object]:
    if isinstance(_alive(worker), Paused):
        worker.feed(GoOnAsked())
    return {"ok": True, **clocks(_alive(worker))}


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
