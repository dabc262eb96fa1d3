"""What is said over one connection: requests in, answers and events out. No socket is touched here."""

from __future__ import annotations

import difflib
import functools
import re

import msgspec
import structlog
from msgspec import UNSET

from supervisor.world.control import wire
from supervisor.world.control.access import Peer
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.lines import Lines
from supervisor.world.control.methods import Registry
from supervisor.world.control.subscription import Push, Stream, Subscription

MAX_UNSENT = 4 << 20  # bytes that a client may leave unread before it is dropped
MAX_WAITING = 1024  # answers that one connection may be waiting for

_log = structlog.get_logger(__name__)
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<place>.*)`)?$", re.DOTALL)


class DeafError(Exception):
    """The client asks and does not read."""


class Connection:
    """The dialogue with one client.

    `push` sends bytes that come at another time than the request they answer.
    """

    __slots__ = ("_lines", "_methods", "_peer", "_push", "_subscriptions", "_waiting")

    def __init__(self, methods: Registry, peer: Peer, push: Push) -> None:
        self._methods = methods
        self._peer = peer
        self._push = push
        self._lines = Lines()
        self._waiting: dict[Later, wire.Request] = {}
        self._subscriptions: list[Subscription] = []

    def feed(self, data: bytes) -> bytes:
        """Handle what arrived; return the answers in one piece.

        Raises:
            LineTooLongError: the client is not to be listened to any more.
            DeafError: it asked for more at once than it may leave unread.
        """
        lines = self._lines.feed(data)
        if len(lines) == 1:  # nearly always: spares a list and a join
            return self._answer(lines[0])
        answers = []
        size = 0
        for line in lines:
            answers.append(self._answer(line))
            size += len(answers[-1])
            if size > MAX_UNSENT:
                raise DeafError
        return b"".join(answers)

    @property
    def owes(self) -> bool:
        """Whether something may still be said that was asked for already."""
        return bool(self._waiting or self._subscriptions)

    def gone(self) -> None:
        """Forget the client: waits are cancelled, streams end."""
        waiting, self._waiting = self._waiting, {}
        for later, request in waiting.items():
            _cancel(later, request)
        for subscription in self._subscriptions:
            subscription.leave(self._push)
        self._subscriptions.clear()

    def dismiss(self, error: RpcError) -> None:
        """Answer everything that waits with `error`: the server closes."""
        waiting, self._waiting = self._waiting, {}
        for later, request in waiting.items():
            _cancel(later, request)
            if request.id is not UNSET:
                self._push(wire.failure_line(request.id, error))

    def _answer(self, line: bytes) -> bytes:
        try:
            request = wire.decode_request(line)
        except wire.UNREADABLE:
            return wire.failure_line(*wire.unreadable(line)) if line.strip() else b""
        try:
            verb = self._methods.get(request.method)
            if verb is None:
                return self._failure(request, self._unknown(request.method))
            try:
                params = verb.decode(request.params)
            except msgspec.ValidationError as error:
                return self._failure(request, _bad_params(request.method, str(error)))
            except wire.UNREADABLE as error:  # the envelope's decoder passes over what is in `params`
                return self._failure(request, wire.not_json(error))
            method = verb.method
            result = method.call(self._peer.caller(method, params.token), params)
            if isinstance(result, Later):
                return self._wait(request, result)
            if isinstance(result, Stream):
                return self._subscribe(request, result)
            return wire.reply_line(request.id, result) if request.id is not UNSET else b""
        except RpcError as error:
            return self._failure(request, error)
        except Exception:  # noqa: BLE001  - a bug in one verb must not end everybody's supervisor
            _log.exception("method failed", method=request.method)
            return self._failure(request, _bug(request.method))

    def _failure(self, request: wire.Request, error: RpcError) -> bytes:
        return b"" if request.id is UNSET else wire.failure_line(request.id, error)

    def _unknown(self, name: str) -> RpcError:
        nearest = difflib.get_close_matches(name, self._methods, n=1)
        hint = f'; the nearest is "{nearest[0]}"' if nearest else ""
        return RpcError(Code.UNKNOWN_METHOD, f'there is no method "{name[:200]}"{hint}')

    def _wait(self, request: wire.Request, later: Later) -> bytes:
        if len(self._waiting) >= MAX_WAITING:
            _cancel(later, request)
            raise RpcError(Code.TRY_LATER, f"this connection already waits for {MAX_WAITING} answers")
        self._waiting[later] = request
        later.bind(functools.partial(self._deliver, request))
        return b""

    def _deliver(self, request: wire.Request, later: Later, outcome: object) -> None:
        self._waiting.pop(later, None)
        if request.id is UNSET:
            return
        if isinstance(outcome, RpcError):
            self._push(wire.failure_line(request.id, outcome))
            return
        try:
            line = wire.reply_line(request.id, outcome)
        except Exception:  # noqa: BLE001  - the waker's work must not end over a result that cannot be sent
            _log.exception("result of a method cannot be sent", method=request.method)
            line = wire.failure_line(request.id, _bug(request.method))
        self._push(line)

    def _subscribe(self, request: wire.Request, stream: Stream) -> bytes:
        subscription = stream.subscription
        answer = b"" if request.id is UNSET else wire.reply_line(request.id, stream.result)
        told = b"".join([answer, *(subscription.line(event) for event in stream.backlog)])
        subscription.join(self._push)
        self._subscriptions.append(subscription)
        return told


def _cancel(later: Later, request: wire.Request) -> None:
    try:
        later.gone()
    except Exception:  # noqa: BLE001  - the other waits must be cancelled too
        _log.exception("a wait could not be cancelled", method=request.method)


def _bad_params(method: str, complaint: str) -> RpcError:
    """Put the field's name first in what msgspec says: "Expected `str`, got `int` - at `$.paths[0]`"."""
    found = _PLACE.match(complaint)
    what, place = (found["what"], found["place"]) if found else (complaint, None)
    named = re.search(r"field `([^`]*)`", what)
    field = f"{place or ''}.{named[1]}" if named else place or ""
    where = f"params{field}"
    return RpcError(Code.PARAMS, f"{method}: {where}: {what[:1].lower()}{what[1:]}", {"field": where})


def _bug(method: str) -> RpcError:
    return RpcError(Code.INTERNAL, f"{method} failed by a fault of the supervisor; its log says where")
