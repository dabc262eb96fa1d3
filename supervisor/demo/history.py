"""What the commits of a run say, read from the repository with GitPython (this process is short-lived)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from git import Repo

_SESSION = re.compile(r"^Session: (\S+)$", re.MULTILINE)
_HEADER = ("+++", "---")


@dataclass(frozen=True, slots=True)
class Change:
    """One commit: the session that made it, its paths, and the (path, line) pairs it added and removed."""

    sha: str
    session: str
    paths: frozenset[str]
    added: frozenset[tuple[str, str]]
    removed: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class History:
    """The commits of a run, oldest first; the lines of each file in the last; what is not committed."""

    changes: tuple[Change, ...]
    final: dict[str, frozenset[str]]
    uncommitted: tuple[str, ...]

    def has(self, path: str, line: str) -> bool:
        """Tell whether the last commit has a line; the empty line stands for the file itself."""
        return path in self.final and (not line or line in self.final[path])


def read_history(repo: Path, base: str) -> History:
    """Return what happened in a repository after the commit `base`."""
    with Repo(repo) as opened:
        commits = list(opened.iter_commits(f"{base}..HEAD", reverse=True, first_parent=True))
        changes = tuple(_change(commit) for commit in commits)
        final = {
            path: _lines(opened, path) for path in opened.git.ls_tree("-r", "--name-only", "HEAD").split("\n")
        }
        status = opened.git.status("--porcelain", "--untracked-files=all")
    return History(changes, final, tuple(line[3:] for line in status.splitlines()))


def _lines(repo: Repo, path: str) -> frozenset[str]:
    return frozenset(repo.git.show(f"HEAD:{path}", strip_newline_in_stdout=False).splitlines())


def _change(commit: Any) -> Change:
    paths: set[str] = set()
    lines: dict[str, set[tuple[str, str]]] = {"+": set(), "-": set()}
    for diff in commit.parents[0].diff(commit, create_patch=True, unified=0):
        path = str(diff.b_path or diff.a_path)
        paths.add(path)
        text = diff.diff.decode("utf-8", "replace") if isinstance(diff.diff, bytes) else str(diff.diff or "")
        for line in text.splitlines():
            if line[:1] in lines and not line.startswith(_HEADER):
                lines[line[0]].add((path, line[1:]))
    found = _SESSION.search(str(commit.message))
    return Change(
        sha=str(commit.hexsha),
        session=found[1] if found else "",
        paths=frozenset(paths),
        added=frozenset(lines["+"] - lines["-"]),
        removed=frozenset(lines["-"] - lines["+"]),
    )
