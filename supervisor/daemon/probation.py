"""Leases that hooks were granted for one edit: where that failed or changed nothing, they are given back.

Not every agent tells of an edit that failed. Such a one is seen to be over when the hooks speak of something else a while later, and the file
is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import ScopeError, file_scope, path_key
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.spawn import Spawn
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError

log = structlog.get_logger("leasehold")

_LONG_OVER = 10.0  # seconds after its hook was answered that an edit has been made, or never will be

Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """One file: as it was before the edit, and when that was asked for. A new one for each time it is asked for."""

    stamp: Stamp
    asked_at: float


class Probation:
    """The files that were leased because a hook asked, until their edit is over. `give_back` ends leases of a session."""

    def __init__(
        self,
        authority: Authority,
        spawn: Spawn,
        give_back: Callable[[str, tuple[Want, ...]], object],
    ) -> None:
        self._authority = authority
        self._spawn = spawn
        self._give_back = give_back
        self._trials: dict[str, dict[str, _Trial]] = {}  # by session and path

    def begin(self, session: Session, repo: Repository, paths: Iterable[str]) -> None:
        """Remember how files look that the session is about to be granted and to edit."""
        roster = self._authority.tables.roster
        self._trials = {known: trials for known, trials in self._trials.items() if known in roster}
        trials = self._trials.setdefault(session.id, {})
        now = self._authority.now().mono
        trials.update({path: _Trial(_stamp(repo, path), now) for path in paths})

    def again(self, session: Session, paths: Iterable[str]) -> None:
        """Take note that files are about to be edited which the session holds: one on trial stays so."""
        trials = self._trials.get(session.id, {})
        now = self._authority.now().mono
        for path in paths:
            if (trial := trials.get(path)) is not None:
                trials[path] = _Trial(trial.stamp, now)

    def forget(self, session: str, paths: Iterable[str] | None = None) -> None:
        """Leave these files, or all, with the session: it was refused them, or has asked for leases itself."""
        trials = self._trials.get(session, {})
        for path in list(trials) if paths is None else paths:
            trials.pop(path, None)

    def edited(self, session: Session, repo: Repository, paths: Iterable[str]) -> None:
        """Judge the files of an edit that is over, whether it changed them or not."""
        trials = self._trials.get(session.id, {})
        self._judge(session, repo, {path: trials[path] for path in paths if path in trials})

    def spoke(self, session: Session, repo: Repository, *, stopped: bool) -> None:
        """Judge the files whose edits must be over by now, and that nobody has touched."""
        now = self._authority.now().mono
        over = {
            path: trial
            for path, trial in self._trials.get(session.id, {}).items()
            if (stopped or now - trial.asked_at >= _LONG_OVER) and _stamp(repo, path) == trial.stamp
        }
        self._judge(session, repo, over)

    def _judge(self, session: Session, repo: Repository, over: dict[str, _Trial]) -> None:
        if over:
            self._spawn(lambda: self._let_go_of_the_clean(session, repo, over))

    async def _let_go_of_the_clean(self, session: Session, repo: Repository, over: dict[str, _Trial]) -> None:
        try:
            changed = {
                path_key(file.path, fold_case=repo.fold_case) for file in await dirty(repo, tuple(over))
            }
        except GitError as error:
            log.warning("git.failed", session=session.id, why=str(error))
            return
        trials = self._trials.get(session.id, {})
        wants = []
        for path, trial in over.items():
            if trials.get(path) is not trial:
                continue  # it is being edited again
            del trials[path]
            if path_key(path, fold_case=repo.fold_case) not in changed:
                wants += _wants(session, repo, path)
        tables = self._authority.tables
        held = {lease.scope for lease in tables.broker.held(session.id) if lease.token not in tables.closing}
        wants = [want for want in wants if want.scope in held]
        if wants and session.live():
            self._give_back(session.id, tuple(wants))


def _wants(session: Session, repo: Repository, path: str) -> list[Want]:
    try:
        return [Want(file_scope(path, session.intent.repo, fold_case=repo.fold_case), Mode.EXCLUSIVE)]
    except ScopeError:
        return []


def _stamp(repo: Repository, path: str) -> Stamp:
    try:
        found = (repo.root / path).lstat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
