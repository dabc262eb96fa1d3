"""guard.discard: whether a git command may throw away what is uncommitted in a checkout that sessions and people share."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import structlog

from supervisor.core.decisions.unowned import spare, unowned
from supervisor.daemon.authority import Authority
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.verbs.answers import asking, lease_error
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import Caller
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params, Who
from supervisor.world.git.facts import Dirt, DirtyFile, dirty
from supervisor.world.git.run import GitError
from supervisor.world.threads import in_thread

log = structlog.get_logger("leasehold")

_TRACKED = frozenset({Dirt.MODIFIED, Dirt.STAGED, Dirt.RENAMED, Dirt.CONFLICTED})
_TICK = 0.02  # seconds by which the kernel's times of files may lag behind its clock


class Discard(Params, kw_only=True):
    """`what` the command throws away; `tokens` are of leases that it has been granted already."""

    what: Literal["tracked", "untracked", "both"]
    tokens: tuple[int, ...] = ()


class DiscardVerbs:
    """Answers for guards before they ask for the whole checkout. `apart` are folders that are no session's work."""

    def __init__(
        self, authority: Authority, shop: Workshop, spawn: Spawn, apart: Callable[[], Iterable[Path]]
    ) -> None:
        self._authority = authority
        self._shop = shop
        self._spawn = spawn
        self._apart = apart

    def methods(self) -> list[Method[Any]]:
        """Return the verb."""
        return [Method("guard.discard", Discard, self.discard, Who.SESSION)]

    def discard(self, caller: Caller, params: Discard) -> object:
        """Refuse if something would be lost that was written since the session began, by nobody that is known."""
        session = asking(self._authority, caller)
        repo = self._shop.repos.get(session.intent.repo)
        if repo is None:
            return {}
        later = Later()

        async def look() -> None:
            tables = self._authority.tables
            try:
                files = await dirty(repo)
                since = session.intent.created.wall - _TICK
                apart = tuple(self._apart())  # here: what it is made from changes with a reload
                fresh = await in_thread(lambda: fresh_files(repo.root, files, params.what, since, apart))
            except (GitError, OSError) as error:
                log.warning("git.failed", session=session.id, why=str(error))
                fresh = {}
            paths = unowned(
                tables,
                session.intent.repo,
                fresh,
                fold_case=repo.fold_case,
                apart_from=frozenset(params.tokens),
            )
            if not paths:
                later.answer({})
                return
            refusal, effects = spare(tables, session, paths, params.what)
            self._authority.do(effects)
            later.refuse(lease_error(refusal))

        self._spawn(look)
        return later


def fresh_files(
    root: Path, files: Iterable[DirtyFile], what: str, since: float, apart: Sequence[Path]
) -> dict[str, float]:
    """Return which dirty files below `root` a command that discards `what` would take and that changed after `since`, and when.

    Times are Unix seconds. What lies in the folders `apart` does not count.
    """
    taken = (
        file
        for file in files
        if (
            (what != "untracked" and file.kind in _TRACKED)
            or (what != "tracked" and file.kind is Dirt.UNTRACKED)
        )
        and not any(Path(root, file.path).is_relative_to(folder) for folder in apart)
    )
    changed = {file.path: _changed_at(root / file.path, file.kind) for file in taken}
    return {path: at for path, at in changed.items() if at >= since}


def _changed_at(path: Path, kind: Dirt) -> float:
    """Return when a file was written, 0 for what cannot be told: a mode alone, which no lease is taken for, is nobody's work.

    A file that git does not know may have been moved or unpacked here with the time of its writing kept. One with several
    names may have been written under another one, which is leased.
    """
    try:
        seen = os.lstat(path)
    except OSError:
        return 0.0
    if not (stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode)) or seen.st_nlink != 1:
        return 0.0
    return max(seen.st_mtime, seen.st_ctime) if kind is Dirt.UNTRACKED else seen.st_mtime
