"""The configuration as values: every key with its type and default. Durations are in seconds."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from supervisor.core.cadence import Cron, ScheduleError
from supervisor.core.duration import DurationError, parse_duration

_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([a-z]*)", re.IGNORECASE)


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except DurationError as error:
            raise ValueError(str(error)) from error
    if value is None or isinstance(value, float):
        return value
    raise ValueError(f'{value!r} has no unit; write for instance "90s", "15m" or "2h"')


def _size(value: Any) -> Any:
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2].lower() not in _SIZES:
        raise ValueError(f'{value!r} is not a size; write for instance "16MiB"')
    return int(found[1]) * _SIZES[found[2].lower()]


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_duration)]
Limit = Annotated[float | None, BeforeValidator(_duration)]
Size = Annotated[int, BeforeValidator(_size)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]


class Section(BaseModel):
    """A table of the file: frozen, and with no key that is not named here."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SupervisorSettings(Section):
    """[supervisor]: the daemon itself. Paths without a value are derived when the file is loaded."""

    max_sessions: int = Field(4, ge=1, le=10_000)
    pool: bool = True
    on_stop: Literal["leave", "drain", "stop"] = "leave"
    state_dir: Path = Path()
    runtime_dir: Path = Path()
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    retain_days: int = Field(90, ge=1)


class LeaseSettings(Section):
    """[leases]: how long an idle lease lives once somebody waits for it, and who may take what."""

    ttl: Duration = Field(900.0, gt=0)
    max_wait: Duration = Field(600.0, ge=0)
    required_level: Literal["none", "hooks", "worktree", "kernel"] = "none"
    undeclared: Literal["grant", "refuse"] = "grant"


class RepoSettings(Section):
    """[repos.NAME]: a git checkout that sessions work in."""

    path: Path
    isolation: Literal["shared"] = "shared"
    exclude: tuple[str, ...] = ()
    orphans: Literal["hold", "hand-off"] = "hold"

    @field_validator("isolation", mode="before")
    @classmethod
    def _only_shared(cls, value: Any) -> Any:
        if value == "worktree":
            raise ValueError('this version runs all sessions in the checkout itself; write "shared"')
        return value


class HarnessSettings(Section):
    """[harness.NAME]: a way to run an agent."""

    command: Words
    model: str = ""
    tier: str = ""
    max_sessions: int | None = Field(None, ge=1)
    budget: Duration = Field(3000.0, gt=0)
    warn: Duration = Field(300.0, ge=0)
    grace: Duration = Field(10.0, ge=0)
    startup: Limit = Field(None, gt=0)
    stall: Limit = Field(None, gt=0)
    resident: Limit = Field(120.0, gt=0)
    env: dict[str, str] = {}
    env_from: tuple[str, ...] = ()
    log_limit: Size = 16 << 20

    @field_validator("command")
    @classmethod
    def _has_a_program(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not value[0]:
            raise ValueError('is empty; name a program, for instance ["claude", "-p", "{prompt}"]')
        return value

    @model_validator(mode="after")
    def _grace_fits(self) -> HarnessSettings:
        if self.grace > self.budget:
            raise ValueError("grace is longer than budget; a session would be killed after twice its time")
        return self


class SourceSettings(Section):
    """[sources.NAME]: where tasks come from."""

    kind: Literal["markdown", "queue", "command"]
    path: Path | None = None
    command: Words | None = None
    repo: str | None = None
    every: Limit = Field(None, ge=1)
    timeout: Duration = Field(30.0, gt=0)
    lane: str | None = None
    tier: int | None = Field(None, ge=1, le=3)
    harness: str | None = None
    priority: int | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> SourceSettings:
        if self.kind == "markdown" and self.path is None:
            raise ValueError('a source of kind "markdown" needs a path, the folder of its *.md files')
        if self.kind == "command" and not self.command:
            raise ValueError('a source of kind "command" needs a command that prints tasks as JSON')
        if self.kind != "command" and (self.command is not None or self.every is not None):
            raise ValueError(f'command and every belong to kind "command", not "{self.kind}"')
        if self.kind != "markdown" and self.path is not None:
            raise ValueError(f'path belongs to kind "markdown", not "{self.kind}"')
        return self


class SelectionSettings(Section):
    """[selection]: how the next task is chosen."""

    lane_window: int = Field(20, ge=1)
    plateau_share: float = Field(0.6, gt=0, le=1)
    plateau_min: int = Field(5, ge=1)
    recent_commit_minutes: float = Field(10.0, ge=0)
    preempt: Literal["never", "after-turn", "now"] = "never"
    min_runtime: Duration = Field(120.0, ge=0)


class RetrySettings(Section):
    """[retry]: what follows a failure, for the task and for its lane."""

    attempts: int = Field(3, ge=1)
    backoff: Duration = Field(30.0, ge=0)
    backoff_max: Duration = Field(1800.0, ge=0)
    jitter: float = Field(0.25, ge=0, le=1)
    intensity: int = Field(5, ge=1)
    window: Duration = Field(600.0, gt=0)


class ScheduleSettings(Section):
    """[[schedule]]: slots at times of the calendar."""

    name: str = Field(min_length=1)
    cron: str | None = None
    every: Limit = Field(None, ge=1)
    timezone: str = "UTC"
    jitter: Duration = Field(0.0, ge=0)
    overlap: Literal["skip", "queue", "allow"] = "skip"
    misfire: Literal["skip", "once"] = "skip"
    max_lateness: Duration = Field(3600.0, ge=0)
    harness: str | None = None
    lane: str | None = None
    tag: str | None = None
    slots: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _has_one_cadence(self) -> ScheduleSettings:
        from zoneinfo import ZoneInfo  # noqa: PLC0415

        if (self.cron is None) == (self.every is None):
            raise ValueError("give either cron or every")
        try:
            zone = ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise ValueError(f'no time zone "{self.timezone}"; write for instance "Europe/Berlin"') from error
        if self.cron is not None:
            try:
                Cron(self.cron, zone)
            except ScheduleError as error:
                raise ValueError(str(error)) from error
        return self


class QuotaSettings(Section):
    """[quotas.NAME]: how often these harnesses may start within a window; no harness named means all."""

    sessions: int = Field(ge=1)
    window: Duration = Field(gt=0)
    harness: tuple[str, ...] = ()


class Settings(BaseSettings):
    """The whole configuration. `path` is its file, `directory` what relative paths in it start from."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LEASEHOLD__", env_nested_delimiter="__"
    )

    path: Path = Field(exclude=True)
    directory: Path = Field(exclude=True)
    supervisor: SupervisorSettings = SupervisorSettings()
    leases: LeaseSettings = LeaseSettings()
    repos: dict[str, RepoSettings] = {}
    harness: dict[str, HarnessSettings] = {}
    sources: dict[str, SourceSettings] = {}
    selection: SelectionSettings = SelectionSettings()
    retry: RetrySettings = RetrySettings()
    schedule: tuple[ScheduleSettings, ...] = ()
    quotas: dict[str, QuotaSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment outrank the file, key by key."""
        return env_settings, init_settings
