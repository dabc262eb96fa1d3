"""The dialogue of one connection, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.world.control.access import Access, Credentials, Peer
from supervisor.world.control.caller import Caller, Operator, SessionCaller
from supervisor.world.control.connection import MAX_UNSENT, MAX_WAITING, Connection, DeafError
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who, registry
from supervisor.world.control.subscription import Stream, Subscription

TOKEN = "t1"  # noqa: S105  - as secret as the test that prints it


class Text(Params):
    text: str
    times: int = 1


class Dialogue:
    """A connection whose methods answer what the tests need."""

    def __init__(self, access: Access | None = None) -> None:
        self.pushed: list[bytes] = []
        self.laters: list[Later] = []
        self.callers: list[Caller] = []
        self.left: list[str] = []
        self.events = Subscription()
        methods: list[Method[Any]] = [
            Method("echo", Text, lambda _, params: params.text * params.times, Who.ANYONE),
            Method("who", Params, self._who, Who.ANYONE),
            Method("wait", Params, self._wait, Who.ANYONE),
            Method("events", Params, lambda *_: Stream(self.events, "ok", [1, 2]), Who.ANYONE),
            Method("refuse", Params, _raise(RpcError(Code.REFUSED, "no", {"holder": "s1"})), Who.ANYONE),
            Method("bug", Params, _raise(ZeroDivisionError("a bug")), Who.ANYONE),
            Method("odd", Params, lambda *_: object(), Who.ANYONE),
            Method("operate", Params, self._who, Who.OPERATOR),
            Method("finish", Params, self._who, Who.SESSION),
        ]
        peer = Peer(access or Access(), Credentials(pid=42, uid=1000))
        self.connection = Connection(registry(methods), peer, self.pushed.append)

    def say(self, method: str, **params: Any) -> dict[str, Any]:
        (reply,) = self.hear(self.connection.feed(request(method, params)))
        return reply

    def error(self, line: bytes) -> tuple[int, str]:
        (reply,) = self.hear(self.connection.feed(line))
        return reply["error"]["code"], reply["error"]["message"]

    @staticmethod
    def hear(data: bytes) -> list[dict[str, Any]]:
        return [json.loads(line) for line in data.splitlines()]

    def _who(self, caller: Caller, _: Params) -> str:
        self.callers.append(caller)
        return "noted"

    def _wait(self, *_: object) -> Later:
        self.laters.append(Later(on_gone=lambda: self.left.append("gone")))
        return self.laters[-1]


def _raise(error: Exception) -> Callable[[Caller, Params], object]:
    def method(*_: object) -> object:
        raise error

    return method


def request(method: str, params: object = None, ident: object = 1) -> bytes:
    message = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params or {}}
    return json.dumps(message).encode() + b"\n"


@pytest.fixture
def dialogue() -> Dialogue:
    return Dialogue()


@pytest.mark.parametrize("ident", [1, 0, -5, "a", ""])
def test_an_answer_carries_the_id_of_its_request(dialogue: Dialogue, ident: object) -> None:
    answer = dialogue.connection.feed(request("echo", {"text": "hi"}, ident))

    assert [{"id": ident, "result": "hi", "jsonrpc": "2.0"}] == dialogue.hear(answer)


def test_coalesced_requests_are_answered_in_order_and_in_one_piece(dialogue: Dialogue) -> None:
    lines = b"".join(request("echo", {"text": str(number)}, number) for number in range(3))

    answers = dialogue.hear(dialogue.connection.feed(lines))

    assert [(answer["id"], answer["result"]) for answer in answers] == [(0, "0"), (1, "1"), (2, "2")]


def test_a_request_cut_anywhere_is_answered_when_it_is_whole(dialogue: Dialogue) -> None:
    line = request("echo", {"text": "hé"})
    for cut in range(1, len(line)):
        assert dialogue.connection.feed(line[:cut]) == b""
        assert dialogue.hear(dialogue.connection.feed(line[cut:]))[0]["result"] == "hé"


def test_a_client_cannot_ask_for_more_at_once_than_it_may_leave_unread(dialogue: Dialogue) -> None:
    megabyte = request("echo", {"text": "x" * 1024, "times": 1024})

    assert len(dialogue.connection.feed(megabyte * 3)) < MAX_UNSENT
    with pytest.raises(DeafError):
        dialogue.connection.feed(megabyte * 1000)


def test_a_notification_is_carried_out_and_never_answered(dialogue: Dialogue) -> None:
    for method in ("who", "refuse", "bug", "unknown", "odd"):
        line = json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n"
        assert dialogue.connection.feed(line) == b""

    assert [Operator(uid=1000, pid=42)] == dialogue.callers


def test_empty_lines_are_passed_over(dialogue: Dialogue) -> None:
    assert dialogue.connection.feed(b"\n \n\r\n") == b""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (b"nonsense\n", Code.PARSE, "the line is not JSON: JSON is malformed: invalid"),
        (b'"\xff\xfe"\n', Code.PARSE, "the line is not JSON: "),
        (b"\x00\x01\x02\n", Code.PARSE, "the line is not JSON: "),
        (b"[" * 200_000 + b"\n", Code.PARSE, "the line is not JSON: it nests too deeply"),
        (
            b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"text":"\xff"}}\n',
            Code.PARSE,
            "the line is not JSON",
        ),
        (b"9" * 5000 + b"\n", Code.PARSE, "the line is not JSON: "),
        (b"[]\n", Code.INVALID, "batches are not taken; send one request a line"),
        (b"null\n", Code.INVALID, "a request is a JSON object"),
        (b'{"method":"echo"}\n', Code.INVALID, 'a request says "jsonrpc": "2.0"'),
        (b'{"jsonrpc":"2.0","method":7}\n', Code.INVALID, 'a request names its "method" as a string'),
        (b'{"jsonrpc":"2.0","method":"who","id":null}\n', Code.INVALID, "the id of a request is an integer"),
        (b'{"jsonrpc":"2.0","method":"who","id":{}}\n', Code.INVALID, "the id of a request is an integer"),
        (request("ecko"), Code.UNKNOWN_METHOD, 'there is no method "ecko"; the nearest is "echo"'),
        (request("xyzzy"), Code.UNKNOWN_METHOD, 'there is no method "xyzzy"'),
        (request("echo"), Code.PARAMS, "echo: params.text: object missing required field `text`"),
        (request("echo", {"text": 1}), Code.PARAMS, "echo: params.text: expected `str`, got `int`"),
        (request("echo", {"text": "", "tmes": 2}), Code.PARAMS, "echo: params.tmes: object contains unknown"),
        (request("echo", ["hi"]), Code.PARAMS, "echo: params: expected `object`, got `array`"),
        (request("refuse"), Code.REFUSED, "no"),
        (request("bug"), Code.INTERNAL, "bug failed by a fault of the supervisor; its log says where"),
        (request("odd"), Code.INTERNAL, "odd failed by a fault of the supervisor; its log says where"),
    ],
)
def test_each_fault_has_its_code_and_a_sentence(
    dialogue: Dialogue, line: bytes, code: int, said: str
) -> None:
    found, message = dialogue.error(line)

    assert code == found
    assert message.startswith(said)
    assert dialogue.say("echo", text="hi")["result"] == "hi"


def test_a_refusal_carries_its_structured_reason(dialogue: Dialogue) -> None:
    assert dialogue.say("refuse")["error"]["data"] == {"holder": "s1"}


def test_an_invalid_request_is_answered_under_its_own_id(dialogue: Dialogue) -> None:
    (answer,) = dialogue.hear(dialogue.connection.feed(b'{"id":7,"method":"echo"}\n'))

    assert answer["id"] == 7


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(st.one_of(st.binary(max_size=60), st.just(b"\n"), st.just(request("who")))))
def test_no_bytes_end_the_dialogue(pieces: list[bytes]) -> None:
    dialogue = Dialogue()
    for piece in pieces:
        for answer in dialogue.hear(dialogue.connection.feed(piece)):
            assert answer["jsonrpc"] == "2.0"

    dialogue.connection.feed(b"\n")

    assert dialogue.say("echo", text="hi")["result"] == "hi"


def test_a_token_makes_the_caller_its_session() -> None:
    dialogue = Dialogue(Access(resolve={TOKEN: "s1", "t2": "s2"}.get))
    for token in (TOKEN, "t2", TOKEN, ""):
        dialogue.say("who", token=token)

    expected = [SessionCaller("s1", 42), SessionCaller("s2", 42), SessionCaller("s1", 42), Operator(1000, 42)]
    assert expected == dialogue.callers


def test_a_sessions_token_never_opens_an_operators_verb() -> None:
    dialogue = Dialogue(Access(resolve={TOKEN: "s1"}.get))

    error = dialogue.say("operate", token=TOKEN)["error"]

    assert error["code"] == Code.DENIED
    assert error["message"] == "operate is for operators; session s1 may not call it"
    assert error["data"] == {"method": "operate", "session": "s1"}


def test_a_process_inside_a_session_is_no_operator_even_without_the_token() -> None:
    asked: list[int] = []

    def session_of(pid: int) -> str:
        asked.append(pid)
        return "s1"

    dialogue = Dialogue(Access(session_of=session_of))
    dialogue.say("who")

    assert asked == []

    for _ in range(2):
        assert (
            dialogue.say("operate")["error"]["message"]
            == "operate is for operators; session s1 may not call it"
        )

    assert asked == [42]


def test_a_sessions_verb_needs_a_token(dialogue: Dialogue) -> None:
    error = dialogue.say("finish")["error"]

    assert (
        error["code"],
        error["message"],
    ) == (Code.DENIED, "finish needs a session's token (LEASEHOLD_TOKEN)")


def test_a_token_dies_with_its_session_on_open_connections_too() -> None:
    living = {TOKEN: "s1"}
    dialogue = Dialogue(Access(resolve=living.get))
    dialogue.say("who", token=TOKEN)
    living.clear()

    error = dialogue.say("who", token=TOKEN)["error"]

    assert (error["code"], error["message"]) == (Code.DENIED, "who: the token belongs to no living session")


def test_an_answer_that_comes_later_is_pushed_under_the_id_of_its_request(dialogue: Dialogue) -> None:
    assert dialogue.connection.feed(request("wait", ident=1) + request("wait", ident=2)) == b""
    dialogue.laters[1].answer("second")
    dialogue.laters[0].refuse(RpcError(Code.TRY_LATER, "over"))

    second, first = dialogue.hear(b"".join(dialogue.pushed))

    assert (second["id"], second["result"]) == (2, "second")
    assert (first["id"], first["error"]["code"]) == (1, Code.TRY_LATER)


def test_a_late_result_that_cannot_be_sent_does_not_harm_its_waker(dialogue: Dialogue) -> None:
    dialogue.connection.feed(request("wait"))
    dialogue.laters[0].answer(object())

    assert dialogue.hear(dialogue.pushed[0])[0]["error"]["code"] == Code.INTERNAL


def test_leaving_cancels_what_waits_and_nothing_else(dialogue: Dialogue) -> None:
    dialogue.connection.feed(request("wait") + request("wait"))
    dialogue.laters[0].answer("done")
    dialogue.connection.gone()

    assert dialogue.left == ["gone"]
    assert not dialogue.laters[1].answer("late")


def test_a_connection_may_wait_for_only_so_many_answers(dialogue: Dialogue) -> None:
    dialogue.connection.feed(request("wait") * MAX_WAITING)

    assert dialogue.say("wait")["error"]["code"] == Code.TRY_LATER
    assert dialogue.left == ["gone"]


def test_closing_answers_all_who_wait(dialogue: Dialogue) -> None:
    dialogue.connection.feed(request("wait", ident=5))
    dialogue.connection.dismiss(RpcError(Code.TRY_LATER, "stopping"))

    (answer,) = dialogue.hear(dialogue.pushed[0])

    assert (answer["id"], answer["error"]["message"]) == (5, "stopping")
    assert dialogue.left == ["gone"]


def test_a_stream_gives_its_answer_then_its_backlog_then_what_is_published(dialogue: Dialogue) -> None:
    answers = dialogue.hear(dialogue.connection.feed(request("events")))
    dialogue.events.publish({"n": 3})

    assert answers[0]["result"] == "ok"
    assert [answer["params"] for answer in answers[1:]] == [1, 2]
    assert dialogue.hear(dialogue.pushed[0]) == [{"method": "event", "params": {"n": 3}, "jsonrpc": "2.0"}]


def test_a_stream_ends_with_its_connection(dialogue: Dialogue) -> None:
    dialogue.connection.feed(request("events"))

    assert len(dialogue.events) == 1

    dialogue.connection.gone()

    assert len(dialogue.events) == 0


def test_two_methods_of_one_name_are_refused() -> None:
    method = Method("echo", Text, lambda *_: None)

    with pytest.raises(ValueError, match='"echo" is registered twice'):
        registry([method, method])
