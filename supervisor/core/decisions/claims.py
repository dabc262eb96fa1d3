"""First writes that the guard of a session asks about: leased at once, waited for, or refused.

This is how a lease comes to paths that no task declared: the write itself asks, whatever program does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supervisor.core.decisions import stale
from supervisor.core.decisions.advance import woken
from supervisor.core.decisions.assign import fill
from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.gate import declares_paths
from supervisor.core.decisions.git_turn import turn
from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.policy import Undeclared
from supervisor.core.decisions.requests import LeaseRefusal, lease_json, queued, refuse, until, ways_out
from supervisor.core.decisions.standstill import unreported
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.lease import Granted, Lease, Mode, Waiting, Want, WouldDeadlock
from supervisor.core.leases.scope import Scope, covers, file_scope, tree_scope
from supervisor.core.moment import Moment
from supervisor.core.sessions.roster import Session


@dataclass(frozen=True, slots=True)
class Claim:
    """What one write would touch, as paths relative to the session's repository.

    `files` are written, made or removed, `folders` moved with all below them. In `places` something is
    made or linked that leaves contents alone: nobody else may hold them, and no lease is taken. `git` is
    what a git command is about to do: "changes" takes git's turn at the checkout, "sweeps" all of it besides.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    git: str = ""


Verdict = Granted | Waiting | LeaseRefusal
_TELL_EVERY = 1.0  # seconds between two events of one and the same refusal


def claim(
    tables: Tables, session: Session, asked: Claim, wait: float, now: Moment, *, fold_case: bool = False
) -> tuple[Verdict, tuple[Want, ...], list[Effect]]:
    """Judge a claim, all or nothing; return the verdict, the leases it needs, and what follows.

    `wait` (seconds) is how long it stands in the queue when others hold what it wants.

    Raises:
        ScopeError: a path is no path of a repository.
    """
    repo = session.intent.repo
    wants = (
        *(Want(file_scope(path, repo, fold_case=fold_case), Mode.EXCLUSIVE) for path in asked.files),
        *(Want(tree_scope(path, repo, fold_case=fold_case), Mode.EXCLUSIVE) for path in asked.folders),
        *_for_git(asked.git, repo),
    )
    if (too_early := recovering(tables)) is not None:
        return too_early, wants, []
    if tables.closing and any(
        lease.token in tables.closing and lease.holder == session.id
        for want in wants
        for lease in tables.broker.who(want.scope)
    ):
        return LeaseRefusal("its lease is just being taken back", {"reason": "recovering"}), wants, []
    refusal = (
        _excluded(tables, session, (*asked.files, *asked.folders))
        or _occupied(tables, session, asked.places, now, fold_case=fold_case)
        or _undeclared(tables, session, wants if not asked.git else ())
    )
    if refusal is not None:
        return refusal, wants, _refused_at_once(tables, session, asked, refusal, now)
    if stale.refuses(tables):
        lines, effects = stale.stale_reads(tables, session, asked.files, now)
        if lines:
            return LeaseRefusal("; ".join(lines), {"reason": "stale"}), wants, effects
    if not wants:
        return Granted(()), wants, []
    newest = tables.broker.last_token
    result = tables.broker.acquire(session.id, wants, now.mono, wait=wait)
    match result:
        case Granted(leases):
            fresh = [lease.scope.text for lease in leases if lease.token > newest]
            if asked.git or not fresh:
                return result, wants, []  # for as long as one command runs: too short to be worth an event
            data = {"scopes": fresh, "holder": session.id, "discovered": True}
            return result, wants, [Note("lease.granted", session.id, session.key, data)]
        case Waiting():
            tables.collisions.writes_waited += 1
            data = queued(tables, result, wait, now)
            return result, wants, [Note("lease.waiting", session.id, session.key, data)]
        case _:
            refusal = _sweep_refusal(refuse(tables, wants, result, now), asked)
            tables.collisions.deadlocks_refused += isinstance(result, WouldDeadlock)
            return refusal, wants, _refused_at_once(tables, session, asked, refusal, now)


def recovering(tables: Tables) -> LeaseRefusal | None:
    """Return the refusal of what is asked before all sessions of an earlier supervisor have reported what they hold."""
    if (late := unreported(tables)) is None:
        return None
    return LeaseRefusal(late, {"reason": "recovering", "sessions": sorted(tables.wait_for_reports)})


