"""guard.write, guard.claim, guard.give_back: what the guard of a session asks at a first write and around a git command."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import structlog

from supervisor.core.decisions import claims, requests, stale
from supervisor.core.decisions.effects import Note
from supervisor.core.decisions.entrusting import entrust
from supervisor.core.decisions.first_write import first_write
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.leases.lease import Granted, Lease, TimedOut, Waiting, Want, Woken
from supervisor.core.leases.scope import Kind, Scope, ScopeError, file_scope, path_key
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.dead_locks import free_at_turn, is_locked
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.verbs.after_sweep import give_back_a_sweep, over_all
from supervisor.daemon.verbs.answers import answered_once_decided, asking, lease_error
from supervisor.daemon.verbs.guard_words import GiveBack, GuardClaim, GuardWrite, Leased
from supervisor.daemon.workshop import Workshop
from supervisor.world import clock
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Who
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.wire_path import decode_path

log = structlog.get_logger("leasehold")

# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_FILE = Kind.FILE


class GuardVerbs:
    """Answers for guards. The leases come as workers keep them: [holder, scope, mode, token, granted_at]."""

    def __init__(
        self,
        authority: Authority,
        shop: Workshop,
        spawn: Spawn,
    ) -> None:
        self._authority = authority
        self._shop = shop
        self._spawn = spawn
        self._clean_ones: dict[
            str, set[Scope]
        ] = {}  # by session: what may be let go once git says it is clean

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("guard.write", GuardWrite, self.write, Who.SESSION),
            Method("guard.claim", GuardClaim, self.claim, Who.SESSION),
            Method("guard.give_back", GiveBack, self.give_back, Who.SESSION),
        ]

    def write(self, caller: Caller, params: GuardWrite) -> object:
        """Grant one file in few words where no more are needed, else answer as `claim` does."""
        session = asking(self._authority, caller)
        repo = self._shop.repos.get(session.intent.repo)
        path = decode_path(params.path)
        lease = self._first_write(session, repo, path)
        if lease is None:
            return self._claim(session, repo, claims.Claim((path,)), params.wait)
        scope = lease.scope
        if scope.kind is _FILE and scope.key == scope.text == params.path:
            return Leased(lease.token, lease.granted_at)
        return _written((lease,))

    def claim_unguarded(self, caller: Caller, params: GuardClaim) -> object:
        """Do as `claim` does for who is not the session's guard, and tell the session's worker what it holds by it."""
        authority = self._authority
        newest = authority.tables.broker.last_token
        answer = self.claim(caller, params)
        session = asking(authority, caller)
        authority.do(entrust(authority.tables, session.id, authority.tables.broker.since(session.id, newest)))
        return answer

    def claim(self, caller: Caller, params: GuardClaim) -> object:
        """Grant, refuse, or answer when the wait is over."""
        session = asking(self._authority, caller)
        repo = self._shop.repos.get(session.intent.repo)
        if len(params.files) == 1 and not (params.folders or params.places or params.inodes or params.git):
            lease = self._first_write(session, repo, decode_path(params.files[0]))
            if lease is not None:
                return _written((lease,))
        asked = claims.Claim(
            tuple(map(decode_path, params.files)),
            tuple(map(decode_path, params.folders)),
            (*map(decode_path, params.places), *self._names_held(session, repo, params.inodes)),
            params.git,
        )
        return self._claim(session, repo, asked, params.wait)

    def _claim(self, session: Session, repo: Repository | None, asked: claims.Claim, wait: float) -> object:
        authority = self._authority
        try:
            verdict, wants, effects = claims.claim(
                authority.tables,
                session,
                asked,
                max(0.0, wait),
                authority.now(),
                fold_case=repo is not None and repo.fold_case,
            )
        except ScopeError as error:
            raise RpcError(Code.REFUSED, str(error), {"reason": "scope"}) from error
        if session.id in self._clean_ones:
            self._clean_ones[session.id].difference_update(want.scope for want in wants)
        answer: object = None
        match verdict:
            case Granted(leases):
                notices, told = stale.stale_reads(authority.tables, session, asked.files, authority.now())
                effects = [*effects, *told]
                answer = _written(leases, notices)
                if asked.git and repo is not None and is_locked(repo):
                    later = Later()
                    self._answer_unlocked(session, repo, later, answer)
                    answer = later
            case Waiting(waiter=waiter):
                answer = self._promise(session, repo, waiter, asked, wants)
            case LeaseRefusal():
                authority.do(effects)
                raise lease_error(verdict)
        authority.do(effects)
        return answer

    def _first_write(self, session: Session, repo: Repository | None, path: str) -> Lease | None:
        """Grant a file that nobody else holds; what follows from it can wait until the session has its answer."""
        if session.id in self._clean_ones:
            return None  # it may be among those
        authority = self._authority
        newest = authority.tables.broker.last_token
        try:
            lease = first_write(
                authority.tables,
                session,
                path,
                clock.boottime(),
                fold_case=repo is not None and repo.fold_case,
            )
        except ScopeError as error:
            raise RpcError(Code.REFUSED, str(error), {"reason": "scope"}) from error
        if lease is not None and lease.token > newest:
            authority.first_writes.add(session, lease.scope.text)
        return lease

    def _names_held(
        self, session: Session, repo: Repository | None, inodes: tuple[tuple[int, int], ...]
    ) -> list[str]:
        """Return the files that others hold and that are one with these, under whatever name."""
        if not inodes or repo is None:
            return []
        held = (
            lease.scope.key
            for lease in self._authority.tables.broker.leases()
            if lease.holder != session.id
            and lease.scope.kind is Kind.FILE
            and lease.scope.repo == session.intent.repo
        )
        return [path for path in held if _inode(repo.root / path) in inodes]

    def give_back(self, caller: Caller, params: GiveBack) -> object:
        """End the leases of a git command at once; answer with those on files that it wrote and left dirty."""
        authority = self._authority
        session = asking(self._authority, caller)
        refusal = claims.recovering(authority.tables)
        if refusal is not None and session.id in authority.tables.wait_for_reports:
            raise lease_error(refusal)  # what its worker reports is what it has left
        repo = self._shop.repos.get(session.intent.repo)
        if params.written is None and repo is not None and over_all(authority, session, params.tokens):
            return self._after_sweep(session, repo, params.tokens)
        written = _scopes(
            params.written or (), session.intent.repo, fold_case=repo is not None and repo.fold_case
        )
        kept, effects = claims.give_back(
            authority.tables,
            session,
            params.tokens,
            sorted(written, key=lambda scope: scope.key),
            authority.now(),
        )
        authority.do(effects)
        if not kept or repo is None:
            return {"leases": []}
        later = Later()
        fresh = {lease.scope for lease in kept}
        self._clean_ones.setdefault(session.id, set()).update(fresh)
        untold = {lease.token for lease in kept}
        authority.tables.untold |= untold

        async def keep_the_dirty() -> None:
            try:
                await self._keep_the_dirty(session, repo, kept, later)
            finally:
                authority.tables.untold -= untold

        self._spawn(keep_the_dirty)
        return later

    def keep(self, session: str) -> None:
        """Let a session keep what its git wrote, whether that is clean or not: it has asked for leases itself."""
        if session in self._clean_ones:
            self._clean_ones[session].clear()

    def _after_sweep(self, session: Session, repo: Repository, tokens: tuple[int, ...]) -> Later:
        later = Later()

        async def give_back() -> None:
            try:
                await give_back_a_sweep(self._authority, session, repo, tokens)
            finally:
                later.answer(_written(()))  # its worker has the list

        self._spawn(give_back)
        return later

    async def _keep_the_dirty(
        self, session: Session, repo: Repository, kept: tuple[Lease, ...], later: Later
    ) -> None:
        """Let go of what git wrote and left as it is committed, unless the session has asked for it since.

        What has gone on under a new token meanwhile, its worker has been told of.
        """
        fresh = {lease.scope for lease in kept}
        try:
            changed = {path_key(file.path, fold_case=repo.fold_case) for file in await dirty(repo)}
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            changed = {lease.scope.key for lease in kept}
        broker = self._authority.tables.broker
        kept = tuple(lease for lease in kept if broker.lease(lease.token) is not None)
        waiting = self._clean_ones.pop(session.id, set())
        clean = [lease.scope for lease in kept if lease.scope in waiting and lease.scope.key not in changed]
        if others := waiting - fresh:
            self._clean_ones[session.id] = others
        self._authority.do(claims.let_go(self._authority.tables, session, clean, self._authority.now()))
        kept = tuple(lease for lease in kept if broker.lease(lease.token) is not None)
        if not later.answer(
            _written(kept)
        ):  # when the guard asks again, these are not the command's any more
            self._authority.do(entrust(self._authority.tables, session.id, kept))

    def _answer_unlocked(self, session: Session, repo: Repository, later: Later, answer: object) -> None:
        """Answer once a lock that a dead git left is gone: else this git, whose turn it is, would fail on it."""
        authority = self._authority
        began = min(
            s.intent.created.wall for s in authority.tables.roster if s.intent.repo == session.intent.repo
        )

        async def unlock() -> None:
            try:
                for name in await free_at_turn(repo, began):
                    authority.do([Note("git.unlocked", session.id, session.key, {"lock": name})])
            finally:
                later.answer(answer)

        self._spawn(unlock)

    def _promise(
        self,
        session: Session,
        repo: Repository | None,
        waiter: int,
        asked: claims.Claim,
        wants: tuple[Want, ...],
    ) -> Later:
        authority = self._authority

        def decided(result: Woken | TimedOut, later: Later) -> None:
            if isinstance(result, Woken):
                tables = authority.tables
                notices, effects = stale.stale_reads(tables, session, asked.files, authority.now())
                authority.do(effects)
                if notices and stale.refuses(tables):  # it keeps the lease: the next write passes
                    later.refuse(RpcError(Code.REFUSED, "; ".join(notices), {"reason": "stale"}))
                elif asked.git and repo is not None and session.live() and is_locked(repo):
                    self._answer_unlocked(session, repo, later, _written(result.leases, notices))
                else:
                    later.answer(_written(result.leases, notices))
                return
            refusal = requests.refuse(authority.tables, wants, result, authority.now())
            refusal, effects = claims.timed_out(authority.tables, session, asked, refusal)
            authority.do(effects)
            later.refuse(lease_error(refusal))

        return answered_once_decided(authority, waiter, decided)


def _written(leases: tuple[Lease, ...], notices: tuple[str, ...] = ()) -> dict[str, object]:
    return {"leases": leases, "notices": notices}


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _scopes(paths: tuple[str, ...], repo: str, *, fold_case: bool) -> set[Scope]:
    """Return the files that paths name; what nobody can lease is left out."""
    found = set()
    for path in paths:
        with contextlib.suppress(ScopeError):
            found.add(file_scope(decode_path(path), repo, fold_case=fold_case))
    return found
