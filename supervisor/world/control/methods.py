"""What can be asked: a method's name, its parameters, who may call it, and the function that answers."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from supervisor.world.control.caller import Caller


class Params(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Parameters of a method: subclass it and annotate the fields; unknown ones are refused by name.

    `token` is a session's capability. The server has already resolved it when a method is called.
    """

    token: str = ""


class Who(enum.Enum):
    """Which callers a method admits."""

    OPERATOR = "operator"  # never from inside a session
    SESSION = "session"  # only with a session's token
    ANYONE = "anyone"


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Method(Generic[P]):
    """One verb of the socket.

    `call` runs synchronously in the event loop and must not block. It returns a value that msgspec
    encodes, a `Later`, or a `Stream`; it raises `RpcError` to refuse. Any other exception is a bug:
    it is logged, and the client is answered with `Code.INTERNAL`.
    """

    name: str
    params: type[P]
    call: Callable[[Caller, P], object]
    who: Who = Who.OPERATOR


@dataclass(frozen=True, slots=True)
class Verb:
    """A method with the decoder of its parameters, made once."""

    method: Method[Any]
    decode: Callable[[bytes | msgspec.Raw], Params]


Registry = Mapping[str, Verb]


def registry(methods: Iterable[Method[Any]]) -> Registry:
    """Return the methods by name.

    Raises:
        ValueError: two methods have the same name.
    """
    verbs: dict[str, Verb] = {}
    for method in methods:
        if method.name in verbs:
            raise ValueError(f'the method "{method.name}" is registered twice')
        verbs[method.name] = Verb(method, msgspec.json.Decoder(method.params).decode)
    return verbs
