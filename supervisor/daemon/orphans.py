"""Uncommitted files that belong to no session: found at start, named, and never raced for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from supervisor.core.decisions.effects import Effect, Note, Wake
from supervisor.core.decisions.holders import ORPHANS
from supervisor.core.decisions.policy import Orphans
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import covers, file_scope
from supervisor.core.tasks.backlog import Offer, Work
from supervisor.core.tasks.task import Task, Tier
from supervisor.daemon.authority import Authority
from supervisor.daemon.situation import Situation
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError

log = structlog.get_logger("leasehold")

SOURCE = "under-way"  # the source of hand-off tasks


async def look_for_orphans(
    authority: Authority, situation: Situation, repos: Mapping[str, Repository], tasks: Iterable[Path]
) -> None:
    """Find orphans in every repository and hold them, or offer them to one session as a hand-off task.

    Files in the folders `tasks` are the operator's own way of giving work, not work left behind.
    """
    tasks = tuple(tasks)
    works: list[Work] = []
    effects: list[Effect] = [
        Wake(woken) for woken in authority.tables.broker.release(ORPHANS, None, authority.now().mono)
    ]
    for name, repo in repos.items():
        policy = authority.tables.policy.repos[name]
        try:
            files = [
                file.path.removesuffix("/")
                for file in await dirty(repo)
                if not any(Path(repo.root, file.path).is_relative_to(folder) for folder in tasks)
            ]
        except GitError as error:
            log.warning("git.failed", repo=name, why=str(error))
            continue
        orphans = _unowned(authority, name, files)
        situation.orphans.pop(name, None)
        if not orphans:
            continue
        situation.orphans[name] = orphans
        data = {
            "repo": name,
            "paths": list(orphans[:50]),
            "count": len(orphans),
            "then": policy.orphans.value,
        }
        effects.append(Note("worktree.orphans", data=data))
        wants = tuple(Want(file_scope(path, name), Mode.EXCLUSIVE) for path in orphans)
        if policy.orphans is Orphans.HAND_OFF:
            works.append(Work(_hand_off(name, orphans), wants))
        else:
            authority.tables.broker.acquire(ORPHANS, wants, authority.now().mono)
    authority.tables.backlog.offer(Offer(SOURCE, tuple(works), (), authority.now().wall))
    authority.do(effects)


def _unowned(authority: Authority, repo: str, files: list[str]) -> tuple[str, ...]:
    """Return the files that no living session holds and no unfinished task left behind to be resumed."""
    tables = authority.tables
    scopes = [lease.scope for lease in tables.broker.leases() if lease.scope.repo == repo]
    resumed = {
        path
        for key, track in tables.backlog.tracks()
        if track.last is not None and not tables.backlog.closed(key)
        for path in track.last.dirty
    }
    return tuple(
        sorted(
            path for path in files if path not in resumed and not any(covers(scope, path) for scope in scopes)
        )
    )


def _hand_off(repo: str, paths: tuple[str, ...]) -> Task:
    mark = hashlib.blake2b("\0".join((repo, *paths)).encode("utf-8", "surrogateescape"), digest_size=4)
    listed = "\n".join(f"- {path}" for path in paths)
    shown = ", ".join(paths[:3]) + (" …" if len(paths) > 3 else "")
    return Task(
        key=f"hand-off-{repo}-{mark.hexdigest()}",
        title=f"Finish or discard the uncommitted work in {shown}",
        source=SOURCE,
        repo=repo,
        tier=Tier.UNDER_WAY,
        paths=paths,
        lane="hand-off",
        body=(
            "An earlier session or a human left these files uncommitted. Look at the differences, then "
            f"finish and commit the work, or restore the files:\n\n{listed}"
        ),
        origin=f"uncommitted files in {repo}",
    )
