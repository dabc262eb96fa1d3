"""The salvages of the configured repositories, read from git itself: no supervisor is needed for that.

GitPython is used here because a verb is a short-lived process; its authors advise against it in daemons.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supervisor.world.git.salvage.keep import REFS
from supervisor.world.git.salvage.message import Label, parse, quote

if TYPE_CHECKING:
    from git import Repo


@dataclass(frozen=True, slots=True)
class Stored:
    """One salvage: `at` is Unix seconds, `repo` the repository's name in the configuration, or ""."""

    id: str
    repo: str
    root: Path
    commit: str
    at: int
    label: Label

    @property
    def ref(self) -> str:
        """The full name of its reference."""
        return REFS + self.id


def repositories(ctx: click.Context, name: str = "") -> list[tuple[str, Path]]:
    """Return name and folder of the repositories meant: the session's, the configured ones, or that around here.

    Raises:
        click.ClickException: there is none.
    """
    from supervisor.world.config.discover import DiscoverError, find_config
    from supervisor.world.config.load import ConfigError, load

    inside = os.environ.get("LEASEHOLD_REPO") if os.environ.get("LEASEHOLD_TOKEN") else None
    if inside:
        return [("", Path(inside))]
    found: dict[str, Path] = {}
    try:
        settings = load(
            find_config((ctx.find_root().obj or {}).get("config"), os.environ, Path.cwd()), os.environ
        )
        found = {key: repo.path for key, repo in settings.repos.items()}
    except (DiscoverError, ConfigError) as error:
        if name:
            raise click.ClickException(str(error)) from error
    if name and name not in found:
        raise click.ClickException(f'no repository "{name}"; there are: {", ".join(found) or "none"}')
    if found:
        return [(key, path) for key, path in found.items() if name in {"", key}]
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo

    try:
        with Repo(Path.cwd(), search_parent_directories=True) as repo:
            return [("", Path(repo.working_dir))]
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise click.ClickException(
            "no configuration and no git repository here; `leasehold init` writes one, -c FILE names one"
        ) from error


def stored(ctx: click.Context, name: str = "") -> list[Stored]:
    """Return all salvages, oldest first.

    Raises:
        click.ClickException: a repository cannot be read.
    """
    from git import GitCommandError

    found: list[Stored] = []
    for key, path in repositories(ctx, name):
        with opened(path) as repo:
            try:
                listed = repo.git.for_each_ref("--format=%(objectname) %(refname)", REFS)
            except GitCommandError as error:
                raise click.ClickException(_unreadable(path, str(error.stderr))) from error
            for line in listed.splitlines():
                sha, _, ref = line.partition(" ")
                commit = repo.commit(sha)
                label = parse(_text(commit.message))
                found.append(Stored(ref.removeprefix(REFS), key, path, sha, commit.committed_date, label))
    return sorted(found, key=lambda one: (one.at, one.id))


def _unreadable(path: Path, said: str) -> str:
    if "dubious ownership" in said:
        return f"{path} belongs to {path.owner()}, and git refuses it to others; run this as {path.owner()}"
    reason = said.strip().removeprefix("stderr: ").strip("'").partition("\n")[0]
    return f"{path} cannot be read: {reason}"


def one(ctx: click.Context, named: str, repo: str = "") -> Stored:
    """Return the salvage of this id, or the latest of this task.

    Raises:
        click.ClickException: there is none, or one in several repositories.
    """
    everything = stored(ctx, repo)
    exact = [entry for entry in everything if entry.id == named]
    if len(exact) > 1:
        names = ", ".join(entry.repo for entry in exact)
        raise click.ClickException(f'salvage "{named}" is in several repositories: {names}; say --repo')
    of_task = [entry for entry in everything if entry.label.task == named]
    if not exact and not of_task:
        raise click.ClickException(f'no salvage "{named}"; `leasehold salvage list` names them')
    return exact[0] if exact else of_task[-1]


def opened(path: Path) -> Repo:
    """Return the repository at `path`; it is to be closed.

    Raises:
        click.ClickException: it is none.
    """
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo

    try:
        return Repo(path)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise click.ClickException(f"{path} is not a git repository") from error


def changes(repo: Repo, entry: Stored) -> dict[str, str]:
    """Return each path in a salvage with how it differs from the commit below: A, M, D or T."""
    output = repo.git.diff_tree(
        "-r", "-z", "--name-status", "--no-renames", base(repo, entry), entry.commit, stdout_as_string=False
    )
    tokens = os.fsdecode(output).split("\0")
    return dict(zip(tokens[1::2], tokens[::2], strict=False))


def base(repo: Repo, entry: Stored) -> str:
    """Return what a salvage is compared with: the commit below it, or for a first commit nothing."""
    return entry.label.base or repo.git.hash_object("-t", "tree", "/dev/null")


def is_landed(repo: Repo, entry: Stored) -> bool:
    """Tell whether the commit checked out has everything of a salvage."""
    if entry.label.staged or not repo.head.is_valid():
        return False
    output = repo.git.diff_tree(
        "-r", "-z", "--name-only", "--no-renames", "HEAD", entry.commit, stdout_as_string=False
    )
    return not set(os.fsdecode(output).split("\0")) & set(changes(repo, entry))


def as_json(entry: Stored, changed: dict[str, str], *, landed: bool) -> dict[str, Any]:
    """Return a salvage in the form that `--json` prints."""
    label = entry.label
    return {
        "id": entry.id,
        "repo": entry.repo,
        "root": str(entry.root),
        "ref": entry.ref,
        "commit": entry.commit,
        "at": entry.at,
        "session": label.session or None,
        "task": label.task or None,
        "outcome": label.outcome,
        "base": label.base or None,
        "staged": label.staged or None,
        "landed": landed,
        "files": [{"path": spelled(path), "change": change} for path, change in changed.items()],
        "unleased": [spelled(path) for path in label.unleased],
        "neighbours": list(label.neighbours),
        "unkept": {spelled(path): why for path, why in label.unkept.items()},
    }


def shown(path: str) -> str:
    """Return a path for people: as it is, or in git's notation when it cannot be printed."""
    return path if path.isprintable() else quote(path)


def spelled(path: str) -> str:
    """Return a path as JSON can carry it; bytes that are not UTF-8 are spelled out."""
    return path.encode("utf-8", "backslashreplace").decode() if not path.isascii() else path


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode("utf-8", "replace")
