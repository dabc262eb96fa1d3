"""Sizes, durations as text, lines of keys, secrets, and what a reload says it changes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, Strict

from supervisor.core.duration import parse_duration
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.diff import changes
from supervisor.world.config.effective import as_toml, effective
from supervisor.world.config.lines import line_of
from supervisor.world.config.load import load
from supervisor.world.config.models import Settings
from supervisor.world.config.section import Section
from supervisor.world.config.values import duration_text, parse_size, size_text

TEXT = """\
[supervisor]
max_sessions = 4
[harness.agent]
command = ["x", "a b\\u007f"]
env = { API_KEY = "one", "odd.name" = "é" }
[[schedule]]
name = "nightly"
every = "6h"
"""


def settings(folder: Path, text: str = TEXT) -> Settings:
    """Return the settings that a text means."""
    path = folder / "config.toml"
    path.write_text(text.replace(', "odd.name" = "é"', ""))
    return load(path, {})


@pytest.mark.parametrize(
    "text", ["0s", "1ms", "250ms", "90500ms", "45s", "1m30s", "15m", "1h30m", "2h", "1d", "3d4h5m6s"]
)
def test_a_duration_is_shown_as_it_is_read(text: str) -> None:
    assert duration_text(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "size"), [("4096B", 4096), ("512 KiB", 1 << 19), ("16mib", 1 << 24), ("2GiB", 1 << 31)]
)
def test_a_size_is_read_with_its_unit(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size(size_text(size)) == size


@pytest.mark.parametrize("text", ["", "16", "16MB", "-1KiB", "1.5MiB", "MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='write for instance "16MiB"'):
        parse_size(text)


LINES = '''\
# [decoy]
top = "[x]"  # y = 1
[a]
k = """
[b]
z = 1
"""
l = [
  "[c]",
  # k2 = 3
]
m = 'it'
[b.'c d']   # z
z = { q = 1 }

[[s]]
n = 1
[[s]]
n = 2
[[s.t]]
n = 3
x.y = 4
'''


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (("top",), 2),
        (("a",), 3),
        (("a", "k"), 4),
        (("a", "l", 0), 8),
        (("a", "m"), 12),
        (("b", "c d", "z", "q"), 14),
        (("s", 0, "n"), 17),
        (("s", 1, "n"), 19),
        (("s", 1, "t", 0, "n"), 21),
        (("s", 1, "t", 0, "x", "y"), 22),
        (("b", "nothing"), None),
        (("a", "nothing"), 3),
    ],
)
def test_a_key_is_found_on_its_line(where: tuple[str | int, ...], line: int | None) -> None:
    tomllib.loads(LINES)

    assert line_of(LINES, where) == line


def test_the_effective_configuration_is_a_configuration(tmp_path: Path) -> None:
    loaded = settings(tmp_path, TEXT.replace("API_KEY", "PLAIN"))
    again = tmp_path / "again.toml"
    again.write_text(as_toml(effective(loaded)))

    assert load(again, {}).model_dump() == loaded.model_dump()


def test_the_effective_configuration_masks_secrets(tmp_path: Path) -> None:
    assert effective(settings(tmp_path))["harness"]["agent"]["env"] == {"API_KEY": "***"}


def test_a_reload_says_what_changes_with_units(tmp_path: Path) -> None:
    old = settings(tmp_path)
    new = settings(
        tmp_path,
        TEXT.replace("max_sessions = 4", 'max_sessions = 8\nlog_level = "debug"')
        .replace('"6h"', '"90m"\nlane = "x"')
        .replace("[harness.agent]", '[leases]\nttl = "20m"\n[harness.agent]\nenv_from = ["A"]'),
    )

    assert [change.sentence for change in changes(old, new)] == [
        "supervisor.max_sessions: 4 -> 8",
        "supervisor.log_level: info -> debug",
        "leases.ttl: 15m -> 20m",
        'harness.agent.env_from: [] -> ["A"]',
        "schedule.nightly.every: 6h -> 1h30m",
        "schedule.nightly.lane: x (new)",
    ]
    assert [change.sentence for change in changes(old, new) if change.at_restart] == [
        "supervisor.log_level: info -> debug"
    ]


def test_a_reload_says_what_came_and_went(tmp_path: Path) -> None:
    old = settings(tmp_path)
    new = settings(tmp_path, TEXT.replace("nightly", "daily"))

    sentences = [change.sentence for change in changes(old, new)]
    assert "schedule.nightly.every: 6h -> unset" in sentences
    assert "schedule.daily.every: 6h (new)" in sentences


def test_a_reload_names_a_changed_secret_and_hides_it(tmp_path: Path) -> None:
    old, new = settings(tmp_path), settings(tmp_path, TEXT.replace('"one"', '"two"'))

    assert [change.sentence for change in changes(old, new)] == ["harness.agent.env.API_KEY: changed"]


def test_nothing_changes_when_nothing_changed(tmp_path: Path) -> None:
    assert changes(settings(tmp_path), settings(tmp_path)) == ()


def test_a_secret_comes_from_the_environment_or_else_from_a_credential(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("from file\n")
    (tmp_path / "B").write_text("kept\nwhole\n")
    environ = {"A": "from environment", "CREDENTIALS_DIRECTORY": str(tmp_path)}

    passed = pass_through(["A", "B", "C"], environ)

    assert passed.values == {"A": "from environment", "B": "kept\nwhole"}
    assert passed.missing == ("C",)
    assert "kept" not in repr(passed)


def test_no_key_that_is_true_or_false_takes_a_text() -> None:
    sections: list[type[BaseModel]] = [Settings, *Section.__subclasses__()]

    lax = [
        f"{section.__name__}.{name}"
        for section in sections
        for name, field in section.model_fields.items()
        if field.annotation is bool and not any(isinstance(mark, Strict) for mark in field.metadata)
    ]

    assert lax == []
