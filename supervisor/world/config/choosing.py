"""How tasks and harnesses are chosen, and what follows from how that went: [selection], [grading] and [retry]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from supervisor.world.config.faults import fault
from supervisor.world.config.harness import check_command
from supervisor.world.config.section import Section
from supervisor.world.config.values import Count, Duration, Words


class SelectionSettings(Section):
    """[selection]: how the next task is chosen."""

    lane_window: Count = Field(20, ge=1)
    plateau_share: float = Field(0.6, gt=0, le=1)
    plateau_min: Count = Field(5, ge=1)
    recent_commit_minutes: float = Field(10.0, ge=0, le=525_600)
    preempt: Literal["never", "after-turn", "now"] = "never"
    min_runtime: Duration = Field(120.0, ge=0)
    choose: Literal["order", "thompson"] = "order"
    explore: float = Field(0.1, ge=0, le=1)

    @model_validator(mode="after")
    def _warning_can_be_reached(self) -> SelectionSettings:
        if self.plateau_min > self.lane_window:
            raise fault(
                "plateau_min", f"is more than lane_window ({self.lane_window}); no plateau is ever seen"
            )
        return self


class GradingSettings(Section):
    """[grading]: a program that says what a session's work is worth, instead of the table."""

    command: Words | None = None
    timeout: Duration = Field(60.0, gt=0)

    @field_validator("command")
    @classmethod
    def _can_be_run(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else check_command(value)


class RetrySettings(Section):
    """[retry]: what follows a failure, for the task and for its lane."""

    attempts: Count = Field(3, ge=1)
    backoff: Duration = Field(30.0, ge=0)
    backoff_max: Duration = Field(1800.0, ge=0)
    jitter: float = Field(0.25, ge=0, le=1)
    intensity: Count = Field(5, ge=1)
    window: Duration = Field(600.0, gt=0)
    intensity_all: Count = Field(20, ge=1)
    spawns: Count = Field(30, ge=1)
    spawn_window: Duration = Field(21_600.0, gt=0)

    @model_validator(mode="after")
    def _backoff_fits(self) -> RetrySettings:
        if self.backoff > self.backoff_max:
            raise fault("backoff", "is longer than backoff_max")
        return self
