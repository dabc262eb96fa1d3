"""The kinds of value that the file has beside TOML's own: durations, sizes, command lines, names."""

from __future__ import annotations

import enum
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from supervisor.core.duration import DurationError, parse_duration

_SIZES = {"b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([a-z]+)", re.IGNORECASE)
_LONGEST = 3650 * 86400.0  # beyond ten years, sums of times no longer fit the calendar
_PARTS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Unit(enum.Enum):
    """What a number in the model counts; the file has it as text with its unit."""

    SECONDS = enum.auto()
    BYTES = enum.auto()


def parse_size(text: str) -> int:
    """Return the bytes that `text` stands for: "512KiB", "16MiB", "1GiB", "4096B".

    Raises:
        ValueError: it is not a number with one of these units.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in _SIZES:
        raise ValueError(f'"{text}" is not a size; write for instance "16MiB"')
    return int(found[1]) * _SIZES[found[2].lower()]


def duration_text(seconds: float) -> str:
    """Return `seconds` as the file would have it, to the millisecond: "1h30m", "250ms"."""
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s"
    if rest % 1000:
        return f"{rest}ms"
    rest //= 1000
    text = ""
    for unit, length in _PARTS:
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count else ""
    return text


def size_text(size: int) -> str:
    """Return `size` in bytes as the file would have it, in its largest whole unit: "16MiB"."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % length == 0:
            return f"{size // length}{unit}"
    return f"{size}B"


def _seconds(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f'{value!r} has no unit; write for instance "90s", "15m" or "2h"')  # noqa: TRY004  - pydantic turns only ValueError into a fault
    try:
        seconds = parse_duration(value)
    except DurationError as error:
        raise ValueError(str(error)) from error
    if seconds > _LONGEST:
        raise ValueError(f'"{value}" is longer than ten years')
    return seconds


def _bytes(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f'{value!r} has no unit; write for instance "16MiB"')  # noqa: TRY004  - as above
    return parse_size(value)


def _words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(
            f"{value!r} cannot be split into words ({str(error).lower()}); write a list of words"
        ) from error


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is not a number")  # noqa: TRY004  - as above
    return value


def _place(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("has a NUL character, which no path can have")
    return value


Duration = Annotated[float, BeforeValidator(_seconds), Unit.SECONDS]
Limit = Annotated[float | None, BeforeValidator(_seconds), Unit.SECONDS]
Size = Annotated[int, BeforeValidator(_bytes), Unit.BYTES]
SizeLimit = Annotated[int | None, BeforeValidator(_bytes), Unit.BYTES]
Count = Annotated[int, BeforeValidator(_whole)]
# Left to itself pydantic also takes "no" and "off" in quotes, and 0 and 1.
Flag = Annotated[bool, Strict()]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Place = Annotated[Path, AfterValidator(_place)]
# Names end up in log lines, file names and unit names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
