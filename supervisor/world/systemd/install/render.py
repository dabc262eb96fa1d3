"""The texts of the units, filled in from the templates that come with the package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

Values = Mapping[str, str | Sequence[str]]

_PLACE = re.compile(r"@([a-z_]+)@")
_FRAGMENTS = ("sandbox", "plain")


def templates(manager: str) -> list[str]:
    """Return the names of the templates for "system" or "user"."""
    folder = resources.files("supervisor.world.systemd") / "units" / manager
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(("_", ".")))


def render(manager: str, name: str, values: Values) -> str:
    """Return the text of one file.

    A line that is only a placeholder stands for any number of lines; with none it goes.

    Raises:
        KeyError: the template names a value that there is not.
    """
    return "".join(f"{line}\n" for line in _lines(manager, name, values))


def _lines(manager: str, name: str, values: Values) -> Iterator[str]:
    for line in _template(manager, name).splitlines():
        whole = _PLACE.fullmatch(line)
        if whole is None:
            yield _PLACE.sub(lambda found: _text(values[found[1]]), line)
        elif whole[1] in _FRAGMENTS:
            yield from _lines(manager, f"_{whole[1]}", values)
        else:
            lines = values[whole[1]]
            yield from ([lines] if isinstance(lines, str) else lines)


def _template(manager: str, name: str) -> str:
    return (resources.files("supervisor.world.systemd") / "units" / manager / name).read_text(
        encoding="utf-8"
    )


def _text(value: str | Sequence[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is lines, and stands in a line of its own")
    return value
