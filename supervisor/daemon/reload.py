"""Reloading: the whole new configuration, or none of it and the reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from supervisor.core.decisions import hearing, orders, resting
from supervisor.core.decisions.effects import Note
from supervisor.core.leases.scope import ScopeError
from supervisor.core.pacing.cadence import ScheduleError
from supervisor.daemon.authority import Authority
from supervisor.daemon.footing import require_confinement
from supervisor.daemon.harness_limits import say_what_is_not_kept
from supervisor.daemon.orphans import look_for_orphans, set_apart
from supervisor.daemon.policy import policy_from
from supervisor.daemon.quota_memory import QuotaMemory
from supervisor.daemon.service import Service
from supervisor.daemon.settling import Settler
from supervisor.daemon.situation import Situation
from supervisor.daemon.sources.feeds import Sources
from supervisor.daemon.sources.queue import Queue
from supervisor.daemon.sources.setup import make_sources
from supervisor.daemon.templates import say_what_is_misspelt
from supervisor.daemon.workshop import Workshop
from supervisor.world.config.diff import changes
from supervisor.world.config.load import ConfigError, load
from supervisor.world.config.models import Settings
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.failpoint import failpoint
from supervisor.world.git.checkouts import Checkouts
from supervisor.world.git.repository import Repository, RepositoryError, open_repository, require_target
from supervisor.world.level import LevelError


async def open_repositories(settings: Settings) -> dict[str, Repository]:
    """Open every configured repository.

    Raises:
        RepositoryError: one cannot serve; the message names it.
    """
    opened = {}
    for name, repo in settings.repos.items():
        opened[name] = await open_repository(repo.path)
        if repo.isolation == "worktree":
            await require_target(opened[name], repo.target)
    return opened


class Reloader:
    """Reads configuration and sources again while the supervisor runs."""

    def __init__(
        self,
        authority: Authority,
        situation: Situation,
        shop: Workshop,
        settler: Settler,
        sources: Sources,
        queue: Queue,
        service: Service,
        spent: QuotaMemory,
        checkouts: Checkouts,
    ) -> None:
        self._authority = authority
        self._situation = situation
        self._shop = shop
        self._settler = settler
        self._sources = sources
        self._queue = queue
        self._service = service
        self._spent = spent
        self._checkouts = checkouts

    async def reload(self, by: str) -> dict[str, Any]:
        """Put the configuration file and all sources into force anew; say what changed.

        Raises:
            RpcError: the file is not valid; the last good configuration stays.
        """
        with self._service.reloading():
            return await self._reload(by)

    async def _reload(self, by: str) -> dict[str, Any]:
        authority, path = self._authority, self._situation.config
        try:
            settings = load(path, os.environ)
            repos = await open_repositories(settings)
            policy = policy_from(settings, repos)
            await require_confinement(settings)
            self._checkouts.hold(repos.values())
        except (ConfigError, RepositoryError, ScopeError, ScheduleError, LevelError) as error:
            problems = list(error.problems) if isinstance(error, ConfigError) else [str(error)]
            self._situation.refused = problems
            data = {"by": by, "problems": problems, "generation": self._situation.generation}
            authority.do([Note("supervisor.reload_refused", data=data)])
            text = f"{problems[0]}" + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
            raise RpcError(
                Code.REFUSED,
                f"configuration kept as it was (generation {self._situation.generation}): {text}",
                data,
            ) from error
        before = self._shop.settings
        changed = changes(before, settings)
        failpoint("reload.read")
        self._put_in_force(settings, repos)
        say_what_is_not_kept(settings, self._shop.footing.ladder)
        say_what_is_misspelt(settings)
        authority.tables.policy = policy
        mended = [name for name, harness in before.harness.items() if settings.harness.get(name) != harness]
        resting.reloaded(authority.tables, mended, authority.now().wall)
        self._spent.look_back(authority.now())
        authority.tables.recent.window = policy.selection.recent_window
        self._situation.generation += 1
        self._situation.refused = []
        failpoint("reload.in_force")
        await self._sources.read_all()
        await look_for_orphans(authority, self._situation, repos, set_apart(self._sources, settings))
        told: dict[str, Any] = {
            "generation": self._situation.generation,
            "changes": [change.sentence for change in changed],
            "at_restart": [change.sentence for change in changed if change.at_restart],
        }
        authority.do([Note("supervisor.reloaded", data={"by": by, **told})])
        authority.do(hearing.keep_all_quotas(authority.tables, authority.now()))
        authority.tick()
        return told

    async def reprioritize(self, by: str) -> dict[str, Any]:
        """Read all priorities again, rank anew, and preempt by policy what the ranking no longer justifies."""
        await self._sources.read_all()
        authority = self._authority
        authority.do(orders.reprioritize(authority.tables, by, authority.now()))
        ranked = [
            work.task.key for work, _ in zip(authority.tables.backlog.ranked(), range(10), strict=False)
        ]
        return {"ranking": authority.tables.ranking, "ranked_first": ranked}

    def _put_in_force(self, settings: Settings, repos: Mapping[str, Repository]) -> None:
        at_work = {session.intent.repo for session in self._authority.tables.roster}
        busy = [repo for name, repo in self._shop.repos.items() if name in at_work]
        self._checkouts.keep([*repos.values(), *busy])
        self._shop.settings, self._shop.repos = settings, repos
        self._shop.forget_paths()
        self._settler.configure(repos)
        sources, every = make_sources(settings, self._queue)
        self._sources.configure(sources, every)
