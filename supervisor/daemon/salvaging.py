"""Keeping what an ended session left uncommitted, before anything of it is released or cleaned."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import structlog

from supervisor.core.decisions.gate import declares_paths
from supervisor.core.decisions.holders import UNDER_WAY
from supervisor.core.decisions.policy import Leftovers, Repo
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.coverage import Coverage
from supervisor.core.leases.lease import Mode
from supervisor.core.leases.scope import Scope
from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.salvage import Salvage, Unsalvaged
from supervisor.world.failpoint import failpoint
from supervisor.world.git.facts import DirtyFile
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import Kept, contains, find, is_landed, keep
from supervisor.world.git.salvage.message import Label

log = structlog.get_logger("leasehold")

LIMIT = 120.0  # seconds for one salvage; a git that hangs is killed with its children
_AT_ONCE = 2  # salvages in one repository at a time: more would only fight for the disk
_SAID = 20  # paths in a line of the log
_REMEMBERED = 8  # salvages that a task's next session is told of


@dataclass(frozen=True, slots=True)
class Rescued:
    """What became of a session's uncommitted work; `open_` names the salvages its task still has to look at."""

    result: Salvage | Unsalvaged | None = None
    open_: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """Dirty paths that the session held, and those of nobody that changed while it ran."""

    own: tuple[str, ...]
    unleased: tuple[str, ...]


@dataclass(slots=True)
class Salvager:
    """Salvages sessions. `folders` are those of task files, which are the operator's and nobody's work."""

    tables: Tables
    folders: Callable[[], Iterable[Path]]
    limit: float = LIMIT
    _turns: dict[Path, anyio.CapacityLimiter] = field(default_factory=dict)

    async def rescue(
        self, session: Session, repo: Repository, files: Iterable[DirtyFile], outcome: Outcome
    ) -> Rescued:
        """Keep the session's work among these dirty files; what fails is said in the result, not raised."""
        share = self.share(session, repo, tuple(files), only_new=outcome is Outcome.UNSPAWNED)
        turn = self._turns.setdefault(repo.common_dir, anyio.CapacityLimiter(_AT_ONCE))
        async with turn:
            try:
                with anyio.fail_after(self.limit):
                    return await self._rescue(session, repo, share, outcome)
            except TimeoutError:
                why = f"git was still at it after {self.limit:g} s and was ended"
            except (GitError, OSError) as error:
                why = str(error)
        held = () if session.intent.target else share.own
        return Rescued(Unsalvaged(why, share.own, held=held), self._earlier(session))

    def share(
        self, session: Session, repo: Repository, files: tuple[DirtyFile, ...], *, only_new: bool
    ) -> Share:
        """Divide the dirty files of the session's repository; with `only_new`, those changed since its start."""
        if session.intent.target:  # a work tree of its own: all in it is the session's
            return Share(tuple(file.path for file in files), ())
        tables, name = self.tables, session.intent.repo
        own = [lease.scope for lease in tables.broker.held(session.id) if lease.mode is Mode.EXCLUSIVE]
        others = [
            lease.scope
            for lease in tables.broker.leases()
            if lease.scope.repo == name and lease.holder != session.id and lease.mode is Mode.EXCLUSIVE
        ]
        others += _handed_off(tables, name)
        known = {
            path
            for key, track in tables.backlog.tracks()
            if track.last is not None and key != session.key and not tables.backlog.closed(key)
            for path in track.last.dirty
        }
        folders = tuple(self.folders())
        began = session.intent.created.wall

        mine = Coverage(own, fold_case=repo.fold_case)
        theirs = Coverage(others, fold_case=repo.fold_case)
        held: list[str] = []
        free: list[str] = []
        for file in files:
            path = file.path
            if path.rstrip("/") in mine:
                if not only_new or changed_since(repo.root, path, began):
                    held.append(path)
            elif (
                path.rstrip("/") not in theirs
                and path not in known
                and not any((repo.root / path).is_relative_to(folder) for folder in folders)
                and changed_since(repo.root, path, began)
            ):
                free.append(path)
        return Share(tuple(held), tuple(free))

    async def _rescue(self, session: Session, repo: Repository, share: Share, outcome: Outcome) -> Rescued:
        policy = self.tables.policy.repos.get(session.intent.repo, Repo(session.intent.repo))
        neighbours = tuple(
            other.id
            for other in self.tables.roster
            if other.id != session.id and other.intent.repo == session.intent.repo
        )
        label = Label(
            session=session.id,
            task=session.key,
            outcome=outcome.value,
            paths=share.own,
            unleased=share.unleased,
            neighbours=neighbours if share.unleased else (),
        )
        kept, unkept = None, {}
        if share.own or share.unleased:
            kept, snapshot = await keep(repo, session.id, label, limit=policy.salvage_limit)
            unkept = dict(snapshot.unkept)
        if kept is None:
            kept = await find(repo, session.id)  # of an earlier attempt to settle, which cleaned already
        open_ = await self._still_open(session, repo, kept)
        if kept is None:
            return Rescued(_nothing_but(unkept), open_)
        failpoint("settle.kept")
        cleans = policy.leftovers is Leftovers.CLEAN and not session.intent.target
        cleaned = await self._clean(repo, kept, share) if cleans else ()
        failpoint("settle.cleaned")
        return Rescued(
            Salvage(
                id=kept.id,
                ref=kept.ref,
                commit=kept.commit,
                paths=kept.label.paths,
                unleased=kept.label.unleased,
                neighbours=kept.label.neighbours,
                unkept=kept.label.unkept,
                cleaned=cleaned,
            ),
            (*open_, kept.id)[-_REMEMBERED:] if kept.label.paths or not declares_paths(session) else open_,
        )

    async def _clean(self, repo: Repository, kept: Kept, share: Share) -> tuple[str, ...]:
        """Restore the leased paths; what was held by nobody may be somebody's, and stays.

        Returned are also those that an attempt to settle before this one restored.
        """
        cleaned, left = await clean(repo, kept, [path for path in share.own if path in kept.label.paths])
        _say_left(kept, left)
        earlier = tuple(path for path in kept.label.paths if path not in share.own)
        return (*earlier, *cleaned)

    async def _still_open(self, session: Session, repo: Repository, kept: Kept | None) -> tuple[str, ...]:
        """Return the earlier salvages of the task that neither landed nor are part of this one."""
        found = []
        for name in self._earlier(session):
            earlier = await find(repo, name)
            if earlier is None or (kept is not None and earlier.id == kept.id):
                continue
            if await is_landed(repo, earlier) or (kept is not None and await contains(repo, kept, earlier)):
                continue
            found.append(name)
        return tuple(found)

    def _earlier(self, session: Session) -> tuple[str, ...]:
        last = self.tables.backlog.track(session.key).last
        return last.salvages if last else ()


