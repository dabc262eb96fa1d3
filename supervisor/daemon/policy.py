"""From the configuration as written to the policy that the core decides by."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from supervisor.core.decisions.policy import (
    Choose,
    Harness,
    Integration,
    Leases,
    Leftovers,
    Orphans,
    Planned,
    Policy,
    Preempt,
    Repo,
    Selection,
    StaleReads,
    Undeclared,
    Way,
)
from supervisor.core.history.quota import Quota
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.pacing.cadence import Cron, Every
from supervisor.core.pacing.flow import Intensity
from supervisor.core.pacing.retry import RetryPolicy
from supervisor.core.pacing.schedule import Misfire, Overlap, Schedule
from supervisor.core.sessions.allowance import Allowance
from supervisor.core.sessions.budget import Budget
from supervisor.world.config.models import HarnessSettings, ScheduleSettings, Settings
from supervisor.world.config.repos import RepoSettings
from supervisor.world.git.repository import Repository


def policy_from(settings: Settings, repos: Mapping[str, Repository]) -> Policy:
    """Return the policy of a configuration that has been checked.

    Raises:
        ScopeError: an `exclude` pattern is not a scope.
        ScheduleError: a schedule is never due.
    """
    return Policy(
        max_sessions=settings.supervisor.max_sessions,
        pool=settings.supervisor.pool,
        harnesses={name: _harness(name, harness) for name, harness in settings.harness.items()},
        repos={
            name: Repo(
                name,
                exclude=tuple(
                    scope
                    for text in repo.exclude
                    for scope in parse_scopes(text, name, fold_case=repos[name].fold_case)
                ),
                orphans=Orphans(repo.orphans),
                leftovers=Leftovers(repo.leftovers),
                salvage_limit=repo.salvage_limit,
                integration=_integration(repo, repos[name]),
            )
            for name, repo in settings.repos.items()
        },
        selection=Selection(
            lane_window=settings.selection.lane_window,
            plateau_share=settings.selection.plateau_share,
            plateau_min=settings.selection.plateau_min,
            recent_window=settings.selection.recent_commit_minutes * 60.0,
            preempt=Preempt(settings.selection.preempt),
            min_runtime=settings.selection.min_runtime,
            choose=Choose(settings.selection.choose),
            explore=settings.selection.explore,
        ),
        retry=RetryPolicy(
            attempts=settings.retry.attempts,
            base=settings.retry.backoff,
            cap=settings.retry.backoff_max,
            jitter_share=settings.retry.jitter,
            spawns=settings.retry.spawns,
            spawn_window=settings.retry.spawn_window,
        ),
        intensity=Intensity(window=settings.retry.window, limit=settings.retry.intensity),
        overall=Intensity(window=settings.retry.window, limit=settings.retry.intensity_all),
        leases=Leases(
            ttl=settings.leases.ttl,
            max_wait=settings.leases.max_wait,
            undeclared=Undeclared(settings.leases.undeclared),
            stale_reads=StaleReads(settings.guard.stale_reads),
        ),
        quotas=_quotas(settings),
        schedules=tuple(map(_planned, settings.schedule)),
    )


def _quotas(settings: Settings) -> tuple[Quota, ...]:
    """Return the quotas as configured, and the daily cap over all harnesses as one more."""
    every = tuple(settings.harness)
    found = [
        Quota(
            name,
            quota.sessions,
            quota.window,
            tuple(quota.harness) or every,
            tokens=quota.tokens,
            cost_usd=quota.cost_usd,
            account=bool(quota.harness),
            of_all=not quota.harness,
        )
        for name, quota in settings.quotas.items()
    ]
    day = settings.supervisor
    if day.daily_tokens is not None or day.daily_cost is not None:
        found.append(
            Quota(
                "daily", None, 86_400.0, every, day.daily_tokens, day.daily_cost, account=False, of_all=True
            )
        )
    return tuple(found)


def _integration(repo: RepoSettings, opened: Repository) -> Integration | None:
    if repo.isolation == "shared":
        return None
    return Integration(
        target=repo.target or opened.branch or "",
        way=Way(repo.integrate),
        check=repo.check or (),
        check_timeout=repo.check_timeout,
        batch=repo.check_batch,
        wait=repo.integrate_wait,
    )


def _harness(name: str, harness: HarnessSettings) -> Harness:
    budget = Budget(
        wall=harness.budget,
        warn=min(harness.warn, harness.budget / 2),
        grace=harness.grace,
        startup=harness.startup,
        stall=harness.stall,
        resident=harness.resident,
    )
    allowance = Allowance(harness.max_turns, harness.max_tokens, harness.max_cost)
    return Harness(name, budget, harness.model, harness.tier, harness.max_sessions, allowance)


def _planned(entry: ScheduleSettings) -> Planned:
    cadence = (
        Cron(entry.cron, ZoneInfo(entry.timezone)) if entry.cron is not None else Every(entry.every or 0.0)
    )
    return Planned(
        Schedule(
            name=entry.name,
            cadence=cadence,
            jitter=entry.jitter,
            overlap=Overlap(entry.overlap),
            misfire=Misfire(entry.misfire),
            max_lateness=entry.max_lateness,
            slots=entry.slots,
        ),
        harness=entry.harness or "",
        lane=entry.lane or "",
        tag=entry.tag or "",
    )
