"""What a living session is told when its commits do not come in: the reason, both sides, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from supervisor.core.decisions.tables import Tables
from supervisor.core.sessions.integration import Hitch, Unintegrated
from supervisor.core.sessions.roster import Session
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.git.history import Commit, commits_since
from supervisor.world.git.integrate.combine import merge_base
from supervisor.world.git.repository import HEADS, Repository

_SHOWN = 10  # conflicts that are explained, and lines of a check
_LATER = frozenset({Hitch.HELD, Hitch.LEASED})  # a wait that ran out, or that may end well another time


async def refusal(
    tables: Tables, session: Session, repo: Repository, kept: Unintegrated, tip: str
) -> RpcError:
    """Return the error for commits up to `tip` that stay on the session's branch.

    Raises:
        GitError: the repository cannot be read.
    """
    data = kept.as_json()
    lines: list[str] = []
    match kept.hitch:
        case Hitch.CONFLICT:
            data["conflicts"] = await _sides(repo, kept, tip)
            lines = [_side_line(kept, found) for found in data["conflicts"]]
            way = f"`git {tables.policy.way(session.intent.repo).value} {kept.target}` in your work tree"
            data["next"] = f"{way}, resolve, commit, and ask again with `leasehold integrate`"
        case Hitch.CHECK:
            lines = kept.tail.splitlines()[-_SHOWN:]
            data["next"] = "mend it, commit, and ask again with `leasehold integrate`"
        case Hitch.REFUSED:
            data["next"] = "take these changes out of your commits: all of them come in together, or none"
        case _:
            data["next"] = "go on, and ask again later; what you finish is integrated when you end"
    lines.append(f"next: {data['next']}")
    code = Code.TRY_LATER if kept.hitch in _LATER else Code.REFUSED
    return RpcError(code, f"not integrated: {kept.sentence()}", {**data, "lines": lines})


async def _sides(repo: Repository, kept: Unintegrated, tip: str) -> list[dict[str, Any]]:
    """Return for each path in conflict the newest commit on either side."""
    paths = kept.paths[:_SHOWN]
    base = await merge_base(repo, HEADS + kept.target, tip)
    if base is None:
        return [{"path": path} for path in paths]
    theirs = await commits_since(repo, base, ref=HEADS + kept.target)
    ours = await commits_since(repo, base, ref=tip)
    return [{"path": path, "ours": _newest(ours, path), "theirs": _newest(theirs, path)} for path in paths]


def _newest(commits: Sequence[Commit], path: str) -> dict[str, Any] | None:
    for commit in commits:
        if path in commit.paths:
            return {
                "sha": commit.sha,
                "subject": commit.subject,
                "session": commit.session,
                "task": commit.task,
            }
    return None


def _side_line(kept: Unintegrated, found: dict[str, Any]) -> str:
    parts = []
    if ours := found.get("ours"):
        parts.append(f'you changed it in {ours["sha"][:10]} "{ours["subject"]}"')
    if theirs := found.get("theirs"):
        who = f" (session {theirs['session']}, task {theirs['task']})" if theirs["session"] else ""
        parts.append(f'{kept.target} has {theirs["sha"][:10]} "{theirs["subject"]}"{who}')
    return f"{found['path']}: {', '.join(parts) or 'both sides changed it'}"
