"""hook.edit: what the hooks of an agent ask before an edit, and tell of it afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from supervisor.core.decisions.effects import Note
from supervisor.core.leases.lease import Mode
from supervisor.core.leases.scope import ScopeError, covers, file_scope
from supervisor.core.sessions.hooks import Hooks
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.probation import Probation
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.verbs.answers import asking
from supervisor.daemon.verbs.guard import GuardVerbs
from supervisor.daemon.verbs.guard_words import GuardClaim
from supervisor.daemon.verbs.leases import LeaseVerbs
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.git.ignored import ignored
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.wire_path import decode_path, encode_path

_OK: dict[str, object] = {"ok": True}


class HookEdit(Params, kw_only=True):
    """What an agent is about to do ("before") or has done ("after") to files; `cwd` is where relative paths start."""

    harness: str
    phase: Literal["start", "before", "after", "stop"]
    tool: str = ""
    cwd: str = ""
    paths: tuple[str, ...] = ()


class HookVerbs:
    """Answers for the hooks of agents. They decide nothing that the guard or the gate would not decide in the same way."""

    def __init__(
        self,
        authority: Authority,
        shop: Workshop,
        guard: GuardVerbs,
        spawn: Spawn,
        probation: Probation,
    ) -> None:
        self._authority = authority
        self._shop = shop
        self._guard = guard
        self._spawn = spawn
        self._probation = probation

    def methods(self) -> list[Method[Any]]:
        """Return the verb."""
        return [Method("hook.edit", HookEdit, self.edit, Who.SESSION)]

    def edit(self, caller: Caller, params: HookEdit) -> object:
        """Grant, refuse, or answer when the wait is over; what is told is only noted."""
        session = asking(self._authority, caller)
        self._hear_first(session, params)
        repo = self._shop.repos.get(session.intent.repo)
        if repo is None or params.phase == "start":
            return _OK
        if session.intent.target:
            return self._fenced(session, repo, params) if params.phase == "before" else _OK
        files = self._inside(repo, params)
        if params.phase == "after":
            self._probation.edited(session, repo, files)
        else:
            self._probation.again(session, files)
        self._probation.spoke(session, repo, stopped=params.phase == "stop")
        if params.phase == "stop":
            return _OK
        if params.phase == "after":
            if files:
                told = {"harness": session.intent.harness, "tool": params.tool, "paths": list(files)}
                self._authority.do([Note("session.edited", session.id, session.key, told)])
            return _OK
        wanted = [path for path in files if not self._holds(session, repo, path)]
        if not wanted:
            return _OK
        later = _Relay()
        self._spawn(lambda: self._ask(caller, session, repo, wanted, later))
        return later.outer

    async def _ask(
        self, caller: Caller, session: Session, repo: Repository, wanted: list[str], later: _Relay
    ) -> None:
        """Claim what git does not ignore, as the guard would at the first write."""
        try:
            passed = await ignored(repo, wanted)
        except GitError:
            passed = frozenset()
        files = tuple(encode_path(path) for path in wanted if path not in passed)
        if not files:
            later.outer.answer(_OK)
            return
        trial = [path for path in wanted if path not in passed]
        self._probation.begin(session, repo, trial)
        later.refused = lambda: self._probation.forget(session.id, trial)
        try:
            # The guard's own claims come from the worker, which knows of them; of this one it is told.
            claimed = self._guard.claim_unguarded(
                caller, GuardClaim(files=files, wait=self._shop.settings.guard.wait)
            )
        except RpcError as error:
            later.refuse(error)
            return
        later.follow(claimed)

    def _fenced(self, session: Session, repo: Repository, params: HookEdit) -> object:
        """Refuse to a session with a work tree of its own what its guard would: the checkout, and others' work trees."""
        own = os.path.realpath(self._shop.worktrees.of(session, repo).root)
        others, checkout = os.path.realpath(self._shop.worktrees.folder), os.path.realpath(repo.root)
        in_checkout: list[str] = []
        for path in _real(params, own):
            if _below(path, own):
                continue
            if _below(path, others):
                why = f"{path} is in the work tree of another session; yours is {own}"
                raise RpcError(Code.REFUSED, why, {"reason": "fenced"})
            inner = os.path.relpath(path, checkout)
            if _below(path, checkout) and not inner.startswith(".git/"):
                in_checkout.append(inner)
        if not in_checkout:
            return _OK
        later = Later()
        self._spawn(lambda: self._refuse_tracked(repo, own, in_checkout, later))
        return later

    async def _refuse_tracked(self, repo: Repository, own: str, paths: list[str], later: Later) -> None:
        try:
            passed = await ignored(repo, paths)
        except GitError:
            passed = frozenset(paths)
        refused = [path for path in paths if path not in passed]
        if not refused:
            later.answer(_OK)
            return
        why = (
            f"{repo.root}/{refused[0]} is in the checkout, which changes by integration only; your work tree is {own}: "
            f"edit {own}/{refused[0]}"
        )
        later.refuse(RpcError(Code.REFUSED, why, {"reason": "fenced"}))

    def _hear_first(self, session: Session, params: HookEdit) -> None:
        if session.hooks is Hooks.SPOKE:
            return
        session.hooks = Hooks.SPOKE
        told = {"harness": session.intent.harness, "phase": params.phase}
        self._authority.do([Note("session.hooked", session.id, session.key, told)])

    def _inside(self, repo: Repository, params: HookEdit) -> tuple[str, ...]:
        """Return the paths in the checkout, relative to it; others are nobody's to lease."""
        root = os.path.realpath(repo.root)
        found: dict[str, None] = {}
        for path in _real(params, root):
            inner = os.path.relpath(path, root)
            if (
                inner != "."
                and not inner.startswith("../")
                and inner != ".."
                and not inner.startswith(".git/")
            ):
                found[inner] = None
        return tuple(found)

    def _holds(self, session: Session, repo: Repository, path: str) -> bool:
        try:
            scope = file_scope(path, session.intent.repo, fold_case=repo.fold_case)
        except ScopeError:
            return False
        return any(
            lease.holder == session.id
            and lease.mode is Mode.EXCLUSIVE
            and covers(lease.scope, path, fold_case=repo.fold_case)
            for lease in self._authority.tables.broker.who(scope)
        )


