"""leasehold init: a short configuration for one repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from supervisor.world.git.repository import Repository
    from supervisor.world.harness.installed import Installed


@click.command()
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("--harness", metavar="CMD", help="The agent's command line, for instance 'claude -p {prompt}'.")
@click.option(
    "--tasks",
    metavar="DIR",
    default="tasks",
    show_default=True,
    help="The folder of task files in the repository.",
)
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
def init(path: Path, harness: str | None, tasks: str, force: bool) -> None:  # noqa: FBT001  - click's flag
    """Write a commented configuration for a repository.

    It goes to .leasehold/config.toml in the repository that PATH is in; the folder ignores itself, so
    nothing of it is ever committed. Without --harness each agent that is installed and has an adapter gets its place in it.
    """
    import anyio

    from supervisor.world.config.places import FOLDER, NAME
    from supervisor.world.git.repository import RepositoryError, open_repository
    from supervisor.world.harness.installed import installed

    words = _command(harness)
    try:
        repository = anyio.run(open_repository, path)
    except RepositoryError as error:
        raise click.ClickException(str(error)) from error
    folder = _tasks_folder(repository, tasks)
    found = installed(os.environ) if harness is None else []
    file = repository.root / FOLDER / NAME
    _write(file, _content(repository, _agents(words, found), folder), replace=force)
    for each in found:
        click.echo(f"found {each.adapter.name} {each.version} at {each.path}")
    _say_what_next(file, words, repository.root / folder, agents=bool(words or found))


def _command(harness: str | None) -> list[str]:
    """Return the words of --harness, empty without it.

    Raises:
        click.UsageError: they cannot be a command.
    """
    if harness is None:
        return []
    from supervisor.world.config.harness import check_command

    try:
        return list(check_command(tuple(shlex.split(harness))))
    except ValueError as error:
        raise click.UsageError(f"--harness: {str(error)[:1].lower()}{str(error)[1:]}") from error


def _tasks_folder(repository: Repository, tasks: str) -> str:
    """Return the folder of tasks as the file has it: relative to the repository, or absolute outside it."""
    folder = Path(repository.root, tasks).resolve()
    return os.fspath(
        folder.relative_to(repository.root) if folder.is_relative_to(repository.root) else folder
    )


_EXPLAINED = """\
# The agent. {prompt}, {prompt_file}, {task}, {session}, {model} and {repo} are filled in; without
# {prompt} and {prompt_file} the prompt comes on standard input.
"""
_FOUND = """\
# The agents that are installed, with the login that each has in your home; name keys that they need in env_from.
# A task runs on the one that it names, else on the first that has a free slot.
"""


def _agents(words: list[str], found: list[Installed]) -> str:
    """Return the section of each agent: the one that was named, those that were found, or an example."""
    if words:
        return f"{_EXPLAINED}[harness.agent]\ncommand = {_toml(words)}\n{_KEYS}"
    sections = [
        f"[harness.{each.adapter.name}]\n{f'adapter = {_toml(each.adapter.name)}':<30}# {each.version or each.path}\n{_KEYS}"
        for each in found
    ]
    if sections:
        return _FOUND + "\n".join(sections)
    lines = [
        "[harness.agent]",
        'adapter = "claude"            # docs/reference/harnesses.md lists them',
        *_KEYS.splitlines(),
    ]
    return "# The agent: an adapter, or the `command` of any other program.\n" + "".join(
        f"#{line}\n" for line in lines
    )


_KEYS = """\
budget = "50m"                # wall clock of a session
env_from = []                 # secrets: names taken from the supervisor's environment, never values here
"""


def _content(repository: Repository, agents: str, tasks: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", repository.root.name).strip("-._")[:64] or "repo"
    return f"""\
# Leasehold's configuration for this repository. `leasehold check` validates it. Only what differs from the
# defaults needs to be here; docs/reference/config.md of Leasehold lists every key.

[supervisor]
max_sessions = 4              # sessions at once

[repos.{name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)}]
path = "."                    # paths in this file start at the repository
exclude = []                  # what no session may change, for instance [".github/"]

{agents}
[sources.tasks]
kind = "markdown"             # a folder of *.md files with YAML front matter
path = {_toml(tasks)}

[sources.queue]
kind = "queue"                # tasks added by `leasehold task add`
"""


def _toml(value: str | list[str]) -> str:
    import json

    # JSON's texts and lists are TOML's too, but for DEL, which TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _write(file: Path, content: str, *, replace: bool) -> None:
    """Write the file in a folder that git does not see; one that is replaced is replaced whole.

    Raises:
        click.ClickException: there is one already, or the folder cannot be written.
    """
    folder = file.parent
    if folder.exists() and not folder.is_dir():
        raise click.ClickException(f"{folder} is in the way: it is not a folder; move it and run init again")
    draft = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        if replace:
            draft.write_text(content, encoding="utf-8")
            draft.replace(file)
        else:
            with file.open("x", encoding="utf-8") as fresh:
                fresh.write(content)
    except FileExistsError:
        raise click.ClickException(
            f"{file} is there already; `leasehold check` validates it, --force replaces it"
        ) from None
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from error


def _say_what_next(file: Path, words: list[str], tasks: Path, *, agents: bool) -> None:
    click.echo(f"wrote {file}")
    click.echo("next:")
    if not agents:
        click.echo("  name your agent: take the # from [harness.agent] and its keys in that file")
    elif words and "/" not in words[0] and shutil.which(words[0]) is None:
        click.echo(f'  install "{words[0]}", which is not in PATH')
    if not tasks.is_dir():
        click.echo(f"  mkdir {shlex.quote(str(tasks))}    and put one *.md file in it for each task")
    click.echo("  leasehold check")
    click.echo("  leasehold run")
    click.echo(
        "  leasehold task add 'Fix the parser' --path src/parser.py    while it runs: a task without a file"
    )
