"""The models, the shipped file and the reference name the same keys with the same defaults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from supervisor.world.config.choosing import RetrySettings, SelectionSettings
from supervisor.world.config.effective import effective
from supervisor.world.config.models import (
    HarnessSettings,
    LeaseSettings,
    QuotaSettings,
    ScheduleSettings,
    SourceSettings,
    SupervisorSettings,
)
from supervisor.world.config.repos import RepoSettings

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "supervisor/world/config/config.toml"
REFERENCE = ROOT / "docs/reference/config.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "[supervisor]": SupervisorSettings,
    "[leases]": LeaseSettings,
    "[repos.NAME]": RepoSettings,
    "[harness.NAME]": HarnessSettings,
    "[sources.NAME]": SourceSettings,
    "[selection]": SelectionSettings,
    "[retry]": RetrySettings,
    "[[schedule]]": ScheduleSettings,
    "[quotas.NAME]": QuotaSettings,
}
DERIVED = {"state_dir", "runtime_dir", "timezone"}  # from the surroundings, when the file is loaded


def shipped_keys(*, optional: bool) -> dict[str, dict[str, Any]]:
    """Return the keys of the shipped file by section; `optional` takes the `#` off those that have one."""
    text = SHIPPED.read_text()
    if optional:
        text = re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)
    data = tomllib.loads(text)
    found: dict[str, dict[str, Any]] = {}
    for section in SECTIONS:
        name = section.strip("[]").split(".")[0]
        table = data.get(name, {})
        if section.endswith(".NAME]"):
            found[section] = {key: value for named in table.values() for key, value in named.items()}
        else:
            found[section] = table[0] if isinstance(table, list) and table else dict(table)
    return found


def documented() -> dict[str, dict[str, str]]:
    """Return the default of each key in the reference, as it is written there, by section."""
    found: dict[str, dict[str, str]] = {}
    section = ""
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        row = re.match(r"\| `(\w+)`[ †]* \| *(.*?) *\| .+\|$", line)
        if row and section in SECTIONS:
            found.setdefault(section, {})[row[1]] = row[2].strip("`")
    return found


def defaults(model: type[BaseModel]) -> dict[str, Any]:
    """Return the default of each key as the file would have it, `None` where there is none."""
    required = {name: None for name, field in model.model_fields.items() if field.is_required()}
    plain = effective(model.model_construct(None, **required))
    return {
        name: None if name in required or name in DERIVED else plain.get(name) for name in model.model_fields
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_the_shipped_file_has_every_key_and_no_other(section: str) -> None:
    assert set(shipped_keys(optional=True)[section]) == set(SECTIONS[section].model_fields)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_has_every_key_and_no_other(section: str) -> None:
    assert set(documented()[section]) == set(SECTIONS[section].model_fields)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_names_the_defaults_of_the_models(section: str) -> None:
    expected = {
        name: "required" if SECTIONS[section].model_fields[name].is_required() else _written(default)
        for name, default in defaults(SECTIONS[section]).items()
    }

    assert documented()[section] == expected


@pytest.mark.parametrize("section", ["[supervisor]", "[leases]", "[selection]", "[retry]"])
def test_a_value_in_the_shipped_file_is_the_default(section: str) -> None:
    known = defaults(SECTIONS[section])
    values = shipped_keys(optional=False)[section]

    assert values == {name: known[name] for name in values}
    assert set(known) - set(values) <= DERIVED | {"drain_timeout", "daily_tokens", "daily_cost"}  # no limit


def test_the_harness_of_the_shipped_file_differs_from_the_defaults_in_its_adapter_only() -> None:
    known = defaults(HarnessSettings)
    values = shipped_keys(optional=False)["[harness.NAME]"]

    assert {name for name in values if values[name] != known[name]} == {"adapter"}


def test_the_file_at_the_top_is_the_shipped_one() -> None:
    assert (ROOT / "config.toml").resolve() == SHIPPED


def _written(default: Any) -> str:
    match default:
        case None:
            return ""
        case bool():
            return str(default).lower()
        case str():
            return f'"{default}"'
        case list() | dict():
            return str(default)
        case _:
            return f"{default:g}"
