"""What a request can fail with. The numbers are part of the interface: other programs read them."""

from __future__ import annotations

import enum


class Code(enum.IntEnum):
    """Error codes of JSON-RPC 2.0 (-32700 … -32600) and of Leasehold (-32000 … -32003)."""

    PARSE = -32700  # the line is not JSON, or too long
    INVALID = -32600  # JSON, but not a request
    UNKNOWN_METHOD = -32601
    PARAMS = -32602
    INTERNAL = -32603  # a bug of the supervisor
    REFUSED = -32000  # understood, and the answer is no; `data` holds the structured reason
    DENIED = -32001  # this caller may not ask this
    TRY_LATER = -32002  # a wait that ran out; the command line exits with 75
    NOT_FOUND = -32003


class RpcError(Exception):
    """An answer that is an error: raised by a method, or handed to `Later.refuse`.

    `message` is one line for a human; `data` is anything msgspec encodes, for programs.
    """

    def __init__(self, code: Code, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def __repr__(self) -> str:
        return f"RpcError({self.code.name}, {self.message!r}, {self.data!r})"


class ListenError(Exception):
    """The socket cannot be served: one line that names the path, the reason and the way out."""
