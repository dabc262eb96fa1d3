"""From a chosen task to what its worker runs: scopes resolved, brief written, environment built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from supervisor.core.decisions.gate import declares_paths
from supervisor.core.decisions.policy import Undeclared, Way
from supervisor.core.decisions.selection import plateau_warning
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import ScopeError, covers, parse_scopes
from supervisor.core.sessions.brief import Brief, Neighbour, render
from supervisor.core.sessions.integration import branch_of
from supervisor.core.sessions.roster import Intent, Session
from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.task import Problem, Task
from supervisor.daemon.confining import confinement
from supervisor.daemon.equipping import equip, template_of
from supervisor.daemon.harness_limits import limits_of
from supervisor.daemon.worktrees import Worktrees
from supervisor.world import clock
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.models import Settings
from supervisor.world.footing import Footing
from supervisor.world.git.aliases import aliases
from supervisor.world.git.facts import dirty
from supervisor.world.git.hooks import environment as gate_environment
from supervisor.world.git.hooks import install_hooks, needed, needed_alone, own_hooks
from supervisor.world.git.paths import ScopePathError, resolve_scope_texts
from supervisor.world.git.repository import Repository
from supervisor.world.git.salvage.keep import find
from supervisor.world.git.turns import install_turns, turns_environment
from supervisor.world.launch.environment import session_base
from supervisor.world.launch.launcher import LaunchError
from supervisor.world.launch.spec import NOTICE, GuardSpec, SessionSpec
from supervisor.world.level import Level

log = structlog.get_logger("leasehold")


@dataclass(slots=True)
class Workshop:
    """What is needed to prepare a session; `settings` and `repos` are replaced at a reload."""

    settings: Settings
    repos: Mapping[str, Repository]
    hooks: Path
    sessions: Path
    sockets: Path
    control: Path
    footing: Footing
    worktrees: Worktrees
    _resolved: dict[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], tuple[Want, ...]] = field(
        default_factory=dict
    )

    def work(self, task: Task) -> Work | Problem:
        """Return the task with the leases it needs, or why it cannot have any."""
        where = task.origin or task.key
        if task.repo and task.repo not in self.repos:
            return Problem(
                task.source, where, f'no repository "{task.repo}"', "name one of [repos.NAME] in the config"
            )
        key = (task.repo, task.paths, task.shared_paths, task.resources)
        if key not in self._resolved:
            try:
                self._resolved[key] = self._wants(task)
            except (ScopeError, ScopePathError) as error:
                return Problem(task.source, where, str(error))
        return Work(task, self._resolved[key])

    def mend_hooks(self) -> None:
        """Put the hooks back if somebody cleaned them away: without them the gate would not bite.

        Raises:
            HooksError: they cannot be written.
        """
        if not (self.hooks / "reference-transaction").exists():
            install_hooks(self.hooks)
        if not (self.hooks / "bin" / "git").exists():
            install_turns(self.hooks / "bin")

    def turn_lock(self, repo: str) -> Path:
        """Return the file that sessions without a guard lock while a git command of theirs writes."""
        return self.hooks / f"{repo}.git-lock"

    def forget_paths(self) -> None:
        """Resolve every path anew: links and folders may have changed."""
        self._resolved.clear()

    def wants(
        self, repo: str, texts: tuple[str, ...], mode: Mode, *, cwd: Path | None = None
    ) -> tuple[Want, ...]:
        """Return the leases that these scope texts stand for in a repository.

        Raises:
            ScopeError: a text names no scope.
            ScopePathError: a path leads out of the repository.
        """
        resources = tuple(text for text in texts if text.startswith(("resource:", "effect:")))
        paths = tuple(text for text in texts if text not in resources)
        if paths and not repo:
            raise ScopeError(
                f'"{paths[0]}" is a path, but the task has no repository; name a resource instead'
            )
        fold = False
        if paths:
            if repo not in self.repos:
                raise ScopeError(
                    f'repository "{repo}" is no longer configured, so nobody can say what is in it'
                )
            repository = self.repos[repo]
            fold = repository.fold_case
            paths = resolve_scope_texts(repository, paths, cwd=cwd)
        scopes = [
            scope for text in (*paths, *resources) for scope in parse_scopes(text, repo, fold_case=fold)
        ]
        return tuple(Want(scope, mode) for scope in dict.fromkeys(scopes))

    def _wants(self, task: Task) -> tuple[Want, ...]:
        return (
            *self.wants(task.repo, task.paths, Mode.EXCLUSIVE),
            *self.wants(task.repo, task.resources, Mode.EXCLUSIVE),
            *self.wants(task.repo, task.shared_paths, Mode.SHARED),
        )


async def session_spec(shop: Workshop, tables: Tables, session: Session) -> SessionSpec:
    """Return what the session's worker is to run.

    Raises:
        GitError: the repository could not be asked for its uncommitted files.
        LaunchError: a reload has just taken its harness or repository out of the configuration.
    """
    shop.mend_hooks()
    intent = session.intent
    harness = shop.settings.harness.get(intent.harness)
    if harness is None:
        raise LaunchError(f'harness "{intent.harness}" is no longer configured')
    repo = shop.repos.get(intent.repo)
    if intent.repo and repo is None:
        raise LaunchError(f'repository "{intent.repo}" is no longer configured')
    checkout = repo.root if repo is not None else Path()
    if repo is not None:
        repo = await shop.worktrees.make(session, repo, tables.backlog.track(session.key).last)
    folder = shop.sessions / session.id
    salvages = await _salvages(tables, session, repo)
    env = session_base(os.environ)
    base = env
    passed = pass_through(harness.env_from, os.environ)
    for name in passed.missing:
        log.warning("harness.variable_missing", session=session.id, harness=intent.harness, name=name)
    env.update(passed.values)
    env.update(harness.env)
    env.update(
        {
            "LEASEHOLD_SESSION": session.id,
            "LEASEHOLD_TASK": session.key,
            "LEASEHOLD_SOCKET": str(shop.control),
            "LEASEHOLD_TOKEN": intent.capability,
            "LEASEHOLD_NOTICE": str(folder / NOTICE),
        }
    )
    if salvages:
        env["LEASEHOLD_SALVAGES"] = " ".join(salvages)
    last = tables.backlog.track(session.key).last
    equipment = equip(session, harness, folder, env, last, same_place=not intent.target)
    chosen = {*harness.env, *passed.values}  # by the operator: that outranks the adapter's
    env.update({name: value for name, value in equipment.prepared.env.items() if name not in chosen})
    if equipment.resumed:
        log.info("session.goes_on", session=session.id, earlier=equipment.resumed)
    if repo is not None:
        env["LEASEHOLD_REPO"] = env["PWD"] = str(repo.root)
        base = dict(env)
        alone = shop.hooks / f"alone-{intent.repo}"
        install_hooks(alone, needed_alone(repo))
        env.update(gate_environment(repo, alone, env, target=intent.target))
        # Where the worker answers hooks, unless a guard needs none.
        env["LEASEHOLD_GATE"] = str(folder / "gate")
    if repo is not None and not intent.target:
        env.update(turns_environment(shop.hooks / "bin", shop.turn_lock(intent.repo), env))
    confine = confinement(shop.settings, intent, repo, checkout, folder, env)
    return SessionSpec(
        session=session.id,
        task=session.key,
        command=equipment.prepared.argv,
        prompt=render(
            brief_of(tables, session, await _dirty_in_scope(tables, session, repo), salvages, shop, confine),
            template_of(harness),
        ),
        env=env,
        cwd=repo.root if repo is not None else Path(env.get("HOME", "/")),
        budget=session.budget,
        log_limit=harness.log_limit,
        socket=shop.sockets / f"{session.id}.sock",
        model=intent.model,
        repo=repo.root if repo is not None else None,
        limits=limits_of(harness),
        files=equipment.prepared.files,
        links=equipment.prepared.links,
        stop=equipment.stop,
        guard=await _guard(shop, tables, intent, repo, checkout, base) if repo is not None else None,
        confine=confine,
    )


async def _guard(
    shop: Workshop,
    tables: Tables,
    intent: Intent,
    repo: Repository,
    checkout: Path,
    base: Mapping[str, str],
) -> GuardSpec | None:
    """Return how the session's writes are held to its leases; `None` where the level does not reach so far."""
    settings = shop.settings
    git = shutil.which("git")
    if shop.footing.level < Level.KERNEL or settings.guard.mode == "off" or git is None:
        return None
    hooks = shop.hooks / f"guarded-{intent.repo}"
    install_hooks(hooks, needed(repo))
    return GuardSpec(
        name=intent.repo,
        root=repo.root,
        git=git,
        git_dir=repo.common_dir,
        control=shop.control,
        token=intent.capability,
        aliases=await aliases(repo),
        wait=settings.guard.wait,
        git_wait=settings.guard.git_wait,
        patience=0.0 if settings.guard.away == "closed" else settings.guard.away_wait,
        open_when_away=settings.guard.away == "open",
        keep_dumpable=settings.guard.keep_dumpable,
        required=settings.leases.required_level == "kernel",
        leases=tables.broker.held(intent.session),
        hooks=hooks,
        spare_hooks=shop.hooks,
        own_hooks=own_hooks(repo),
        env=_under_guard(repo, hooks, base),
        target=intent.target,
        checkout=checkout if intent.target else None,
        others=repo.root.parent if intent.target else None,
    )


