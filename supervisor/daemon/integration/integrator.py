"""The integrator: one at a time per repository, the branches of sessions come into their targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import structlog

from supervisor.core.decisions.bisection import Bisection
from supervisor.core.decisions.effects import Note
from supervisor.core.decisions.integration import Admitted, Forbidden, Wanting
from supervisor.core.decisions.policy import Integration, Way
from supervisor.core.sessions.integration import Hitch, Integrated, Unintegrated, conflict
from supervisor.daemon.authority import Authority
from supervisor.daemon.integration.check import Failed, check
from supervisor.daemon.integration.job import Job, Stage
from supervisor.daemon.integration.leases import IntegrationLeases
from supervisor.world.failpoint import failpoint
from supervisor.world.git.integrate.combine import Conflict, combine
from supervisor.world.git.integrate.move import TargetHeldError, TargetMovedError, move
from supervisor.world.git.integrate.scratch import Scratch, scratch
from supervisor.world.git.repository import HEADS
from supervisor.world.git.run import GitError
from supervisor.world.git.worktrees import resolve

log = structlog.get_logger("leasehold")

_TRIES = 10  # times that a target may move under our hands before it counts as held
_AGAIN = 1.0  # seconds before the first look at what held a target; doubled for each further one
_SLOWEST = 30.0
_TAIL = 2000  # characters of a check's output in an event


@dataclass(frozen=True, slots=True)
class _Fault:
    hitch: Hitch
    why: str
    tail: str = ""


@dataclass(slots=True)
class _Line:
    jobs: list[Job] = field(default_factory=list)
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    moving: anyio.Lock = field(default_factory=anyio.Lock)  # while a target is moved


class Integrator:
    """Integrates into the repositories; `folder` is where the throw-away work trees are made."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._authority = authority
        self._folder = folder
        self._leases = IntegrationLeases(authority, lambda job, why: self._wait(job, Stage.LEASES, why))
        self._lines: dict[Path, _Line] = {}

    def queue(self) -> list[dict[str, Any]]:
        """Return what waits or is at work, oldest first."""
        jobs = [job for line in self._lines.values() for job in line.jobs]
        return [job.as_json() for job in sorted(jobs, key=lambda job: job.since)]

    def poke(self, session: str) -> bool:
        """Have a session's integration tried again at once, if it is held; tell whether there is one."""
        found = [job for line in self._lines.values() for job in line.jobs if job.session == session]
        for job in found:
            job.poked.set()
        return bool(found)

    async def withdraw(self, session: str) -> None:
        """Take out of the line what a session asked for while it lived; return when that is over."""
        for line in self._lines.values():
            for job in [job for job in line.jobs if job.living and job.session == session]:
                async with line.moving:  # a move is over in a moment, and is not to be cut short
                    job.result = job.result or job.kept(Hitch.HELD, "the session gave up waiting")
                    job.scope.cancel()
                await job.over.wait()

    async def integrate(self, job: Job) -> Integrated | Unintegrated:
        """Bring the commits of a branch into its target, waiting for its turn and its leases."""
        line = self._lines.setdefault(job.repo.common_dir, _Line())
        line.jobs.append(job)
        try:
            self._authority.do([Note("session.integrating", job.session, job.task, _told(job, tip=job.tip))])
            with job.scope:
                return await self._leases.obtain(job) or await self._in_turn(line, job)
            return job.result or job.kept(Hitch.HELD, "the session gave up waiting")
        except (GitError, OSError) as error:
            return job.kept(Hitch.FAULT, str(error))
        finally:
            line.jobs.remove(job)
            job.over.set()

    # --- turns ---------------------------------------------------------------------------------------

    async def _in_turn(self, line: _Line, job: Job) -> Integrated | Unintegrated:
        given_up_at = self._authority.now().mono + job.limit(self._policy(job).wait)
        again = _AGAIN
        while True:
            if job.stage is Stage.LEASES:
                self._wait(job, Stage.QUEUED)
            async with line.turn:
                if job.result is None:
                    await self._serve(line, self._batch(line, job))
            if job.result is not None:
                return job.result
            # It stood behind another that it does not go with: now it is first.
            if job.stage is not Stage.HELD:
                continue
            if self._authority.now().mono >= given_up_at:
                return job.kept(Hitch.HELD, job.why)
            job.poked = anyio.Event()
            with anyio.move_on_after(min(again, max(0.0, given_up_at - self._authority.now().mono))):
                await job.poked.wait()
            again = min(_SLOWEST, again * 2)

    def _batch(self, line: _Line, job: Job) -> list[Job]:
        """Return the jobs to be tried together, this one first; without a check there is nothing to share."""
        policy = self._policy(job)
        others = [
            other
            for other in line.jobs
            if other is not job
            and other.stage is Stage.QUEUED
            and other.result is None
            and (other.target, other.name) == (job.target, job.name)
        ]
        return [job, *others][: policy.batch if policy.check else 1]

    async def _serve(self, line: _Line, batch: list[Job]) -> None:
        first = batch[0]
        plan = Bisection.of(batch)
        try:
            async with scratch(first.repo, self._folder / first.name) as apart:
                while group := plan.group():
                    fault = await self._try(line, apart, group)
                    if fault is None:
                        plan.passed()
                    elif (culprit := plan.failed()) is not None and culprit.result is None:
                        self._blame(culprit, fault)
        finally:
            for job in batch:
                if job.result is None and job.stage is not Stage.HELD:
                    self._wait(job, Stage.QUEUED)

    def _blame(self, job: Job, fault: _Fault) -> None:
        if fault.hitch is Hitch.HELD:
            self._wait(job, Stage.HELD, fault.why)
        else:
            job.result = job.kept(fault.hitch, fault.why, fault.tail)

    async def _try(self, line: _Line, apart: Scratch, group: tuple[Job, ...]) -> _Fault | None:
        """Integrate a group as one; return what kept all of it from its target.

        Who has its answer alone, by a conflict say, is left out.
        """
        repo, target, policy = group[0].repo, group[0].target, self._policy(group[0])
        for _ in range(_TRIES):
            onto = await resolve(repo, HEADS + target)
            if onto is None:
                return _Fault(Hitch.HELD, f"there is no branch {target} any more")
            stack = await self._stack(apart, group, onto, policy.way)
            if not stack:
                return None
            new = stack[-1][2]
            if new != onto and policy.check and (fault := await self._check(apart, stack, policy)):
                return fault
            failpoint("integrate.checked")
            if not self._still_admitted(stack):
                continue
            async with line.moving:
                try:
                    if new != onto:
                        landed = [(job.session, "" if job.living else made) for job, _, made in stack]
                        await move(repo, target, onto, new, landed)
                except TargetMovedError:
                    continue
                except TargetHeldError as error:
                    return _Fault(Hitch.HELD, str(error))
                for job, base, made in stack:
                    job.result = Integrated(target, made, base)
            return None
        return _Fault(Hitch.HELD, f"{target} moved {_TRIES} times while this was at work")

    async def _stack(
        self, apart: Scratch, group: tuple[Job, ...], onto: str, way: Way
    ) -> list[tuple[Job, str, str]]:
        """Put the branches on top of each other; return each job with the commits below and on top of it."""
        at = onto
        stack: list[tuple[Job, str, str]] = []
        for job in group:
            if job.result is not None:
                continue
            self._wait(job, Stage.COMBINING)
            try:
                made = await combine(apart, at, job.tip, way, job.message())
            except GitError as error:
                job.result = job.kept(Hitch.FAULT, str(error))
                continue
            if isinstance(made, Conflict):
                if at == onto:  # else it is one with a neighbour, who may not come in at all
                    job.result = conflict(job.branch, job.target, made.paths, made.notes)
                continue
            stack.append((job, at, made))
            at = made
        return stack

    async def _check(
        self, apart: Scratch, stack: list[tuple[Job, str, str]], policy: Integration
    ) -> _Fault | None:
        for job, _, _ in stack:
            self._wait(job, Stage.CHECKING)
        tree = await apart.at(stack[-1][2])
        found = await check(policy.check, policy.check_timeout, tree.root)
        if isinstance(found, Failed):
            return _Fault(Hitch.CHECK, found.why, found.output[-_TAIL:])
        return None

    def _still_admitted(self, stack: list[tuple[Job, str, str]]) -> bool:
        """See at the last moment that nobody has lost a lease or gone away meanwhile; who lost one is refused."""
        for job, _, _ in stack:
            if job.result is not None:
                return False
            match self._leases.admit(job):
                case Admitted():
                    continue
                case Forbidden(why):
                    job.result = job.kept(Hitch.REFUSED, why)
                case Wanting(wants):
                    paths = ", ".join(want.scope.text for want in wants[:3])
                    job.result = job.kept(Hitch.LEASED, f"the lease on {paths} was given up meanwhile")
            return False
        return True

    # --- words ----------------------------------------------------------------------------------------

    def _policy(self, job: Job) -> Integration:
        return self._authority.tables.policy.integration(job.name) or Integration(job.target)

    def _wait(self, job: Job, stage: Stage, why: str = "") -> None:
        if why and (stage, why) != (job.stage, job.why):
            self._authority.do(
                [Note("session.integration_waits", job.session, job.task, _told(job, why=why))]
            )
        job.stage, job.why = stage, why


def _told(job: Job, **data: Any) -> dict[str, Any]:
    return {"repo": job.name, "branch": job.branch, "target": job.target, **data}
