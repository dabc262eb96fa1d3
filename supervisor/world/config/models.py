"""The configuration as values: every key with its type and default. Durations are in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from supervisor.core.pacing.cadence import Cron, ScheduleError
from supervisor.world.config.choosing import GradingSettings, RetrySettings, SelectionSettings
from supervisor.world.config.faults import fault
from supervisor.world.config.harness import check_adapter, check_command, check_variable
from supervisor.world.config.repos import RepoSettings
from supervisor.world.config.section import Section
from supervisor.world.config.values import Count, Duration, Flag, Limit, Name, Place, Size, SizeLimit, Words

PREFIX = "LEASEHOLD__"
_OF_ADAPTERS = ("program", "args", "home", "hooks", "mcp", "resume")
_OF_COMMANDS = ("parse",)


class SupervisorSettings(Section):
    """[supervisor]: the daemon itself. Paths without a value are derived when the file is loaded."""

    max_sessions: Count = Field(4, ge=1, le=10_000)
    pool: Flag = True
    on_stop: Literal["leave", "drain", "stop"] = "leave"
    drain_timeout: Limit = Field(None, gt=0)
    launcher: Literal["auto", "systemd", "cgroup", "sweep"] = "auto"
    state_dir: Place = Path()
    runtime_dir: Place = Path()
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    disk_floor: Size = Field(500 << 20, ge=0)
    retain_days: Count = Field(90, ge=1, le=36_500)
    journal_max: Size = Field(1 << 30, ge=1 << 20)
    logs_max: Size = Field(10 << 30, ge=1 << 20)
    daily_tokens: Count | None = Field(None, ge=1)
    daily_cost: float | None = Field(None, gt=0)


class LeaseSettings(Section):
    """[leases]: how long an idle lease lives once somebody waits for it, and who may take what."""

    ttl: Duration = Field(900.0, gt=0)
    max_wait: Duration = Field(600.0, ge=0)
    required_level: Literal["none", "hooks", "worktree", "kernel"] = "none"
    undeclared: Literal["grant", "refuse"] = "grant"


class GuardSettings(Section):
    """[guard]: how writes are held to the leases, where the kernel can hold them."""

    mode: Literal["auto", "off"] = "auto"
    wait: Duration = Field(2.0, ge=0, le=600)
    git_wait: Duration = Field(30.0, ge=0, le=600)
    away: Literal["wait", "closed", "open"] = "wait"
    away_wait: Duration = Field(30.0, ge=0, le=3600)
    keep_dumpable: Flag = True
    stale_reads: Literal["tell", "refuse", "off"] = "tell"


class HarnessSettings(Section):
    """[harness.NAME]: a way to run an agent: one that an adapter knows, or any command."""

    adapter: str | None = Field(None, min_length=1)
    command: Words | None = None
    program: Words | None = None
    args: Words = ()
    parse: str | None = Field(None, min_length=1)
    home: Literal["user", "own"] = "user"
    hooks: Flag = True
    mcp: Flag = True
    resume: Flag = True
    brief: Place | None = None
    model: str = ""
    tier: str = ""
    max_sessions: Count | None = Field(None, ge=1)
    max_turns: Count | None = Field(None, ge=1)
    max_tokens: Count | None = Field(None, ge=1)
    max_cost: float | None = Field(None, gt=0)
    budget: Duration = Field(3000.0, gt=0)
    warn: Duration = Field(300.0, ge=0)
    grace: Duration = Field(10.0, ge=0)
    startup: Limit = Field(None, gt=0)
    stall: Limit = Field(None, gt=0)
    resident: Duration = Field(300.0, gt=0)
    env: dict[str, str] = Field({}, repr=False)
    env_from: tuple[str, ...] = ()
    log_limit: Size = Field(16 << 20, ge=64 << 10)
    memory: SizeLimit = Field(None, ge=16 << 20)
    processes: Count | None = Field(None, ge=1, le=4_000_000)
    confine: Flag = True

    @field_validator("command", "program")
    @classmethod
    def _can_be_run(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else check_command(value)

    @field_validator("adapter", "parse")
    @classmethod
    def _is_an_adapter(cls, value: str | None) -> str | None:
        return None if value is None else check_adapter(value)

    @field_validator("env", "env_from")
    @classmethod
    def _are_variables(cls, value: Any) -> Any:
        for name in value:
            check_variable(name)
        return value

    @model_validator(mode="after")
    def _is_one_kind(self) -> HarnessSettings:
        if (self.adapter is None) == (self.command is None):
            both = "adapter" if self.command is not None else ""
            raise fault(
                both or "command",
                "and command exclude each other: a command is run as it is written, an adapter writes its own"
                if both
                else 'is missing, and adapter too; write adapter = "claude", or the command of another program',
            )
        other = _OF_COMMANDS if self.adapter is not None else _OF_ADAPTERS
        for key in other:
            if getattr(self, key) != type(self).model_fields[key].default:
                needs = "command" if self.adapter is not None else "adapter"
                raise fault(key, f"is for a harness with a key {needs}")
        return self

    @model_validator(mode="after")
    def _grace_fits(self) -> HarnessSettings:
        if self.grace > self.budget:
            raise fault("grace", "is longer than budget; a session would live twice as long as it may")
        return self


class SourceSettings(Section):
    """[sources.NAME]: where tasks come from."""

    kind: Literal["markdown", "queue", "command"]
    path: Place | None = None
    command: Words | None = None
    repo: str | None = None
    every: Limit = Field(None, ge=1)
    timeout: Duration = Field(30.0, gt=0)
    lane: str | None = None
    tier: Count | None = Field(None, ge=1, le=3)
    harness: str | None = None
    priority: Count | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> SourceSettings:
        if self.kind == "markdown" and self.path is None:
            raise fault("kind", '"markdown" needs a path, the folder of its *.md files')
        if self.kind == "command" and not self.command:
            raise fault("kind", '"command" needs a command, a program that prints tasks as JSON')
        owner = {"path": "markdown", "command": "command", "every": "command", "timeout": "command"}
        for key, kind in owner.items():
            if key in self.model_fields_set and self.kind != kind:
                raise fault(key, f'belongs to sources of kind "{kind}"; this one is "{self.kind}"')
        return self


class ScheduleSettings(Section):
    """[[schedule]]: slots at times of the calendar."""

    name: Name
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
    slots: Count = Field(1, ge=1)

    @model_validator(mode="after")
    def _has_one_cadence(self) -> ScheduleSettings:
        if (self.cron is None) == (self.every is None):
            raise fault("", 'give either cron, as in "30 7 * * mon-fri", or every, as in "2h"')
        try:
            zone = ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError) as error:
            raise fault(
                "timezone", f'no time zone "{self.timezone}"; write for instance "Europe/Berlin"'
            ) from error
        if self.cron is not None:
            try:
                Cron(self.cron, zone)
            except ScheduleError as error:
                raise fault("cron", str(error).removeprefix("cron ")) from error
        return self


class QuotaSettings(Section):
    """[quotas.NAME]: an account: what these harnesses may use within a window; no harness named means all."""

    sessions: Count | None = Field(None, ge=1)
    tokens: Count | None = Field(None, ge=1)
    cost_usd: float | None = Field(None, gt=0)
    window: Duration = Field(86_400.0, gt=0)
    harness: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _limits_something(self) -> QuotaSettings:
        if not self.harness and (self.sessions, self.tokens, self.cost_usd) == (None, None, None):
            raise fault("", "limits nothing; give sessions, tokens or cost_usd, or the harness of an account")
        return self


class SystemdSettings(Section):
    """[systemd]: what `leasehold systemd install` writes into the units."""

    memory: SizeLimit = Field(None, ge=64 << 20)
    processes: Count | None = Field(None, ge=16)
    session_memory: SizeLimit = Field(None, ge=64 << 20)
    session_processes: Count | None = Field(4096, ge=16)
    overtime: Duration = Field(86_400.0, ge=60)
    watchdog: Duration = Field(60.0, ge=5)


class Settings(BaseSettings):
    """The whole configuration. `path` is its file, `directory` what relative paths in it start from."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__"
    )

    path: Path = Field(exclude=True)
    directory: Path = Field(exclude=True)
    supervisor: SupervisorSettings = SupervisorSettings()
    leases: LeaseSettings = LeaseSettings()
    guard: GuardSettings = GuardSettings()
    repos: dict[Name, RepoSettings] = {}
    harness: dict[Name, HarnessSettings] = {}
    sources: dict[Name, SourceSettings] = {}
    selection: SelectionSettings = SelectionSettings()
    retry: RetrySettings = RetrySettings()
    grading: GradingSettings = GradingSettings()
    schedule: tuple[ScheduleSettings, ...] = ()
    quotas: dict[Name, QuotaSettings] = {}
    systemd: SystemdSettings = SystemdSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  - overrides.py reads the environment it is given
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what load() hands over, so that nothing depends on the process that loads."""
        return (init_settings,)
