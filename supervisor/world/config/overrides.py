"""Variables of the environment that outrank the file: LEASEHOLD__SECTION__KEY, or __SECTION__NAME__KEY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from supervisor.world.config.faults import Fault, Where, nearest
from supervisor.world.config.models import PREFIX, Settings
from supervisor.world.config.sections import section_around

_TRUTH = TypeAdapter(bool)
SECTIONS = tuple(name for name, key in Settings.model_fields.items() if not key.exclude)


@dataclass(frozen=True, slots=True)
class Overridden:
    """The data of a file with the environment's values in place.

    `origins` tells which variable a value came from; `faults` are variables that set nothing, each under
    the place `(VARIABLE,)`.
    """

    data: dict[str, Any]
    origins: dict[Where, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def variable(self, where: Where) -> str | None:
        """Return the variable that set the value at `where`, or something in it or around it."""
        if where and str(where[0]).upper().startswith(PREFIX):
            return str(where[0])
        for depth in range(len(where), 1, -1):
            if where[:depth] in self.origins:
                return self.origins[where[:depth]]
        return None


def override(data: dict[str, Any], environ: Mapping[str, str]) -> Overridden:
    """Return `data` with the values of the environment put over it, key by key."""
    result = Overridden(data)
    source = EnvSettingsSource(Settings)
    for variable in sorted(name for name in environ if name.upper().startswith(PREFIX)):
        source.env_vars = {_lowered(variable): environ[variable]}
        try:
            values = source()
        except SettingsError:
            result.faults.append(Fault((variable,), "is not JSON, which a whole section or list must be"))
            continue
        if not set(values) & set(SECTIONS):
            section = variable[len(PREFIX) :].split("__")[0].lower()
            result.faults.append(Fault((variable,), f"no section [{section}]; {nearest(section, SECTIONS)}"))
            continue
        for where, value in _leaves(_as_named(values, result.data)):
            result.origins[where] = variable
            _put(result.data, where, _true_or_false(where, value))
    return result


def _lowered(variable: str) -> str:
    """Return the variable as keys are spelt; what a session's own variables are called keeps its case."""
    parts = variable.split("__")
    kept = 4 if [part.lower() for part in parts[1:4:2]] == ["harness", "env"] else len(parts)
    return "__".join([*(part.lower() for part in parts[:kept]), *parts[kept:]])


def _as_named(values: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """Spell the names in [repos.NAME] and the like as the file does: variables have no case and no "-"."""
    for section, tables in values.items():
        known = data.get(section)
        if isinstance(tables, dict) and isinstance(known, dict):
            spelling = {name.lower().replace("-", "_"): name for name in known}
            values[section] = {spelling.get(name, name): table for name, table in tables.items()}
    return values


def _leaves(value: Any, where: Where = ()) -> Iterator[tuple[Where, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*where, name))
    else:
        yield where, value


def _true_or_false(where: Where, value: Any) -> Any:
    """Return what a variable's text means where the file has true or false: a variable has nothing but text."""
    field = section_around(where).model_fields.get(str(where[-1]))
    if field is None or field.annotation is not bool:
        return value
    try:
        return _TRUTH.validate_python(value)
    except ValidationError:
        return value  # to be refused where faults are told


def _put(data: dict[str, Any], where: Where, value: Any) -> None:
    *tables, last = where
    for name in tables:
        inner = data.get(str(name))
        if not isinstance(inner, dict):
            inner = data[str(name)] = {}
        data = inner
    data[str(last)] = value
