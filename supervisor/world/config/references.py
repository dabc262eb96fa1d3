"""What no single section can see: names that lead nowhere, doubles, and places that cannot work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from supervisor.world.config.checkout import CheckoutError, checkout_root
from supervisor.world.config.complete import entries, tables
from supervisor.world.config.faults import Fault, Where, nearest
from supervisor.world.config.places import SOCKET, too_long

_EXAMPLE = '[harness.agent] with adapter = "claude"'


def across_sections(data: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults between sections of a completed file; malformed parts are passed over."""
    if not data.get("harness"):
        yield Fault(("harness",), f"no [harness.NAME], so nothing can be started; add {_EXAMPLE}")
    yield from _repositories(data)
    yield from _dead_ends(data)
    yield from _doubles(data)
    supervisor = data.get("supervisor")
    runtime_dir = supervisor.get("runtime_dir") if isinstance(supervisor, dict) else None
    if isinstance(runtime_dir, Path) and too_long(runtime_dir / SOCKET):
        yield Fault(
            ("supervisor", "runtime_dir"),
            f"the path of the control socket, {runtime_dir / SOCKET}, is longer than a socket's may be; "
            "set supervisor.runtime_dir to a shorter folder",
        )


def _repositories(data: Mapping[str, Any]) -> Iterator[Fault]:
    owners: dict[Path, str] = {}
    for name, repo in tables(data, "repos").items():
        path = repo.get("path")
        if not isinstance(path, Path):
            continue
        where: Where = ("repos", name, "path")
        try:
            root = checkout_root(path)
        except CheckoutError as error:
            yield Fault(where, f"repos.{name}.path: {path} {error}")
            continue
        if root in owners:
            yield Fault(
                where,
                f"repos.{name}.path: {root} is [repos.{owners[root]}] already; keep one of the two names",
            )
        owners.setdefault(root, name)
        yield from _confined(data, name, root)


def _confined(data: Mapping[str, Any], name: str, checkout: Path) -> Iterator[Fault]:
    """Yield the places that confined sessions may write, and in which there is what they may not."""
    supervisor = data.get("supervisor")
    state = supervisor.get("state_dir") if isinstance(supervisor, dict) else None
    listed = tables(data, "repos")[name].get("confine_writable")
    for place in listed if isinstance(listed, list) else ():
        for path in (checkout, state):
            if isinstance(place, Path) and isinstance(path, Path) and path.is_relative_to(place):
                yield Fault(
                    ("repos", name, "confine_writable"),
                    f"repos.{name}.confine_writable: {place} has {path} in it, which no confined session may write; "
                    "name folders beside it",
                )
                break


def _dead_ends(data: Mapping[str, Any]) -> Iterator[Fault]:
    for name, source in tables(data, "sources").items():
        yield from _follow(data, ("sources", name, "repo"), source.get("repo"), "repos")
        yield from _follow(data, ("sources", name, "harness"), source.get("harness"), "harness")
    for number, entry in entries(data, "schedule"):
        yield from _follow(data, ("schedule", number, "harness"), entry.get("harness"), "harness")
    for name, quota in tables(data, "quotas").items():
        named = quota.get("harness")
        for harness in named if isinstance(named, list | tuple) else ():
            yield from _follow(data, ("quotas", name, "harness"), harness, "harness")


def _follow(data: Mapping[str, Any], where: Where, name: Any, section: str) -> Iterator[Fault]:
    known = data.get(section) or {}
    if isinstance(name, str) and isinstance(known, dict) and name not in known:
        place = ".".join(str(part) for part in where if isinstance(part, str))
        yield Fault(where, f'{place}: no [{section}.NAME] is called "{name}"; {nearest(name, known)}')


def _doubles(data: Mapping[str, Any]) -> Iterator[Fault]:
    queues = [name for name, source in tables(data, "sources").items() if source.get("kind") == "queue"]
    for name in queues[1:]:
        yield Fault(
            ("sources", name, "kind"),
            f"sources.{name}: [sources.{queues[0]}] is the queue already, and there is one; remove either",
        )
    seen: set[str] = set()
    for number, entry in entries(data, "schedule"):
        title = entry.get("name")
        if isinstance(title, str):
            if title in seen:
                yield Fault(
                    ("schedule", number, "name"), f'schedule: a second one is called "{title}"; rename it'
                )
            seen.add(title)