_GATE_FILES = (
    "GIT_CONFIG_VALUE_",
    "GIT_CONFIG_PARAMETERS",
)  # the variables that name the folder of the hooks


def _under_guard(repo: Repository, hooks: Path, base: Mapping[str, str]) -> dict[str, str]:
    """Return what is different for a session once its guard is in place.

    It sees to git's turns, and to branches where they are files: then hooks need not.
    """
    env = {name: base[name] for name in ("PATH", "LEASEHOLD_GATE_WAIT") if name in base}
    if not (repo.common_dir / "reftable").exists():
        env["LEASEHOLD_GATE"] = "guard"
        ours = gate_environment(repo, hooks, base)
        env |= {name: value for name, value in ours.items() if name.startswith(_GATE_FILES)}
    return env


async def _dirty_in_scope(tables: Tables, session: Session, repo: Repository | None) -> tuple[str, ...]:
    scopes = [lease.scope for lease in tables.broker.held(session.id)]
    if repo is None or not scopes:
        return ()
    return tuple(
        file.path
        for file in await dirty(repo)
        if any(covers(scope, file.path, fold_case=repo.fold_case) for scope in scopes)
    )


async def _salvages(tables: Tables, session: Session, repo: Repository | None) -> tuple[str, ...]:
    """Return which of the salvages that the task left are still there: an operator may have dropped some."""
    last = tables.backlog.track(session.key).last
    if repo is None or last is None:
        return ()
    return tuple([name for name in last.salvages if await find(repo, name) is not None])


