"""Which commits were reverted: git writes the name of the commit into the message of the one that takes it back."""

from __future__ import annotations

import re

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import git

_REVERTS = re.compile(rb"^This reverts commit ([0-9a-f]{40,64})\b", re.MULTILINE)


async def reverted_since(repo: Repository, since: float, *, ref: str | None = None) -> dict[str, float]:
    """Return the names of commits that were reverted after `since`, and when (Unix seconds).

    Commits reachable from `ref` count, without one those on HEAD. A revert that was itself reverted counts no more.

    Raises:
        GitError: `ref` does not exist, or git failed.
    """
    output = await git(
        repo.root,
        *("log", "-z", "--no-show-signature", "--no-color", "--grep=^This reverts commit "),
        f"--since=@{int(since)} +0000",
        "--format=%H %ct%n%B",
        "--end-of-options",
        ref or "HEAD",
        "--",
    )
    return _parsed(output)


def _parsed(output: bytes) -> dict[str, float]:
    found: dict[str, float] = {}
    for entry in filter(None, output.split(b"\0")):  # newest first
        head, _, body = entry.partition(b"\n")
        sha, when = head.decode().split(" ")
        if sha in found:
            continue
        for name in _REVERTS.findall(body):
            found[name.decode()] = float(when)
    return found
