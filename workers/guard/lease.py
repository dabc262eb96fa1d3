"""Leases as the supervisor writes them, [holder, scope, mode, token, granted_at], and packed into one number."""

from __future__ import annotations

from struct import Struct
from sys import intern

_TOKEN = 3  # where a written lease has its fencing token
_FLOAT = Struct("=d")
_BITS = Struct("=Q")
_MADE = 1 << 64  # above the bits of the time: the session made the file itself
_ABOVE = 65  # bits below the token


def token_of(lease: object) -> object:
    """Return the fencing token of a written lease."""
    return lease[_TOKEN] if isinstance(lease, list) and len(lease) > _TOKEN else None


def kind_of(lease: object) -> object:
    """Return what kind of scope a written lease is on; None when it cannot be read."""
    match lease:
        case [_, {"kind": kind}, *_]:
            return kind
    return None


def is_newer(lease: object, upto: int) -> bool:
    """Tell whether a lease was granted after the one with the token `upto`."""
    token = token_of(lease)
    return isinstance(token, int) and token > upto


def thrifty(lease: object) -> object:
    """Return a lease whose words are those of the others: there may be many, each read anew."""
    match lease:
        case [str(holder), {"kind": str(kind), "repo": str(repo), "key": str(key), **more}, str(mode), *rest]:
            thin: dict[str, object] = {"kind": intern(kind), "repo": intern(repo), "key": key}
            for name, value in more.items():
                thin[str(name)] = key if value == key else value
            return [intern(holder), thin, intern(mode), *rest]
    return lease


def plain_file(lease: object, repo: str) -> tuple[str, str, int, float] | None:
    """Return holder, path, token and time of a lease that is on one file of `repo` and has nothing more to it."""
    if not isinstance(lease, list) or len(lease) != 5:
        return None
    holder, scope, mode, token, since = lease
    if mode != "exclusive" or not isinstance(scope, dict) or len(scope) != 4:
        return None
    key = scope.get("key")
    if scope.get("kind") != "file" or scope.get("repo") != repo or scope.get("text") != key:
        return None
    if (
        isinstance(holder, str)
        and isinstance(key, str)
        and isinstance(token, int)
        and isinstance(since, float)
    ):
        return holder, key, token, since
    return None


def pack(token: int, granted_at: float) -> int:
    """Return what a lease has besides its path, as one number: fifty bytes instead of ten times that."""
    return token << _ABOVE | int(_BITS.unpack(_FLOAT.pack(granted_at))[0])


def packed_token(packed: int) -> int:
    """Return the fencing token of a packed lease."""
    return packed >> _ABOVE


def paths_under(files: dict[bytes, int], tokens: set[object]) -> list[bytes]:
    """Return the paths whose packed leases have one of these fencing tokens."""
    return [path for path, packed in files.items() if packed >> _ABOVE in tokens]


def packed_time(packed: int) -> float:
    """Return when a packed lease was granted."""
    return float(_FLOAT.unpack(_BITS.pack(packed & (_MADE - 1)))[0])


def as_made(packed: int) -> int:
    """Return a packed lease on a file that was not there before it."""
    return packed | _MADE


def is_made(packed: int, after: int) -> bool:
    """Tell whether it is one on a file that was not there before, with a token above `after`."""
    return packed & _MADE != 0 and packed >> _ABOVE > after
