"""The adapters by name: those that come with Leasehold, then those that other packages provide."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from supervisor.world.harness.adapter import Adapter
from supervisor.world.harness.aider import Aider
from supervisor.world.harness.claude import Claude
from supervisor.world.harness.cline import Cline
from supervisor.world.harness.codex import Codex
from supervisor.world.harness.command import Command
from supervisor.world.harness.copilot import Copilot
from supervisor.world.harness.foreign import Foreign, faults_of
from supervisor.world.harness.gemini import Gemini
from supervisor.world.harness.gptme import Gptme
from supervisor.world.harness.mini import MiniSweAgent
from supervisor.world.harness.opencode import OpenCode
from supervisor.world.harness.pi import Pi
from supervisor.world.harness.qwen import Qwen

GROUP = "leasehold.harness"
COMMAND: Adapter = Command()
_ALL: tuple[Adapter, ...] = (
    Claude(),
    Codex(),
    Gemini(),
    OpenCode(),
    Qwen(),
    Pi(),
    Copilot(),
    Cline(),
    Gptme(),
    Aider(),
    MiniSweAgent(),
)
_OURS: dict[str, Adapter] = {each.name: each for each in _ALL}


class AdapterError(ValueError):
    """There is no such adapter, or it cannot be used; the text says which there are."""


def names() -> tuple[str, ...]:
    """Return all names, Leasehold's own first."""
    return (*_OURS, *(point.name for point in _points() if point.name not in _OURS))


def ours() -> Iterator[Adapter]:
    """Yield the adapters that come with Leasehold, but for `command`."""
    yield from _OURS.values()


@cache
def find(name: str) -> Adapter:
    """Return an adapter.

    Raises:
        AdapterError: nobody provides it, or what does cannot be loaded.
    """
    if name == COMMAND.name:
        return COMMAND
    if name in _OURS:
        return _OURS[name]
    point = next((point for point in _points() if point.name == name), None)
    if point is None:
        near = get_close_matches(name, names(), 1, 0.6)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(names())}"
        raise AdapterError(f'no adapter "{name}"; {hint}')
    return _loaded(point)


def _loaded(point: EntryPoint) -> Adapter:
    whose = f'adapter "{point.name}" ({point.value}'
    whose += f" of {point.dist.name})" if point.dist is not None else ")"
    try:
        found: Any = point.load()
        adapter = found() if isinstance(found, type) else found
    except Exception as error:  # whatever another package's code raises
        raise AdapterError(f"{whose} cannot be loaded: {error}") from error
    if not isinstance(adapter, Adapter):
        lacks = [name for name in _MEMBERS if not hasattr(adapter, name)]
        raise AdapterError(f"{whose} is no adapter: it lacks {', '.join(lacks)}")
    if faults := faults_of(adapter):
        raise AdapterError(f"{whose} is no adapter: {', '.join(faults)}")
    return Foreign(adapter, point.name)


_MEMBERS = (
    "name",
    "program",
    "package",
    "tested",
    "stop",
    "can",
    "version",
    "real",
    "prepare",
    "hear",
    "ending",
)


def _points() -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=GROUP), key=lambda point: point.name))