def _way(tables: Tables, name: str) -> str:
    repo = tables.policy.repos.get(name)
    return (repo.integration.way if repo is not None and repo.integration is not None else Way.REBASE).value


def brief_of(
    tables: Tables,
    session: Session,
    inherited: tuple[str, ...],
    salvages: tuple[str, ...],
    shop: Workshop,
    confine: tuple[Path, ...] | None,
) -> Brief:
    """Return the facts that a session is told, as they are now."""
    now = clock.now()
    task = session.intent.task
    held = tables.broker.held(session.id)
    track = tables.backlog.track(session.key)
    return Brief(
        session=session.id,
        task=task,
        now=now.wall,
        budget=session.budget.wall,
        level=(Level.WORKTREE if session.intent.target else shop.footing.level).told,
        rung=shop.footing.ladder.rung.told,
        holds=tuple(lease.scope.text + (" (shared)" if lease.mode is Mode.SHARED else "") for lease in held),
        may_discover=not declares_paths(session) and tables.policy.leases.undeclared is Undeclared.GRANT,
        guarded=shop.footing.level >= Level.KERNEL,
        neighbours=tuple(
            Neighbour(
                other.id,
                other.key,
                other.intent.task.title,
                tuple(lease.scope.text for lease in tables.broker.held(other.id)),
                other.state_name,
            )
            for other in tables.roster
            if other.id != session.id
        ),
        recent=tuple(
            touch
            for touch in tables.recent.inside(
                task.repo, [Want(lease.scope, lease.mode) for lease in held], now.wall
            )
            if touch.session != session.id
        ),
        dirty=inherited,
        last=track.last,
        salvages=salvages,
        notes=track.notes,
        plateau=plateau_warning(tables),
        branch=branch_of(session.id) if session.intent.target else "",
        target=session.intent.target,
        way=_way(tables, session.intent.repo),
        writable=tuple(map(str, confine or ())),
    )
