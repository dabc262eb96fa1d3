"""An adapter of another package, held to the protocol: whatever its code does, it ends no more than its own sessions."""

from __future__ import annotations

import signal
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import structlog

from supervisor.core.sessions.reading import TEXT_LIMIT, Heard, Reading, Verdict, VerdictKind
from supervisor.world.harness.adapter import Adapter, Prepared, Start

log = structlog.get_logger("leasehold")

_TEXTS = ("name", "program", "package", "tested", "stop")
# What a reading holds, by name: an adapter may have put anything there.
_KINDS: dict[str, type] = {name: type(getattr(Reading(), name)) for name in Reading.__slots__}
_MAYBE: dict[str, tuple[type, ...]] = {
    "tokens_in": (int,),
    "tokens_out": (int,),
    "tokens_cached": (int,),
    "cost_usd": (int, float),
    "retry_at": (int, float),
    "limited_until": (int, float),
    "error": (VerdictKind,),
    "now": (int, float),
}


class ForeignError(Exception):
    """What another package's adapter returned is not what the protocol says; one line says what."""


def faults_of(adapter: Adapter) -> list[str]:
    """Return in words which attributes of an adapter are not what the protocol says."""
    found = [f"{name} is no text" for name in _TEXTS if not isinstance(getattr(adapter, name), str)]
    can: object = adapter.can
    if not isinstance(can, Collection) or not all(isinstance(word, str) for word in can):
        found.append("can is no set of texts")
    if not found and not hasattr(signal, f"SIG{adapter.stop}"):
        found.append(f'stop is "{adapter.stop}", which is no signal; write for instance "TERM"')
    return found


class Foreign:
    """The adapter `inner`, which is called `name` here. What it does wrong is logged once for each kind of fault."""

    def __init__(self, inner: Adapter, name: str) -> None:
        self._inner = inner
        self._told: set[str] = set()
        self.name = name
        self.program, self.package, self.tested = inner.program, inner.package, inner.tested
        self.stop, self.can = inner.stop, frozenset(inner.can)

    def version(self, program: tuple[str, ...]) -> list[str]:
        """Return the command that prints the version.

        Raises:
            ForeignError: it returned anything else.
        """
        return list(_words("version", self._inner.version(program)))

    def real(self, found: Path) -> tuple[str, ...]:
        """Return the command of the agent itself.

        Raises:
            ForeignError: it returned anything else.
        """
        return _words("real", self._inner.real(found))

    def prepare(self, start: Start) -> Prepared:
        """Return how a session is started.

        Raises:
            ForeignError: it returned anything else.
        """
        prepared: Any = self._inner.prepare(start)
        if not isinstance(prepared, Prepared):
            raise ForeignError(f"prepare returned {prepared!r:.80}, which is no Prepared")
        _words("prepare", prepared.argv)
        _check("env", prepared.env, str)
        for name, kind in (("files", bytes), ("links", Path), ("over", Path)):
            _check(name, getattr(prepared, name), kind)
            for path in getattr(prepared, name):
                if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                    raise ForeignError(
                        f'prepare names "{path}" in {name}, which is outside the session\'s home'
                    )
        if not set(prepared.fetched) <= prepared.links.keys():
            raise ForeignError("prepare names something in fetched that is none of its links")
        for path in prepared.over:
            if path not in prepared.files:
                raise ForeignError(f'prepare names "{path}" in over, which is none of its files')
        return prepared

    def hear(self, line: bytes, reading: Reading) -> None:
        """Take in one line; what the adapter fails on counts as odd."""
        try:
            self._inner.hear(line, reading)
        except Exception as error:  # noqa: BLE001  - another package's code
            failed = 1
            self._tell("hear", repr(error))
        else:
            failed = 0
        for name, kind in _KINDS.items():
            value = getattr(reading, name)
            if not _fits(name, kind, value):
                setattr(reading, name, getattr(Reading(), name))
                self._tell("hear", f"it set {name} to {value!r:.80}")
            elif kind is str and len(value) > TEXT_LIMIT:
                setattr(reading, name, value[:TEXT_LIMIT])
        reading.odd += failed

    def ending(self, reading: Reading, code: int | None, signal: int | None) -> Verdict | None:
        """Return how it ended; `None` where the adapter fails."""
        try:
            verdict: Any = self._inner.ending(reading, code, signal)
        except Exception as error:  # noqa: BLE001  - another package's code
            self._tell("ending", repr(error))
            return None
        if verdict is None:
            return None
        if not isinstance(verdict, Verdict) or not _is_sound(
            verdict.kind, verdict.sentence, verdict.retry_at
        ):
            self._tell("ending", f"it returned {verdict!r:.80}, which is no Verdict")
            return None
        return verdict

    def _tell(self, method: str, why: str) -> None:
        if method not in self._told:
            self._told.add(method)
            log.error("adapter.failed", adapter=self.name, package=self.package, method=method, why=why)


def _is_sound(kind: object, sentence: object, retry_at: object) -> bool:
    """Tell whether the parts of a verdict are of the kinds that it declares."""
    return isinstance(kind, VerdictKind) and isinstance(sentence, str) and _fits("retry_at", float, retry_at)


def _fits(name: str, kind: Any, value: Any) -> bool:
    """Tell whether a value may stand under this name of a reading. Of what grows, the latest entry is looked at."""
    if name in _MAYBE:
        return value is None or (type(value) in _MAYBE[name] and _sound(value))
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return False
    if name == "files":
        return not value or isinstance(next(reversed(value)), str)
    if name == "events":
        return not value or (isinstance(value[-1], Heard) and isinstance(value[-1].text, str))
    return kind is not int or bool(value >= 0)


def _sound(value: object) -> bool:
    """Tell whether a number is one that can be counted with."""
    return not isinstance(value, int | float) or 0 <= value < float("inf")


def _words(method: str, value: object) -> tuple[str, ...]:
    if (
        not isinstance(value, list | tuple)
        or not value
        or not all(isinstance(word, str) and "\0" not in word for word in value)
    ):
        raise ForeignError(f"{method} returned {value!r:.80}, which is no command")
    return tuple(value)


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(each, kind) for key, each in value.items()
    ):
        raise ForeignError(f"prepare returned {name} = {value!r:.80}; it maps texts to {kind.__name__}")
