"""What a reload changes, in sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.world.config.effective import effective
from supervisor.world.config.models import Settings, SystemdSettings

# Read once, when the supervisor starts; what concerns units, when they are installed, which starts it anew.
AT_RESTART = frozenset(
    f"supervisor.{key}" for key in ("launcher", "state_dir", "runtime_dir", "log_format", "log_level")
) | frozenset(f"systemd.{key}" for key in SystemdSettings.model_fields)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that changed; `at_restart` says that it takes effect only at the next start."""

    sentence: str
    at_restart: bool


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return every key whose value differs, in the order of the file: "supervisor.max_sessions: 4 -> 8"."""
    before, after = dict(_values(old)), dict(_values(new))
    masked = dict(_flat(effective(old))) | dict(_flat(effective(new)))
    found = []
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) == after.get(key):
            continue
        if masked.get(key) == "***":
            sentence = f"{key}: changed"
        elif key not in before:
            sentence = f"{key}: {_shown(after[key])} (new)"
        elif key not in after:
            sentence = f"{key}: {_shown(before[key])} -> unset"
        else:
            sentence = f"{key}: {_shown(before[key])} -> {_shown(after[key])}"
        found.append(Change(sentence, key in AT_RESTART))
    return tuple(found)


def _values(settings: Settings) -> Iterator[tuple[str, Any]]:
    yield from _flat(effective(settings))
    for name, harness in settings.harness.items():
        yield from _flat(harness.env, f"harness.{name}.env")  # unmasked, so that a new secret is a change


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys with their values; an entry of [[schedule]] goes by its name."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {entry["name"]: entry for entry in value}
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{prefix}.{name}" if prefix else str(name))
    else:
        yield prefix, value


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
