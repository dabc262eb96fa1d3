"""What a reload changes, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.world.config.models import Settings

_AT_RESTART = frozenset(
    {"supervisor.state_dir", "supervisor.runtime_dir", "supervisor.log_format", "supervisor.log_level"}
)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that changed; `at_restart` says that it takes effect only at the next start."""

    sentence: str
    at_restart: bool


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return every key whose value differs, in the order of the file."""
    before = dict(_flat(old.model_dump(mode="json")))
    after = dict(_flat(new.model_dump(mode="json")))
    found = []
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) == after.get(key):
            continue
        if key not in before:
            sentence = f"{key}: {after[key]!r} (new)"
        elif key not in after:
            sentence = f"{key}: removed"
        else:
            sentence = f"{key}: {before[key]!r} -> {after[key]!r}"
        found.append(Change(sentence, key in _AT_RESTART))
    return tuple(found)


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value
