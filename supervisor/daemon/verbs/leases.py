"""lease.acquire, lease.release, lease.list, lease.who, and the commit gate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog

from supervisor.core.decisions import gate, requests, wake
from supervisor.core.decisions.entrusting import disown
from supervisor.core.decisions.holders import OPERATOR
from supervisor.core.decisions.requests import LeaseRefusal, lease_json
from supervisor.core.leases.lease import Granted, Lease, Mode, TimedOut, Waiting, Want, Woken
from supervisor.core.leases.scope import ScopeError, file_scope
from supervisor.core.sessions.integration import branch_of
from supervisor.daemon.authority import Authority
from supervisor.daemon.fleet import Workers
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.verbs.answers import (
    answered_once_decided,
    answered_once_durable,
    asking,
    lease_error,
    not_found,
)
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import Caller, SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.failpoint import failpoint
from supervisor.world.git.deleted import keep_left
from supervisor.world.git.heads import branches_in_use
from supervisor.world.git.paths import ScopePathError, link_itself
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.wire_path import decode_path

log = structlog.get_logger("leasehold")


class Acquire(Params, kw_only=True):
    """Scopes as text; `wait` in seconds; `repo` and `cwd` say what relative paths are relative to."""

    paths: tuple[str, ...]
    shared: bool = False
    wait: float = 0.0
    repo: str = ""
    cwd: str = ""


class Release(Params, kw_only=True):
    """Scopes to give back; none means all."""

    paths: tuple[str, ...] = ()
    repo: str = ""
    cwd: str = ""


class WhoHas(Params, kw_only=True):
    """A path or resource."""

    path: str
    repo: str = ""
    cwd: str = ""


class UpdateParams(msgspec.Struct, kw_only=True):
    """A branch about to move."""

    ref: str
    old: str
    new: str
    kind: str = "update"
    paths: tuple[str, ...] = ()


class GateCheck(Params, kw_only=True):
    """All branches that one git command is about to move."""

    updates: tuple[UpdateParams, ...]


class LeaseVerbs:
    """Answers about leases."""

    def __init__(self, authority: Authority, shop: Workshop, workers: Workers, spawn: Spawn) -> None:
        self._authority = authority
        self._shop = shop
        self._workers = workers
        self._spawn = spawn
        self._postponed: list[tuple[Later, Caller, GateCheck]] = []
        self.asked_for_itself: Callable[[str], None] = lambda _holder: None
        authority.after.append(self._judge_postponed)

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("lease.acquire", Acquire, self.acquire, Who.ANYONE),
            Method("lease.release", Release, self.release, Who.ANYONE),
            Method("lease.list", Params, self.list_, Who.ANYONE),
            Method("lease.who", WhoHas, self.who_has, Who.ANYONE),
            Method("gate.check", GateCheck, self.check, Who.SESSION),
        ]

    def acquire(self, caller: Caller, params: Acquire) -> object:
        """Grant, refuse, or answer when the wait is over."""
        authority = self._authority
        if not params.paths:
            raise RpcError(Code.PARAMS, "lease.acquire needs at least one path or resource")
        mode = Mode.SHARED if params.shared else Mode.EXCLUSIVE
        wants = self._wants(caller, params.paths, mode, params.repo, params.cwd)
        holder = _holder(caller)
        self.asked_for_itself(holder)
        result, effects = requests.acquire(
            authority.tables, holder, wants, max(0.0, params.wait), authority.now()
        )
        answer: object
        match result:
            case Granted():
                answer = self._granted(result)
            case Waiting(waiter=waiter):
                answer = self._promise(waiter, wants)
            case LeaseRefusal():
                authority.do(effects)
                raise lease_error(result)
        authority.do(effects)
        if isinstance(result, Granted) and holder == OPERATOR:
            return answered_once_durable(authority, answer)
        return answer

    def release(self, caller: Caller, params: Release) -> object:
        """Give leases back and say how many ended."""
        return self.give_back(_holder(caller), self._released_wants(caller, params) if params.paths else None)

    def _released_wants(self, caller: Caller, params: Release) -> tuple[Want, ...]:
        """Return what is to be given back; a link that is held itself is meant, and not what it leads to."""
        name = self._repo(caller, params.repo, params.cwd)
        repo = self._shop.repos.get(name)
        held = {lease.scope for lease in self._authority.tables.broker.held(_holder(caller))}
        links: dict[str, Want] = {}
        for text in params.paths:
            path = link_itself(repo, text, Path(params.cwd) if params.cwd else None) if repo else None
            if repo is None or path is None:
                continue
            with contextlib.suppress(ScopeError):  # nobody can hold it; below it is said why
                scope = file_scope(path, name, fold_case=repo.fold_case)
                if scope in held:
                    links[text] = Want(scope, Mode.EXCLUSIVE)
        rest = tuple(text for text in params.paths if text not in links)
        found = self._wants(caller, rest, Mode.EXCLUSIVE, params.repo, params.cwd) if rest else ()
        return (*links.values(), *found)

    def give_back(self, holder: str, wants: tuple[Want, ...] | None) -> object:
        """End these leases of a holder, or all; the guard of a session forgets them first."""
        authority = self._authority
        if wake.is_guarded(authority.tables, holder):
            return self._take_back(holder, wants)
        ended, effects = requests.release(authority.tables, holder, wants, authority.now())
        authority.do([*disown(authority.tables, holder, ended), *effects])
        if holder == OPERATOR:
            return answered_once_durable(authority, {"released": len(ended)})
        return {"released": len(ended)}

    def _take_back(self, holder: str, wants: tuple[Want, ...] | None) -> Later:
        """Let the session's guard forget leases first; what is still open for writing stays with it."""
        tables = self._authority.tables
        scopes = None if wants is None else {want.scope for want in wants}
        leases = [
            lease
            for lease in tables.broker.held(holder)
            if lease.token not in tables.closing and (scopes is None or lease.scope in scopes)
        ]
        tables.closing.update(lease.token for lease in leases)
        later = Later()
        self._spawn(lambda: self._released(holder, leases, later))
        return later

    async def _released(self, holder: str, leases: list[Lease], later: Later) -> None:
        authority = self._authority
        tables = authority.tables
        still_open = await self._workers.revoke(holder, [lease.token for lease in leases])
        tables.closing.difference_update(lease.token for lease in leases)
        if still_open is None and leases:
            why = "the session's worker cannot be reached just now, and its guard goes by these leases"
            later.refuse(RpcError(Code.TRY_LATER, f"{why}; try again in a moment", {"reason": "unreachable"}))
            return
        still_open = still_open or frozenset()
        # Another lease over the same scope may have taken the place of one meanwhile: that stays.
        leases = [lease for lease in leases if tables.broker.lease(lease.token) is not None]
        kept = [lease for lease in leases if lease.token in still_open]
        over = [Want(lease.scope, lease.mode) for lease in leases if lease.token not in still_open]
        ended, effects = requests.release(tables, holder, over, authority.now())
        authority.do([*effects, *wake.keep(tables, kept, authority.now())])
        if kept:
            named = ", ".join(lease.scope.text for lease in kept[:3]) + (" …" if len(kept) > 3 else "")
            why = (
                f"{named}: still open for writing by a process of the session; end it or close the file first"
            )
            later.refuse(RpcError(Code.REFUSED, why, {"reason": "open", "released": len(ended)}))
        else:
            later.answer({"released": len(ended)})

    def list_(self, _caller: Caller, _params: Params) -> object:
        """Return all leases, and the queue."""
        tables, now = self._authority.tables, self._authority.now()
        waiting = [
            {
                "holder": waiter.holder,
                "scopes": [want.scope.text for want in waiter.wants],
                "priority": waiter.priority,
                "waits": round(now.mono - waiter.asked_at, 3),
                "left": round(waiter.deadline - now.mono, 3),
            }
            for waiter in tables.broker.waiting()
        ]
        return {
            "leases": [lease_json(tables, lease, now) for lease in tables.broker.leases()],
            "waiting": waiting,
        }

    def who_has(self, caller: Caller, params: WhoHas) -> object:
        """Return the leases that overlap a path."""
        tables, now = self._authority.tables, self._authority.now()
        wants = self._wants(caller, (params.path,), Mode.EXCLUSIVE, params.repo, params.cwd)
        found = {lease.token: lease for want in wants for lease in tables.broker.who(want.scope)}
        return {
            "path": wants[0].scope.text,
            "leases": [lease_json(tables, lease, now) for lease in found.values()],
        }

    def check(self, caller: Caller, params: GateCheck) -> object:
        """Judge the movement of branches, once it is known who holds what after a restart."""
        asking(self._authority, caller)
        if not self._authority.tables.wait_for_reports:
            return self._judge(caller, params)
        later = Later()
        self._postponed.append((later, caller, params))
        return later

    def _judge_postponed(self) -> None:
        if not self._postponed or self._authority.tables.wait_for_reports:
            return
        postponed, self._postponed = self._postponed, []
        for later, caller, params in postponed:
            try:
                later.answer(self._judge(caller, params))
            except RpcError as error:
                later.refuse(error)

    def _judge(self, caller: Caller, params: GateCheck) -> object:
        """Return that the branches may move; a refusal carries the lines that git shows."""
        authority = self._authority
        session = asking(self._authority, caller)
        updates = [
            gate.Update(update.ref, update.old, update.new, tuple(map(decode_path, update.paths)))
            for update in params.updates
        ]
        repo = self._shop.repos.get(session.intent.repo)
        look = repo is not None and gate.needs_work_trees(session, updates)
        on = branches_in_use(repo, session.id) if repo is not None and look else None
        verdict, effects = gate.gate(authority.tables, session, updates, authority.now(), checked_out=on)
        authority.do(effects)
        failpoint("gate.judged")
        if isinstance(verdict, gate.Blocked):
            raise RpcError(
                Code.REFUSED,
                verdict.told,
                {"lines": list(verdict.lines), "paths": list(verdict.paths[:100])},
            )
        for update in updates:
            if (
                repo is not None
                and update.old.strip("0")
                and update.ref != gate.HEADS + branch_of(session.id)
            ):
                self._spawn(partial(_keep_named, repo, update, session.id))
        return {"ok": True, "discovered": list(verdict.discovered)}

    # --- shared steps -------------------------------------------------------------------------------

    def _wants(
        self, caller: Caller, paths: tuple[str, ...], mode: Mode, repo: str, cwd: str
    ) -> tuple[Want, ...]:
        name = self._repo(caller, repo, cwd)
        try:
            return self._shop.wants(name, paths, mode, cwd=Path(cwd) if cwd else None)
        except (ScopeError, ScopePathError) as error:
            raise RpcError(Code.REFUSED, str(error), {"reason": "scope"}) from error

    def _repo(self, caller: Caller, repo: str, cwd: str) -> str:
        """Return the repository that paths are in: the session's, the named one, or the one around `cwd`."""
        if isinstance(caller, SessionCaller):
            return asking(self._authority, caller).intent.repo
        if repo:
            if repo not in self._shop.repos:
                raise not_found("repository", repo, f"there are: {', '.join(self._shop.repos) or 'none'}")
            return repo
        if around := self._shop.around(cwd):
            return around
        return next(iter(self._shop.repos)) if len(self._shop.repos) == 1 else ""

    def _granted(self, granted: Granted | Woken) -> object:
        tables, now = self._authority.tables, self._authority.now()
        return {"leases": [lease_json(tables, lease, now) for lease in granted.leases]}

    def _promise(self, waiter: int, wants: tuple[Want, ...]) -> Later:
        authority = self._authority

        def decided(result: Woken | TimedOut, later: Later) -> None:
            if isinstance(result, Woken):
                later.answer(self._granted(result))
            else:
                refusal = requests.refuse(authority.tables, wants, result, authority.now())
                later.refuse(lease_error(refusal))

        return answered_once_decided(authority, waiter, decided)


def _holder(caller: Caller) -> str:
    return caller.session if isinstance(caller, SessionCaller) else OPERATOR


async def _keep_named(repo: Repository, update: gate.Update, session: str) -> None:
    try:
        new = "" if update.deletes else update.new
        name = await keep_left(repo, update.ref, update.old, session, new=new)
    except GitError as error:
        log.warning("git.failed", session=session, why=str(error))
        return
    if name:
        log.info("branch.kept", session=session, branch=update.ref, kept=name)
