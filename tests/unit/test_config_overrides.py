"""Variables of the environment outrank the file, and are told by their names when they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from supervisor.world.config.load import ConfigError, load

TEXT = """\
[supervisor]
max_sessions = 2
[repos.app]
path = "."
[harness.My-Agent]
command = "x"
env = { Kept = "1" }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a good configuration."""
    (tmp_path / ".git").mkdir()
    file = tmp_path / "config.toml"
    file.write_text(TEXT)
    return file


def problems(path: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the problems of a file under an environment."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.problems


def test_a_variable_outranks_the_file_and_the_file_the_default(path: Path) -> None:
    assert load(path, {}).supervisor.max_sessions == 2
    assert load(path, {"LEASEHOLD__SUPERVISOR__MAX_SESSIONS": "8"}).supervisor.max_sessions == 8


def test_only_the_environment_that_is_handed_in_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASEHOLD__SUPERVISOR__MAX_SESSIONS", "8")

    assert load(path, {}).supervisor.max_sessions == 2


def test_variables_of_one_table_leave_its_other_keys(path: Path) -> None:
    settings = load(
        path,
        {
            "LEASEHOLD__HARNESS__MY_AGENT__BUDGET": "5m",
            "LEASEHOLD__HARNESS__MY_AGENT__COMMAND": '["y", "z"]',
            "LEASEHOLD__HARNESS__MY_AGENT__ENV__MixedCase": "2",
        },
    )

    harness = settings.harness["My-Agent"]
    assert list(settings.harness) == ["My-Agent"]
    assert (harness.budget, harness.command) == (300.0, ("y", "z"))
    assert harness.env == {"Kept": "1", "MixedCase": "2"}


def test_a_variable_can_add_what_the_file_does_not_have(path: Path) -> None:
    settings = load(
        path,
        {
            "LEASEHOLD__SOURCES__Q__KIND": "queue",
            "LEASEHOLD__SCHEDULE": '[{"name": "n", "every": "1h"}]',
            "LEASEHOLD__REPOS__APP__EXCLUDE": '["*.lock"]',
        },
    )

    assert settings.sources["q"].repo == "app"
    assert settings.schedule[0].every == 3600.0
    assert settings.repos["app"].exclude == ("*.lock",)


def test_variables_of_sessions_are_not_settings(path: Path) -> None:
    assert load(path, {"LEASEHOLD_SESSION": "s1", "LEASEHOLD_CONFIG": "x"}).supervisor.max_sessions == 2


def test_a_wrong_variable_is_told_by_its_name(path: Path) -> None:
    environ = {
        "LEASEHOLD__SUPERVISOR__MAX_SESSIONS": "many",
        "LEASEHOLD__SUPERVISOR__MAX_SESIONS": "3",
        "LEASEHOLD__SUPERVIZOR__POOL": "true",
        "LEASEHOLD__LEASES": "{ttl",
        "LEASEHOLD__HARNESS__MY_AGENT__GRACE": "2h",
    }

    assert problems(path, environ) == (
        (
            "LEASEHOLD__HARNESS__MY_AGENT__GRACE: harness.My-Agent.grace: is longer than budget; "
            "a session would live twice as long as it may"
        ),
        "LEASEHOLD__LEASES: is not JSON, which a whole section or list must be",
        (
            'LEASEHOLD__SUPERVISOR__MAX_SESIONS: unknown key "max_sesions" in [supervisor]; '
            'did you mean "max_sessions"?'
        ),
        'LEASEHOLD__SUPERVISOR__MAX_SESSIONS: supervisor.max_sessions must be a whole number, not "many"',
        'LEASEHOLD__SUPERVIZOR__POOL: no section [supervizor]; did you mean "supervisor"?',
    )


@pytest.mark.parametrize(("text", "meant"), [("false", False), ("True", True), ("0", False), ("yes", True)])
def test_a_variable_may_say_true_or_false_as_text(path: Path, text: str, *, meant: bool) -> None:
    assert load(path, {"LEASEHOLD__GUARD__KEEP_DUMPABLE": text}).guard.keep_dumpable is meant


def test_a_variable_that_is_neither_true_nor_false_is_refused_by_its_name(path: Path) -> None:
    variable = "LEASEHOLD__GUARD__KEEP_DUMPABLE"

    assert problems(path, {variable: "maybe"}) == (
        f'{variable}: guard.keep_dumpable must be true or false, not "maybe"',
    )
