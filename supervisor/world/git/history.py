"""Which commits landed, by which session, touching which paths: one `git log` whatever the answer's size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import git

SESSION_TRAILER = "Leasehold-Session"
TASK_TRAILER = "Leasehold-Task"
DATED_WITHIN = 2.0  # seconds around the moment of a commit: git dates it in whole ones


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its object name, committer time (Unix seconds), author, subject and the paths it changed.

    `session` and `task` come from the trailers that a session's commits carry; where a commit was made
    by one session and rewritten by another, the last one is named. A rename gives both names in `paths`;
    a merge gives what it brought to its first parent.
    """

    sha: str
    at_wall: float
    author: str
    subject: str
    session: str | None
    task: str | None
    paths: tuple[str, ...]


_FIELDS = (
    "/%H",  # no path begins with a slash, so this marks where a commit begins
    "%ct",
    "%an <%ae>",
    "%s",
    f"%(trailers:key={SESSION_TRAILER},valueonly,separator=%x1f)",
    f"%(trailers:key={TASK_TRAILER},valueonly,separator=%x1f)",
)


async def commits_since(
    repo: Repository, since: float | str, *, ref: str | None = None, limit: int = 10_000
) -> tuple[Commit, ...]:
    """Return the commits reachable from `ref` that came after `since`, newest first, `limit` at most.

    Without a `ref`: those on any branch and on HEAD.

    `since` is either a Unix time in seconds, compared with committer times, or a commit that `ref`
    grew from.

    Raises:
        GitError: `ref` or the commit named by `since` does not exist.
    """
    tips = ["--branches", "--end-of-options", "HEAD"] if ref is None else ["--end-of-options", ref]
    which = [*tips, f"^{since}"] if isinstance(since, str) else [f"--since=@{int(since)} +0000", *tips]
    output = await git(
        repo.root,
        *("log", "-z", "--name-only", "--no-renames", "--diff-merges=first-parent", "--no-show-signature"),
        *("--no-color", "--no-relative", "--ignore-submodules=none", "--encoding=UTF-8"),
        f"--max-count={limit}",
        f"--format={'%x00'.join(_FIELDS)}%x00",
        *which,
        "--",
    )
    return parse_log(output)


def parse_log(output: bytes) -> tuple[Commit, ...]:
    """Return the commits in NUL-separated `git log` output."""
    tokens = output.split(b"\0")
    begins = [at for at, token in enumerate(tokens) if token.startswith(b"/")]
    # A subject may begin with a slash too: a begin is only believed where the one before it is complete.
    starts: list[int] = []
    for at in begins:
        if not starts or at > starts[-1] + len(_FIELDS):
            starts.append(at)
    return tuple(_commit(tokens[start:end]) for start, end in pairwise([*starts, len(tokens)]))


def _commit(tokens: list[bytes]) -> Commit:
    sha, when, author, subject, session, task = tokens[: len(_FIELDS)]
    names = [name for name in tokens[len(_FIELDS) + 1 :] if name]
    if names:
        names[0] = names[0].removeprefix(b"\n")  # git parts the names from the format with one
    return Commit(
        sha=sha[1:].decode(),
        at_wall=float(when),
        author=author.decode("utf-8", "replace"),
        subject=subject.decode("utf-8", "replace"),
        session=_last(session),
        task=_last(task),
        paths=tuple(map(os.fsdecode, names)),
    )


def _last(values: bytes) -> str | None:
    text = values.decode("utf-8", "replace").strip().rpartition("\x1f")[2].strip()
    return text or None
