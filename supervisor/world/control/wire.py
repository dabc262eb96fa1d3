"""The shape of messages, and their bytes."""

from __future__ import annotations

from typing import Literal

import msgspec

from supervisor.world.control.errors import Code, RpcError
from supervisor.world.git.wire_path import encode_path

Id = int | str | None
Version = Literal["2.0"]


class Request(msgspec.Struct, gc=False):
    """A request as it arrives; `params` stays bytes until its method is known."""

    jsonrpc: Version
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    id: int | str | msgspec.UnsetType = msgspec.UNSET


class Reply(msgspec.Struct, gc=False):
    """An answer that is a result."""

    id: Id
    result: object
    jsonrpc: Version = "2.0"


class Problem(msgspec.Struct, gc=False, omit_defaults=True):
    """The error inside an answer that is one."""

    code: int
    message: str
    data: object = None


class Failure(msgspec.Struct, gc=False):
    """An answer that is an error; `id` is null when the request's own could not be read."""

    id: Id
    error: Problem
    jsonrpc: Version = "2.0"


class Notice(msgspec.Struct, gc=False):
    """A message that the server sends unasked, to the subscribers of a stream."""

    method: str
    params: object
    jsonrpc: Version = "2.0"


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes from outside."""

decode_request = msgspec.json.Decoder(Request).decode
decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def encode(message: object) -> bytes:
    """Return a message as JSON; names of files that are not UTF-8 as the clients write them."""
    try:
        return _encode(message)
    except UnicodeEncodeError:
        return _encode(_readable(msgspec.to_builtins(message)))


def _readable(value: object) -> object:
    match value:
        case str():
            return encode_path(value)
        case dict():
            return {encode_path(str(key)): _readable(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_readable(inner) for inner in value]
        case _:
            return value


def reply_line(request: Id, result: object) -> bytes:
    """Return the line that answers `request` with `result`."""
    return encode(Reply(request, result)) + b"\n"


def failure_line(request: Id, error: RpcError) -> bytes:
    """Return the line that answers `request` with `error`."""
    return encode(Failure(request, Problem(error.code, error.message, error.data))) + b"\n"


def notice_line(method: str, params: object) -> bytes:
    """Return the line of a message that answers nothing."""
    return encode(Notice(method, params)) + b"\n"


def not_json(error: Exception) -> RpcError:
    """Return the answer to bytes that are not JSON."""
    why = "it nests too deeply" if isinstance(error, RecursionError) else str(error)
    return RpcError(Code.PARSE, f"the line is not JSON: {why}")


def unreadable(line: bytes) -> tuple[Id, RpcError]:
    """Say what is wrong with a line that is not a request, and the id that it carries, if any."""
    try:
        message = decode_any(line)
    except UNREADABLE as error:
        return None, not_json(error)
    if isinstance(message, list):
        return None, RpcError(Code.INVALID, "batches are not taken; send one request a line")
    if not isinstance(message, dict):
        return None, RpcError(Code.INVALID, "a request is a JSON object")
    found = message.get("id")
    request = found if isinstance(found, int | str) and not isinstance(found, bool) else None
    if message.get("jsonrpc") != "2.0":
        return request, RpcError(Code.INVALID, 'a request says "jsonrpc": "2.0"')
    if not isinstance(message.get("method"), str):
        return request, RpcError(Code.INVALID, 'a request names its "method" as a string')
    return request, RpcError(Code.INVALID, "the id of a request is an integer or a string")
