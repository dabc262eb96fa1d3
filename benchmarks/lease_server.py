"""The control server and the broker, wired as the daemon wires them, with sessions that need no process.

python -m benchmarks.lease_server SOCKET      a connection that shows the token "c7" acts for session "c7"
"""

from __future__ import annotations

import functools
import sys
import time
from pathlib import Path

import anyio

from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Granted, Lease, Mode, TimedOut, Waiting, Want, Woken
from supervisor.core.leases.scope import Scope, parse_scopes
from supervisor.world.control.access import Access
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.loop import LOOP
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.control.server import serving

SESSIONS = 1024


class Acquire(Params):
    """Scopes as text; `wait` in seconds."""

    paths: tuple[str, ...]
    shared: bool = False
    wait: float = 0.0


class Release(Params):
    """Scopes to give back."""

    paths: tuple[str, ...]


class Leases:
    """The two verbs, over one broker."""

    def __init__(self) -> None:
        tokens = Tokens()
        tokens.reserve(1 << 40)
        self._broker = Broker(tokens)
        self._waiting: dict[int, Later] = {}

    def methods(self) -> list[Method[Acquire] | Method[Release]]:
        """Return the verbs."""
        return [
            Method("lease.acquire", Acquire, self.acquire, Who.ANYONE),
            Method("lease.release", Release, self.release, Who.ANYONE),
        ]

    def acquire(self, caller: Caller, params: Acquire) -> object:
        """Grant, refuse, or answer when the wait is over."""
        wants = _wants(params.paths, params.shared)
        answer = self._broker.acquire(_holder(caller), wants, time.monotonic(), wait=params.wait)
        match answer:
            case Granted():
                return _granted(answer.leases)
            case Waiting():
                return self._promise(answer.waiter)
            case _:
                other = answer.conflicts[0]
                raise RpcError(Code.REFUSED, f"{other.scope.text} is held by session {other.holder}")

    def release(self, caller: Caller, params: Release) -> None:
        """Give leases back, and wake those who waited for them."""
        woken = self._broker.release(_holder(caller), _scopes(params.paths), time.monotonic())
        if woken:
            self._wake(woken)

    def _promise(self, waiter: int) -> Later:
        later = Later(on_gone=lambda: self._left(waiter))
        self._waiting[waiter] = later
        return later

    def _left(self, waiter: int) -> None:
        del self._waiting[waiter]
        self._wake(self._broker.cancel(waiter, time.monotonic()))

    def _wake(self, results: tuple[Woken | TimedOut, ...]) -> None:
        for result in results:
            if isinstance(result, Woken):
                self._waiting.pop(result.waiter).answer(_granted(result.leases))


@functools.lru_cache(maxsize=4096)
def _wants(paths: tuple[str, ...], shared: bool) -> tuple[Want, ...]:  # noqa: FBT001  - a key of the cache
    mode = Mode.SHARED if shared else Mode.EXCLUSIVE
    return tuple(Want(scope, mode) for scope in _scopes(paths))


@functools.lru_cache(maxsize=4096)
def _scopes(paths: tuple[str, ...]) -> tuple[Scope, ...]:
    return tuple(scope for text in paths for scope in parse_scopes(text, "r"))


def _granted(leases: tuple[Lease, ...]) -> dict[str, object]:
    return {"leases": [{"scope": lease.scope.text, "token": lease.token} for lease in leases]}


def _holder(caller: Caller) -> str:
    return caller.session if isinstance(caller, SessionCaller) else "operator"


async def main(path: Path) -> None:
    """Serve until killed; say "ready" once it listens."""
    sessions = {f"c{number}": f"c{number}" for number in range(SESSIONS)}
    async with serving(path, Leases().methods(), access=Access(resolve=sessions.get)):
        print("ready", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), backend_options=LOOP)
