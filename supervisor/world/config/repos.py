"""[repos.NAME] as values: a checkout, how sessions work in it, and how their branches come into the target."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from supervisor.core.leases.scope import ScopeError, parse_scopes
from supervisor.world.config.faults import fault
from supervisor.world.config.harness import check_command
from supervisor.world.config.section import Section
from supervisor.world.config.values import Count, Duration, Flag, Place, SizeLimit, Words

_OF_WORKTREES = (
    "target",
    "integrate",
    "integrate_wait",
    "check",
    "check_timeout",
    "check_batch",
    "confine",
    "confine_writable",
)


class RepoSettings(Section):
    """[repos.NAME]: a git checkout that sessions work in."""

    path: Place
    isolation: Literal["shared", "worktree"] = "shared"
    exclude: tuple[str, ...] = ()
    orphans: Literal["hold", "hand-off", "salvage"] = "hold"
    leftovers: Literal["keep", "clean"] = "keep"
    salvage_limit: SizeLimit = Field(None, gt=0)
    target: str | None = Field(None, min_length=1)
    integrate: Literal["rebase", "merge"] = "rebase"
    integrate_wait: Duration = Field(600.0, ge=0)
    check: Words | None = None
    check_timeout: Duration = Field(1800.0, gt=0)
    check_batch: Count = Field(8, ge=1, le=100)
    confine: Flag = False
    confine_writable: tuple[Place, ...] = ()

    @field_validator("check")
    @classmethod
    def _can_be_run(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if value is None else check_command(value)

    @model_validator(mode="after")
    def _has_branches_to_integrate(self) -> RepoSettings:
        if self.isolation == "shared":
            for key in _OF_WORKTREES:
                if key in self.model_fields_set:
                    raise fault(key, 'is for isolation = "worktree"; here all sessions share the checkout')
        if "confine_writable" in self.model_fields_set and not self.confine:
            raise fault("confine_writable", "is for confine = true; here sessions may write everywhere")
        return self

    @field_validator("exclude")
    @classmethod
    def _are_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                parse_scopes(text, "repo")
            except ScopeError as error:
                raise ValueError(str(error)) from error
        return value