async def move_orphans(
    repo: Repository, paths: tuple[str, ...], now: float, limit: int | None
) -> Salvage | None:
    """Keep files of nobody in a salvage named after the time `now` (Unix seconds), and restore them.

    Raises:
        GitError: git failed, or took too long; what was not kept is untouched.
        OSError: there is no room for a temporary file.
    """
    name = time.strftime("orphans-%Y%m%dT%H%M%SZ", time.gmtime(now))
    label = Label(session="", task="", outcome="orphaned", paths=paths)
    try:
        with anyio.fail_after(LIMIT):
            kept, _ = await keep(repo, name, label, limit=limit)
            if kept is None:
                return None
            cleaned, left = await clean(repo, kept, kept.label.paths)
    except TimeoutError:
        raise GitError(f"git was still salvaging after {LIMIT:g} s and was ended") from None
    _say_left(kept, left)
    return Salvage(
        kept.id, kept.ref, kept.commit, kept.label.paths, unkept=kept.label.unkept, cleaned=cleaned
    )


def changed_since(root: Path, path: str, since: float) -> bool:
    """Tell whether a path, or for one that is gone the folder around it, changed after `since` (Unix seconds)."""
    for place in _upwards(root, path):
        try:
            return os.lstat(place).st_ctime >= since - 1.0  # a file system may keep whole seconds
        except OSError:
            continue
    return True


def _upwards(root: Path, path: str) -> Iterator[str]:
    at = path.rstrip("/")
    while at:
        yield f"{root}/{at}"
        at = at.rpartition("/")[0]
    yield str(root)


def _handed_off(tables: Tables, repo: str) -> list[Scope]:
    """Return what is offered to a session as orphaned work: found before, and nobody's doing now."""
    return [
        want.scope
        for work in tables.backlog.works()
        if work.task.source == UNDER_WAY and work.task.repo == repo
        for want in work.wants
    ]


def _say_left(kept: Kept, left: Mapping[str, str]) -> None:
    """Log what was kept, but could not be cleaned."""
    if left:
        shown = dict(list(left.items())[:_SAID])
        log.warning("salvage.not_cleaned", salvage=kept.id, count=len(left), paths=shown)


def _nothing_but(unkept: Mapping[str, str]) -> Unsalvaged | None:
    """Return what is told when all that was left is of a kind that no commit can hold."""
    if not unkept:
        return None
    return Unsalvaged("; ".join(sorted(set(unkept.values()))), tuple(unkept))
