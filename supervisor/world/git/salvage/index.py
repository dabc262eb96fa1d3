"""Throw-away indexes: git's own machinery on trees, without a touch of the repository's index."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError, configuration, git

ABSENT = "0" * 6

# What git may not do behind our back, and how durable what it writes must be: what is cleaned from a
# checkout afterwards exists nowhere else.
_CONFIG = {
    "core.logAllRefUpdates": "false",
    "core.ignoreStat": "false",  # would take what is put into an index for unchanged ever after
    "core.splitIndex": "false",  # would write its shared part into the repository
    "core.untrackedCache": "false",
    "core.sparseCheckout": "false",
    "core.safecrlf": "false",
    "core.fsync": "committed,loose-object,reference",
    "core.fsyncMethod": "batch",
    "core.quotePath": "false",
    "index.sparse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "i18n.commitEncoding": "UTF-8",
}
_AUTHOR = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Leasehold"), ("EMAIL", "leasehold@localhost"))
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One path in a tree or index: its mode in octal and the name of its object."""

    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Index:
    """An index file of ours, for the work tree of `repo`; `config` is added to git's configuration."""

    repo: Repository
    file: Path
    config: dict[str, str] = field(default_factory=dict)

    async def run(self, *args: str, stdin: bytes = b"") -> bytes:
        """Run git on this index.

        Raises:
            GitError: the command failed.
        """
        env = environment(self.config) | {"GIT_INDEX_FILE": str(self.file)}
        return await git(self.repo.root, *args, stdin=stdin, extra_env=env)

    async def set(self, entries: Iterable[tuple[str, Entry | None]]) -> None:
        """Set paths to these entries; `None` removes one. Removals come first: a folder may become a file."""
        gone: list[str] = []
        lines: list[str] = []
        for path, entry in entries:
            if entry is None:
                gone.append(f"{path}\0")
            else:
                lines.append(f"{entry.mode} {entry.oid} 0\t{path}\0")
        if gone:
            await self.run(
                "update-index", "--force-remove", "-z", "--stdin", stdin=os.fsencode("".join(gone))
            )
        if lines:
            await self.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join(lines)))

    async def tree(self) -> str:
        """Write the index as a tree and return its name.

        What a partial clone has not fetched yet stays so: to look for it would be to ask the remote for all of it.
        """
        return (await self.run("write-tree", "--missing-ok")).decode().strip()

    async def write_out(self, paths: Iterable[str]) -> None:
        """Write these paths into the work tree, over whatever is there."""
        listed = "".join(f"{path}\0" for path in paths)
        if listed:
            await self.run("checkout-index", "-f", "-q", "-z", "--stdin", stdin=os.fsencode(listed))


@contextlib.contextmanager
def temporary_index(repo: Repository) -> Iterator[Index]:
    """Return an index that is gone afterwards; nothing is in it yet."""
    with tempfile.TemporaryDirectory(prefix="leasehold-index-") as folder:
        yield Index(repo, Path(folder, "index"))


async def without_filters(index: Index) -> Index:
    """Return the same index with every configured content filter switched off."""
    try:
        answer = await index.run(
            "config", "-z", "--name-only", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$"
        )
    except GitError:  # there is none
        return index
    names = [name for name in answer.decode("utf-8", "surrogateescape").split("\0") if name]
    off = dict.fromkeys(names, "") | {f"{name.rpartition('.')[0]}.required": "false" for name in names}
    return replace(index, config=off)


def environment(config: dict[str, str] | None = None) -> dict[str, str]:
    """Return the variables for every git command that salvages; `config` is added."""
    settings = _CONFIG | (config or {})
    return {**configuration(settings.items()), "GIT_LITERAL_PATHSPECS": "1", **_AUTHOR}


async def ask(repo: Repository, *args: str, stdin: bytes = b"") -> bytes:
    """Run git without an index of its own, in the same clean surroundings."""
    return await git(repo.root, *args, stdin=stdin, extra_env=environment())


async def empty_tree(repo: Repository) -> str:
    """Return the name of the tree with nothing in it, which exists in every repository."""
    return (await ask(repo, "hash-object", "-t", "tree", "--stdin")).decode().strip()


async def entries(repo: Repository, tree: str) -> dict[str, Entry]:
    """Return the files of a tree, in folders as well."""
    found = {}
    for line in os.fsdecode(await ask(repo, "ls-tree", "-r", "-z", tree)).split("\0"):
        fields, _, path = line.partition("\t")
        if path:
            mode, _, oid = fields.split(" ")
            found[path] = Entry(mode, oid)
    return found


async def differences(repo: Repository, old: str, new: str) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return each path in which two trees differ, with its entries on both sides."""
    return parse_raw(
        await ask(repo, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
    )


def parse_raw(output: bytes) -> dict[str, tuple[Entry | None, Entry | None]]:
    """Return the paths in raw NUL-separated diff output without renames; what is unmerged is left out."""
    found: dict[str, tuple[Entry | None, Entry | None]] = {}
    tokens = iter(os.fsdecode(output).split("\0"))
    for token in tokens:
        if not token.startswith(":"):
            continue
        old_mode, new_mode, old, new, status = token[1:].split(" ")
        path = next(tokens)
        if status != "U":
            found[path] = (_entry(old_mode, old), _entry(new_mode, new))
    return found


def _entry(mode: str, oid: str) -> Entry | None:
    return None if mode == ABSENT else Entry(mode, oid)