def give_back(
    tables: Tables, session: Session, tokens: Sequence[int], written: Sequence[Scope], now: Moment
) -> tuple[tuple[Lease, ...], list[Effect]]:
    """End the leases of a git command, but keep those files leased that it wrote; return the leases for that.

    What the session was started with is not the command's to give back: a worker that has only just begun
    may not know yet that it holds these.
    """
    broker = tables.broker
    declared = {lease.token for lease in session.intent.leases}
    found = [
        lease
        for token in tokens
        if token not in declared and (lease := broker.lease(token)) and lease.holder == session.id
    ]
    wants = [Want(scope, Mode.EXCLUSIVE) for scope in written]
    held = (
        broker.held(session.id) if wants else ()
    )  # a storm gives back portion by portion, and wants nothing
    others = {lease.token for lease in held} - {lease.token for lease in found}
    covering, results = broker.exchange(session.id, [lease.scope for lease in found], wants, now.mono)
    kept = tuple(lease for lease in covering if lease.token not in others)
    return kept, [*woken(tables, results), *fill(tables, now)]


def let_go(tables: Tables, session: Session, scopes: Sequence[Scope], now: Moment) -> list[Effect]:
    """End leases on files that a git command wrote and left as they are committed."""
    return [*woken(tables, tables.broker.release(session.id, scopes, now.mono)), *fill(tables, now)]


def timed_out(
    tables: Tables, session: Session, asked: Claim, refusal: LeaseRefusal
) -> tuple[LeaseRefusal, list[Effect]]:
    """Return what a claim that has waited in vain is told, and what follows."""
    told = _sweep_refusal(refusal, asked)
    return told, refused(tables, session, told)


def _for_git(deed: str, repo: str) -> tuple[Want, ...]:
    """Return the leases of a git command: its turn, and for one that sweeps the whole work tree."""
    if not deed:
        return ()
    ours = turn(repo)
    return (ours, Want(tree_scope("", repo), Mode.EXCLUSIVE)) if deed == "sweeps" else (ours,)


def _sweep_refusal(refusal: LeaseRefusal, asked: Claim) -> LeaseRefusal:
    if asked.git != "sweeps":
        return refusal
    rest = refusal.who or refusal.sentence.partition(": ")[2]
    why = f"this git command writes over the whole checkout, which others work in: {rest}"
    return LeaseRefusal(f"{why}; name the files it is to touch, as in `git restore -- FILE`", refusal.data)


def _refused_at_once(
    tables: Tables, session: Session, asked: Claim, refusal: LeaseRefusal, now: Moment
) -> list[Effect]:
    """Do as `refused`, but tell once a second of a program that tries the same again and again without a rest."""
    effects = refused(tables, session, refusal)
    known, until_then = session.refusal_told
    if known == asked and now.mono < until_then:
        return []
    session.refusal_told = (asked, now.mono + _TELL_EVERY)
    return effects


def refused(tables: Tables, session: Session, refusal: LeaseRefusal) -> list[Effect]:
    """Count a refusal, and return the event that tells of it."""
    tables.collisions.writes_refused += 1
    return [Note("write.refused", session.id, session.key, {**refusal.data, "why": refusal.sentence})]


def _excluded(tables: Tables, session: Session, paths: Sequence[str]) -> LeaseRefusal | None:
    repo = tables.policy.repos.get(session.intent.repo)
    for path in paths:
        if repo and any(covers(scope, path) for scope in repo.exclude):
            why = f"{path}: no session may change it (repos.{repo.name}.exclude)"
            return LeaseRefusal(why, {"reason": "excluded", "path": path})
    return None


def _occupied(
    tables: Tables, session: Session, places: Sequence[str], now: Moment, *, fold_case: bool
) -> LeaseRefusal | None:
    """Return the refusal for the first place that lies in what another session holds."""
    for path in places:
        for lease in tables.broker.who(file_scope(path, session.intent.repo, fold_case=fold_case)):
            if lease.holder != session.id and covers(lease.scope, path, fold_case=fold_case):
                return _held(tables, path, lease, now)
    return None


def _held(tables: Tables, path: str, lease: Lease, now: Moment) -> LeaseRefusal:
    held = f"{describe(tables, lease, now)}{until(tables, lease, now)}"
    why = f"{path}: {lease.scope.text} is {held}; {ways_out([path])}"
    return LeaseRefusal(why, {"reason": "held", "holders": [lease_json(tables, lease, now)]})


def _undeclared(tables: Tables, session: Session, wants: Sequence[Want]) -> LeaseRefusal | None:
    if declares_paths(session) or tables.policy.leases.undeclared is Undeclared.GRANT:
        return None
    held = {lease.scope for lease in tables.broker.held(session.id)}
    missing = [want.scope.text for want in wants if want.scope not in held]
    if not missing:
        return None
    why = (
        f"{', '.join(missing[:3])}: task {session.key} declares no paths, and leases.undeclared is "
        f'"refuse"; `leasehold lease acquire {missing[0]}` asks for it'
    )
    return LeaseRefusal(why, {"reason": "undeclared"})
