"""May these commits be integrated? The paths that they change, against the session's leases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.policy import Undeclared
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Free, Held, HeldByOther, Lapsed, Mode, Want
from supervisor.core.leases.scope import covers, file_scope
from supervisor.core.moment import Moment

_SHOWN = 5  # refused paths that are named


@dataclass(frozen=True, slots=True)
class Admitted:
    """The holder has a lease over each of the paths."""


@dataclass(frozen=True, slots=True)
class Wanting:
    """It needs these leases first; others may have them."""

    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Forbidden:
    """It may not change them; why in a sentence."""

    why: str


def admit(
    tables: Tables, holder: str, repo: str, paths: Iterable[str], now: Moment, *, fold_case: bool = False
) -> Admitted | Wanting | Forbidden:
    """Judge the paths that commits of `holder` change in a repository, all together."""
    policy = tables.policy.repos.get(repo)
    wants: list[Want] = []
    refused: list[str] = []
    for path in paths:
        if policy and any(covers(scope, path, fold_case=fold_case) for scope in policy.exclude):
            refused.append(f"{path}: no session may change it (repos.{repo}.exclude)")
            continue
        match tables.broker.admits(holder, repo, path):
            case Held():
                pass
            case Lapsed(token, successor):
                since = f"; {describe(tables, successor, now)}" if successor else ""
                refused.append(f"{path}: stale fencing token {token}: the session's lease has ended{since}")
            case Free() | HeldByOther() if tables.policy.leases.undeclared is Undeclared.GRANT:
                wants.append(Want(file_scope(path, repo, fold_case=fold_case), Mode.EXCLUSIVE))
            case Free() | HeldByOther():
                refused.append(f'{path}: outside the session\'s leases (leases.undeclared is "refuse")')
    if refused:
        more = f"; and {len(refused) - _SHOWN} more paths" if len(refused) > _SHOWN else ""
        return Forbidden("; ".join(refused[:_SHOWN]) + more)
    return Wanting(tuple(dict.fromkeys(wants))) if wants else Admitted()