def write_verbs(
    authority: Authority,
    shop: Workshop,
    spawn: Spawn,
    leases: LeaseVerbs,
) -> tuple[GuardVerbs, HookVerbs]:
    """Return who answers before a write: to guards and to hooks."""
    guard = GuardVerbs(authority, shop, spawn)
    probation = Probation(authority, spawn, leases.give_back)

    def asked_for_itself(holder: str) -> None:
        probation.forget(holder)
        guard.keep(holder)

    leases.asked_for_itself = asked_for_itself
    return guard, HookVerbs(authority, shop, guard, spawn, probation)


def _real(params: HookEdit, root: str) -> Iterator[str]:
    """Yield where the named files are; relative ones start at the agent's folder, or at `root`."""
    for text in params.paths:
        if "\0" not in text:  # no file has such a name
            yield os.path.realpath(Path(decode_path(params.cwd) or root, decode_path(text)))


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


class _Relay:
    """A promise that is kept by another one, which is not made yet."""

    def __init__(self) -> None:
        self.outer = Later(on_gone=self._gone)
        self._inner: Later | None = None
        self.refused: Callable[[], None] = lambda: None

    def refuse(self, error: RpcError) -> None:
        """Answer that it may not be."""
        self.refused()
        self.outer.refuse(error)

    def follow(self, claimed: object) -> None:
        """Answer as the claim does, now or when it is decided."""
        if not isinstance(claimed, Later):
            self.outer.answer(claimed)
            return
        self._inner = claimed
        claimed.bind(self._deliver)

    def _deliver(self, _later: Later, outcome: object) -> None:
        if isinstance(outcome, RpcError):
            self.refuse(outcome)
        else:
            self.outer.answer(outcome)

    def _gone(self) -> None:
        if self._inner is not None:
            self._inner.gone()
