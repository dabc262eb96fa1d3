"""Git's aliases: other names under which a session may run a command of git's own."""

from __future__ import annotations

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, git


async def aliases(repo: Repository) -> dict[str, str]:
    """Return the command that each alias begins with.

    One that runs a shell ("!...") is left out: what it starts is seen when it is started. Aliases of aliases
    are followed.
    """
    try:
        listed = await git(repo.root, "config", "-z", "--get-regexp", r"^alias\.")
    except GitError:
        return {}  # git says "none" with exit code 1
    return followed(listed.decode("utf-8", "surrogateescape"))


def followed(listed: str) -> dict[str, str]:
    """Return the command behind each alias of a listing, each "alias.NAME", a newline, its value, NUL."""
    direct: dict[str, str] = {}
    for entry in listed.split("\0"):
        key, _, value = entry.partition("\n")
        name = key.removeprefix("alias.")
        words = value.split()
        if name and words and not words[0].startswith("!"):
            direct[name] = words[0]
    found = {}
    for name, first in direct.items():
        command, seen = first, {name}
        while command in direct and command not in seen:
            seen.add(command)
            command = direct[command]
        found[name] = command
    return found
