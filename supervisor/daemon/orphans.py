"""Uncommitted files that belong to no session: found at start, named, and never raced for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import structlog

from supervisor.core.decisions.effects import Effect, Note, Wake
from supervisor.core.decisions.holders import ORPHANS, UNDER_WAY
from supervisor.core.decisions.policy import Orphans
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import Scope, covers, file_scope
from supervisor.core.tasks.backlog import Offer, Work
from supervisor.core.tasks.task import Task, Tier
from supervisor.daemon.authority import Authority
from supervisor.daemon.salvaging import move_orphans
from supervisor.daemon.situation import Situation
from supervisor.daemon.sources.feeds import Sources
from supervisor.world.config.models import Settings
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError

log = structlog.get_logger("leasehold")

SOURCE = UNDER_WAY
_HAND_OFF = "hand-off-"  # begins their keys


def set_apart(sources: Sources, settings: Settings) -> tuple[Path, ...]:
    """Return the folders whose uncommitted files are no session's work: those of tasks, and our own state.

    The state has the specifications of sessions, and those have their secrets: they must get into no commit.
    """
    state = settings.supervisor.state_dir
    return (*sources.folders().values(), state, state.resolve())


async def look_for_orphans(
    authority: Authority, situation: Situation, repos: Mapping[str, Repository], tasks: Iterable[Path]
) -> None:
    """Find orphans in every repository and hold them, or offer them to one session as a hand-off task.

    Files in the folders `tasks` are the operator's own way of giving work, not work left behind.
    """
    tasks = tuple(tasks)
    # Where no session works in the checkout, what is uncommitted there is the operator's own.
    repos = {name: repo for name, repo in repos.items() if authority.tables.policy.integration(name) is None}
    await _salvage(authority, repos, tasks)
    files = {
        name: found for name, repo in repos.items() if (found := await _files(name, repo, tasks)) is not None
    }
    # From here on nothing is waited for: what is held stays held until the new leases are there.
    works: list[Work] = []
    effects: list[Effect] = []
    held: set[Scope] = set()
    for name in repos:
        works += _handed_off(authority, name)
        if name not in files:  # git could not be asked: what was found before is still the best that is known
            held |= {
                lease.scope for lease in authority.tables.broker.held(ORPHANS) if lease.scope.repo == name
            }
            continue
        policy = authority.tables.policy.repos[name]
        orphans = _unowned(authority, name, files[name])
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
            continue
        held |= {want.scope for want in wants}
        for want in wants:  # one by one: a file that somebody waits for must not leave the others unheld
            authority.tables.broker.acquire(ORPHANS, (want,), authority.now().mono)
    over = [lease.scope for lease in authority.tables.broker.held(ORPHANS) if lease.scope not in held]
    effects += [Wake(woken) for woken in authority.tables.broker.release(ORPHANS, over, authority.now().mono)]
    authority.tables.backlog.offer(Offer(SOURCE, tuple(works), (), authority.now().wall))
    authority.do(effects)


async def _salvage(authority: Authority, repos: Mapping[str, Repository], tasks: tuple[Path, ...]) -> None:
    """Move orphans into a salvage where the configuration says so; nobody gets their paths meanwhile.

    What cannot be kept, or changes meanwhile, stays held like any other orphan.
    """
    for name, repo in repos.items():
        if authority.tables.policy.repos[name].orphans is not Orphans.SALVAGE:
            continue
        if authority.tables.wait_for_reports:
            continue  # a session that has not said yet what it took may be at work in them: only hold them
        files = await _files(name, repo, tasks)
        orphans = _unowned(authority, name, files or [])
        if not orphans:
            continue
        for path in orphans:
            want = Want(file_scope(path, name, fold_case=repo.fold_case), Mode.EXCLUSIVE)
            authority.tables.broker.acquire(ORPHANS, (want,), authority.now().mono)
        limit = authority.tables.policy.repos[name].salvage_limit
        try:
            salvage = await move_orphans(repo, orphans, authority.now().wall, limit)
        except (GitError, OSError) as error:
            log.error("worktree.unsalvaged", repo=name, why=str(error))
            continue
        if salvage is not None:
            data = {"repo": name, **salvage.as_json()}
            authority.do([Note("worktree.salvaged", data=data)])


def _handed_off(authority: Authority, repo: str) -> list[Work]:
    """Return the hand-offs that sessions work on: their files are held, but they may be needed again."""
    tasks = (session.intent.task for session in authority.tables.roster)
    return [
        Work(task, tuple(Want(file_scope(path, repo), Mode.EXCLUSIVE) for path in task.paths))
        for task in tasks
        if task.source == SOURCE and task.repo == repo
    ]


async def _files(name: str, repo: Repository, tasks: tuple[Path, ...]) -> list[str] | None:
    """Return the uncommitted files outside the task folders, or `None` when git could not be asked."""
    try:
        return [
            file.path.removesuffix("/")
            for file in await dirty(repo)
            if not any(Path(repo.root, file.path).is_relative_to(folder) for folder in tasks)
        ]
    except GitError as error:
        log.warning("git.failed", repo=name, why=str(error))
        return None


def _unowned(authority: Authority, repo: str, files: list[str]) -> tuple[str, ...]:
    """Return the files that no living session holds and no unfinished task left behind to be resumed.

    A hand-off is offered here and nowhere else: what it left behind is an orphan again.
    """
    tables = authority.tables
    scopes = [
        lease.scope
        for lease in tables.broker.leases()
        if lease.scope.repo == repo and lease.holder != ORPHANS
    ]
    resumed = {
        path
        for key, track in tables.backlog.tracks()
        if track.last is not None and not tables.backlog.closed(key) and not key.startswith(_HAND_OFF)
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
        key=f"{_HAND_OFF}{repo}-{mark.hexdigest()}",
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
