"""What sessions are prepared with: repositories, hooks, places, and the leases that a scope text stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import ScopeError, parse_scopes
from supervisor.core.tasks.backlog import Work
from supervisor.core.tasks.task import Problem, Task
from supervisor.daemon.worktrees import Worktrees
from supervisor.world.config.models import Settings
from supervisor.world.footing import Footing
from supervisor.world.git.hooks import install_hooks
from supervisor.world.git.paths import ScopePathError, resolve_scope_texts
from supervisor.world.git.repository import Repository
from supervisor.world.git.turns import install_turns


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

    def around(self, folder: str) -> str:
        """Return the name of the innermost repository that a folder is in; "" where it is in none."""
        found = [
            name
            for name, repository in self.repos.items()
            if folder and Path(folder).resolve().is_relative_to(repository.root)
        ]
        return max(found, key=lambda name: len(self.repos[name].root.parts), default="")

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
            known = ", ".join(self.repos) or "none is configured"
            raise ScopeError(
                f'"{paths[0]}" is a path, but of no repository; name the repository ({known}), or a resource instead'
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
