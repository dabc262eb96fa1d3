"""Branches that a session deletes or moves back: commits of others that nothing else names stay named."""

from __future__ import annotations

import zlib

from supervisor.world.git.history import SESSION_TRAILER
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import git
from supervisor.world.threads import in_thread

DELETED = "refs/leasehold/deleted/"
_SHOWN = 12  # digits of a commit in the name of a reference
_MOST = 10_000  # commits
_HEAD = 4096  # bytes of a commit, packed: its parents are at the beginning


async def keep_left(repo: Repository, ref: str, old: str, session: str, *, new: str = "") -> str:
    """Name the last commit of a branch that goes, or moves to `new`; return the new reference, "" where none is needed.

    None is for commits that another branch, a remote or a tag has as well, and for those of the session itself.

    Raises:
        GitError: the repository cannot be read or written.
    """
    if new:
        is_next = await in_thread(_follows, repo, old, new)
        if is_next:
            return ""
    left = await git(
        repo.root,
        *("log", "-z", "--no-show-signature", f"--max-count={_MOST}"),
        *(f"--format=%(trailers:key={SESSION_TRAILER},valueonly)", old, "--not"),
        *([new] if new else ()),
        *(f"--exclude={ref.removeprefix(HEADS)}", "--branches", "--remotes", "--tags", f"--glob={DELETED}*"),
        "--",
    )
    if all(session in made_by.decode("utf-8", "replace").split() for made_by in left.split(b"\0")[:-1]):
        return ""
    name = f"{DELETED}{ref.removeprefix(HEADS)}/{old[:_SHOWN]}"
    await git(repo.root, "update-ref", name, old)
    return name


def _follows(repo: Repository, old: str, new: str) -> bool:
    """Tell whether a commit was made on top of another, as far as its own file says: nearly every one is, and no git need run."""
    try:
        with (repo.common_dir / "objects" / new[:2] / new[2:]).open("rb") as file:
            content = zlib.decompressobj().decompress(file.read(_HEAD), _HEAD)
    except (OSError, zlib.error):
        return False
    header = content.partition(b"\0")[2].partition(b"\n\n")[0]
    return b"parent " + old.encode() in header.split(b"\n")
