"""The leases of an integration: its paths against what the session holds, and asking for what it lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from supervisor.core.decisions import requests
from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.integration import Admitted, Forbidden, Wanting, admit
from supervisor.core.leases.lease import Granted, TimedOut, Waiting, Want, Woken
from supervisor.core.sessions.integration import Hitch, Unintegrated
from supervisor.daemon.authority import Authority
from supervisor.daemon.integration.job import Job
from supervisor.world.git.integrate.combine import changed_paths, merge_base
from supervisor.world.git.repository import HEADS
from supervisor.world.git.worktrees import resolve

_REPORTS = 0.25  # seconds between two looks whether workers have reported, after a restart


class IntegrationLeases:
    """Sees to the leases of jobs; `waits` is told of each wait, in a sentence."""

    def __init__(self, authority: Authority, waits: Callable[[Job, str], None]) -> None:
        self._authority = authority
        self._wait = waits

    async def obtain(self, job: Job) -> Unintegrated | None:
        """Get the leases for what the commits change; return why they stay on their branch, if they do."""
        target = await resolve(job.repo, HEADS + job.target)
        if target is None:
            return job.kept(Hitch.HELD, f"there is no branch {job.target} any more")
        base = await merge_base(job.repo, target, job.tip)
        if base is None:
            return job.kept(Hitch.HELD, f"they have no commit in common with {job.target}")
        job.paths = await changed_paths(job.repo, base, job.tip)
        while True:
            match self.admit(job):
                case Admitted():
                    return None
                case Forbidden(why):
                    return job.kept(Hitch.REFUSED, why)
                case Wanting(wants):
                    refused = await self._acquire(job, wants)
                    if refused is not None:
                        return job.kept(Hitch.LEASED, refused)

    def admit(self, job: Job) -> Admitted | Wanting | Forbidden:
        """Judge what its commits change by what its holder has now."""
        authority, fold = self._authority, job.repo.fold_case
        return admit(authority.tables, job.holder, job.name, job.paths, authority.now(), fold_case=fold)

    async def _acquire(self, job: Job, wants: tuple[Want, ...]) -> str | None:
        authority = self._authority
        while True:
            limit = job.limit(authority.tables.policy.leases.max_wait)
            result, effects = requests.acquire(authority.tables, job.holder, wants, limit, authority.now())
            match result:
                case Granted():
                    authority.do(effects)
                    return None
                case Waiting():
                    held = [
                        f"{other.scope.text} is {describe(authority.tables, other, authority.now())}"
                        for other in result.conflicts[:3]
                    ]
                    self._wait(job, "; ".join(held))
                    decided = self._promise(result)
                    authority.do(effects)
                    return await decided()
                case _ if result.data.get("reason") == "recovering":
                    await anyio.sleep(_REPORTS)
                case _:
                    authority.do(effects)
                    return result.sentence

    def _promise(self, waiting: Waiting) -> Callable[[], Awaitable[str | None]]:
        authority = self._authority
        found: list[Woken | TimedOut] = []
        event = anyio.Event()

        def then(result: Woken | TimedOut) -> None:
            found.append(result)
            event.set()

        authority.promises.when_decided(waiting.waiter, then)

        async def decided() -> str | None:
            try:
                await event.wait()
            finally:
                if not found:  # the supervisor ends
                    authority.promises.forget_waiter(waiting.waiter)
                    authority.tables.broker.cancel(waiting.waiter, authority.now().mono)
            result = found[0]
            if isinstance(result, Woken):
                return None
            return requests.refuse(authority.tables, waiting.wants, result, authority.now()).sentence

        return decided
