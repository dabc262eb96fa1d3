"""Faults of a configuration as sentences: what is wrong, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import BaseModel
from pydantic_core import PydanticCustomError

from supervisor.world.config.values import Unit, duration_text, size_text

Where: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a configuration: the key it is about, and a sentence without the place."""

    where: Where
    what: str


def fault(key: str, what: str) -> PydanticCustomError:
    """Return the error by which a check of a whole section names the key at fault ("" for none)."""
    return PydanticCustomError("section", "{what}", {"key": key, "what": what})


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the one probably meant, or all there are."""
    known = tuple(known)
    near = get_close_matches(name, known, 1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known: {', '.join(known)}" if known else "there is none"


def section_name(where: Where) -> str:
    """Return a section as its header stands in the file: "[repos.app]", "[[schedule]]"."""
    names = [str(part) for part in where if isinstance(part, str)]
    if any(isinstance(part, int) for part in where):
        return f"[[{'.'.join(names)}]]"
    return f"[{'.'.join(names)}]"


def from_validation(error: Mapping[str, Any], section: type[BaseModel]) -> Fault:
    """Return the fault that one entry of pydantic's errors() tells about a key of `section`."""
    where: Where = tuple(error["loc"])
    context: Mapping[str, Any] = error.get("ctx") or {}
    kind, given = str(error["type"]), error.get("input")
    if where and where[-1] == "[key]":
        return Fault(
            where[:-1], f'"{where[-2]}" is not a name; use up to 64 letters, digits, dots, "-" and "_"'
        )
    if kind == "extra_forbidden":
        return unknown(where, section)
    if kind == "section":
        key = context["key"]
        place = (*where, key) if key else where
        return Fault(place, f"{_named(place)}: {context['what']}")
    if kind == "missing":
        return Fault(where, f'{section_name(where[:-1])} needs the key "{where[-1]}"')
    key = section.model_fields.get(str(where[-1])) if where else None
    shown = _shown_in(key.metadata if key else ())
    rule = _rule(
        kind,
        {
            name: str(value).replace("'", '"') if name == "expected" else shown(value)
            for name, value in context.items()
        },
    )
    if rule:
        return Fault(where, f"{_named(where)} must be {rule}, not {shown(given)}")
    text = str(error["msg"]).removeprefix("Value error, ")
    return Fault(where, f"{_named(where)}: {text}")


def unknown(where: Where, section: type[BaseModel]) -> Fault:
    """Return the fault of a key, or of a whole section, that does not exist."""
    known = (name for name, key in section.model_fields.items() if not key.exclude)
    meant = nearest(str(where[-1]), known)
    if len(where) == 1:
        return Fault(where, f"unknown section [{where[0]}]; {meant}")
    return Fault(where, f'unknown key "{where[-1]}" in {section_name(where[:-1])}; {meant}')


def _rule(kind: str, context: Mapping[str, str]) -> str:
    """Return what a value must be according to the rule that it broke, or "" for rules told otherwise."""
    bounds = {
        "greater_than": "more than {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "less than {lt}",
        "less_than_equal": "at most {le}",
        "literal_error": "{expected}",
    }
    if kind in bounds:
        return bounds[kind].format_map(context)
    types = {
        "int": "a whole number",
        "float": "a number",
        "finite": "a finite number",
        "bool": "true or false",
        "string": "a text in quotes",
        "path": "a path in quotes",
        "tuple": "a list in brackets",
        "dict": "a table",
        "model": "a table",
    }
    if kind.startswith("string_pattern"):
        return 'up to 64 letters, digits, dots, "-" and "_"'
    return types.get(kind.split("_", 1)[0], "") if kind != "string_too_long" else "at most 64 characters"


def _named(where: Where) -> str:
    if where and isinstance(where[-1], int) and len(where) > 2:
        where = where[:-1]  # an item of a list is shown in the sentence; its key has the line
    if len(where) > 1 and where[0] == "schedule":
        return f"schedule.{'.'.join(str(part) for part in where[2:])}".rstrip(".")
    return ".".join(str(part) for part in where)


def _shown_in(metadata: Iterable[Any]) -> Callable[[Any], str]:
    """Return what shows a number of this unit as the file has it."""
    unit = next((mark for mark in metadata if isinstance(mark, Unit)), None)

    def shown(value: Any) -> str:
        if unit is not None and isinstance(value, int | float):
            return f'"{duration_text(value) if unit is Unit.SECONDS else size_text(int(value))}"'
        return _shown(value)

    return shown


def _shown(value: Any) -> str:
    text = repr(value)
    if isinstance(value, bool):
        text = text.lower()
    elif isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, int | float):
        text = f"{value:g}"
    return text if len(text) <= 60 else f"{text[:57]}..."
