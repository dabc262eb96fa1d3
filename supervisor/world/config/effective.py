"""Settings as plain data and as TOML, with units: what is in force after defaults and overrides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from supervisor.world.config.values import Unit, duration_text, size_text

_SECRET = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD)$", re.IGNORECASE)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def looks_secret(variable: str) -> bool:
    """Tell whether a variable's name says that its value is a secret."""
    return _SECRET.search(variable) is not None


def effective(section: BaseModel) -> dict[str, Any]:
    """Return a section as JSON values: durations and sizes as the file has them, secrets masked, no nulls."""
    plain: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if field.exclude or value is None:
            continue
        if Unit.SECONDS in field.metadata:
            plain[name] = duration_text(value)
        elif Unit.BYTES in field.metadata:
            plain[name] = size_text(value)
        elif name == "env":
            plain[name] = {key: "***" if looks_secret(key) else text for key, text in value.items()}
        else:
            plain[name] = _plain(value)
    return plain


def as_toml(data: Mapping[str, Any]) -> str:
    """Return the data of effective() as TOML text."""
    return "\n".join(_tables(data, ())).strip() + "\n"


def _plain(value: Any) -> Any:
    match value:
        case BaseModel():
            return effective(value)
        case Path():
            return str(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _tables(data: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    for name, value in data.items():
        if not place and not value:
            continue  # no [[schedule]]: there is nothing to show
        if not isinstance(value, dict) and not _is_table_list(value):
            yield f"{_key(name)} = {_inline(value)}"
    for name, value in data.items():
        header = ".".join(map(_key, (*place, name)))
        if isinstance(value, dict) and value:
            if not all(isinstance(inner, dict) for inner in value.values()):
                yield from ("", f"[{header}]")
            yield from _tables(value, (*place, name))
        elif _is_table_list(value):
            for entry in value:
                yield from ("", f"[[{header}]]")
                yield from _tables(entry, (*place, name))


def _is_table_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    # JSON's texts, numbers and truth values are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _inline(name)
