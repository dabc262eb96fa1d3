"""What a repository looks like now: its head, its dirty files, what landed lately, whether anything moved."""

from __future__ import annotations

import enum
import hashlib
import os
from dataclasses import dataclass

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import DEFAULT_TIMEOUT, git


class Dirt(enum.Enum):
    """How a path differs from the last commit."""

    MODIFIED = "modified"
    STAGED = "staged"
    UNTRACKED = "untracked"
    DELETED = "deleted"
    RENAMED = "renamed"
    CONFLICTED = "conflicted"


@dataclass(frozen=True, slots=True)
class DirtyFile:
    """One path that is not as committed. A renamed file shows twice: its new name RENAMED, its old DELETED.

    `path` is relative to the root; bytes that are not UTF-8 are kept as surrogate escapes. An untracked
    repository inside this one is a single path that ends in a slash.
    """

    path: str
    kind: Dirt


_STATUS = (
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--find-renames",
    "--ignore-submodules=none",
)


async def head(repo: Repository, ref: str = "HEAD") -> str:
    """Return the full object name of the commit at `ref`."""
    answer = await git(repo.root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    return answer.decode().strip()


async def dirty(
    repo: Repository,
    paths: tuple[str, ...] = (),
    *,
    warnings: list[str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  - git is ended with it
) -> tuple[DirtyFile, ...]:
    """Return every path, or which of `paths`, is modified, staged, untracked, deleted, renamed or in conflict; ignored ones not.

    Folders that git cannot look into are passed over; it says so in `warnings`.
    """
    if not paths:
        return parse_status(await git(repo.root, *_STATUS, timeout=timeout, warnings=warnings))
    return parse_status(await git(repo.root, "--literal-pathspecs", *_STATUS, "--", *paths))


async def fingerprint(repo: Repository) -> str:
    """Return a text that changes when HEAD, the index or any dirty file changes.

    The cost is one `git status` and one lstat for each dirty file; nothing is read.
    """
    status = await git(repo.root, *_STATUS, "--branch")
    digest = hashlib.blake2b(status, digest_size=16)
    for file in parse_status(status):
        try:
            seen = os.lstat(repo.root / file.path)
        except OSError:
            continue  # deleted: the status itself says so
        digest.update(b"%d %d %d\n" % (seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return digest.hexdigest()


def parse_status(output: bytes) -> tuple[DirtyFile, ...]:
    """Return the dirty files in the output of `git status --porcelain=v2 -z`."""
    files: list[DirtyFile] = []
    entries = iter(os.fsdecode(output).split("\0"))
    for entry in entries:
        match entry[:2]:
            case "1 ":
                fields = entry.split(" ", 8)
                files.append(DirtyFile(fields[8], _changed(fields[1])))
            case "2 ":
                fields = entry.split(" ", 9)
                files.append(DirtyFile(fields[9], Dirt.RENAMED))
                origin = next(entries)
                if fields[8].startswith("R"):  # a copy leaves its origin as it was
                    files.append(DirtyFile(origin, Dirt.DELETED))
            case "u ":
                files.append(DirtyFile(entry.split(" ", 10)[10], Dirt.CONFLICTED))
            case "? ":
                files.append(DirtyFile(entry[2:], Dirt.UNTRACKED))
            case _:
                pass  # headers ("# branch.oid …") and the empty end
    return tuple(files)


def _changed(letters: str) -> Dirt:
    if "D" in letters:
        return Dirt.DELETED
    return Dirt.STAGED if letters[1] == "." else Dirt.MODIFIED
