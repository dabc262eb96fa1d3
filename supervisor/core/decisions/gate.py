"""The commit gate: a branch moves only over paths that the session holds now, with its newest tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supervisor.core.decisions.effects import Effect, Note
from supervisor.core.decisions.entrusting import entrust, granted_since
from supervisor.core.decisions.git_turn import held_during_turn
from supervisor.core.decisions.holders import describe
from supervisor.core.decisions.policy import Undeclared
from supervisor.core.decisions.requests import until, ways_out
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Touch
from supervisor.core.leases.lease import Free, Granted, Held, HeldByOther, Lapsed, Lease, Mode, Want
from supervisor.core.leases.scope import covers, file_scope
from supervisor.core.moment import Moment
from supervisor.core.sessions.integration import BRANCHES, branch_of
from supervisor.core.sessions.roster import Session

TURN_OVER = 2.0  # seconds from the gate's answer to the stop of a session that gives way after its turn
HEADS = "refs/heads/"
SHOWN = 10  # refused paths named one by one; the rest is counted


@dataclass(frozen=True, slots=True)
class Update:
    """A branch about to move; `paths` are those that differ between its old and new commit."""

    ref: str
    old: str
    new: str
    paths: tuple[str, ...]

    @property
    def deletes(self) -> bool:
        """Tell whether the branch is to be gone."""
        return not self.new.strip("0")


@dataclass(frozen=True, slots=True)
class WorkTree:
    """A work tree that is on a branch; `checkout`: it is the one that the configuration names.

    `commits`: git is moving a branch from within it at this moment.
    """

    root: str
    checkout: bool = False
    commits: bool = False


@dataclass(frozen=True, slots=True)
class Passed:
    """The update may happen; `discovered` are paths leased just now because nobody had them."""

    discovered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocked:
    """The update must not happen; each line names a path or a branch, who has it, and what to do."""

    lines: tuple[str, ...]
    paths: tuple[str, ...]
    told: str


def gate(
    tables: Tables,
    session: Session,
    updates: Sequence[Update],
    now: Moment,
    *,
    checked_out: Mapping[str, WorkTree] | None = None,
) -> tuple[Passed | Blocked, list[Effect]]:
    """Judge the movement of branches by a session, all or nothing.

    A session with a branch of its own moves that as it likes: what is on it is judged when it is integrated.
    `checked_out` are the branches, by their short names, that work trees other than its own are on: nobody deletes these,
    or moves them behind the back of who works there.
    """
    if strangers := _not_its_branch(session, updates, checked_out or {}):
        return _block(tables, session, [update.ref for update in updates], strangers, 0, "branch")
    if session.intent.target:
        own = HEADS + branch_of(session.id)
        private = [update for update in updates if update.ref == own]
        updates = [update for update in updates if update.ref != own]
        if not updates:
            return _pass(tables, session, private, (), (), now)
    paths = tuple(dict.fromkeys(path for update in updates for path in update.paths))
    lines: list[str] = []
    refused: list[str] = []
    free: list[str] = []
    stale = 0
    for path in paths:
        line = _refusal(tables, session, path, now, free)
        if line is not None:
            text, is_stale = line
            stale += is_stale
            refused.append(path)
            lines.append(text)
    newest = tables.broker.last_token
    fresh: list[Lease] = []
    if not lines and free:
        wants = tuple(Want(file_scope(path, session.intent.repo), Mode.EXCLUSIVE) for path in free)
        granted = tables.broker.acquire(session.id, wants, now.mono)
        if isinstance(granted, Granted):
            fresh = granted_since(newest, granted.leases)
        else:
            refused, lines = free, [f"{path}: another session waits for it" for path in free]
    if lines:
        return _block(tables, session, refused, lines, stale)
    verdict, effects = _pass(tables, session, updates, paths, tuple(free), now)
    return verdict, [*effects, *entrust(tables, session.id, fresh)]


def needs_work_trees(session: Session, updates: Sequence[Update]) -> bool:
    """Tell whether it matters for these updates which work trees are on which branches."""
    return any(update.ref != HEADS + branch_of(session.id) or update.deletes for update in updates)


def _not_its_branch(
    session: Session, updates: Sequence[Update], checked_out: Mapping[str, WorkTree]
) -> list[str]:
    """Return why branches may not be moved that only the integrator moves, or that others are on."""
    target = session.intent.target
    own = branch_of(session.id)
    lines = []
    for update in updates:
        name = update.ref.removeprefix(HEADS)
        on = checked_out.get(name)
        if name == target:
            lines.append(
                f"{name}: this session commits on its own branch {own}; what is on it comes into {name} when the session ends"
            )
        elif name.startswith(BRANCHES) and name not in {own, f"{own}-head"} and (target or update.deletes):
            lines.append(f"{name}: the branch of another session")
        elif on is not None and update.deletes:
            who = "the checkout" if on.checkout else f"the work tree {on.root}"
            lines.append(f"{name}: {who} is on this branch, so no session deletes or renames it")
        elif on is not None and not on.commits and (target or not on.checkout):
            lines.append(
                f"{name}: the work tree {on.root} is on this branch, so it moves by commits that are made there only"
            )
    return lines


def _refusal(
    tables: Tables, session: Session, path: str, now: Moment, free: list[str]
) -> tuple[str, bool] | None:
    """Return why this path may not land and whether that is for a stale token; `None` when it may."""
    repo = tables.policy.repos.get(session.intent.repo)
    if repo and any(covers(scope, path) for scope in repo.exclude):
        return f"{path}: no session may change it (repos.{repo.name}.exclude)", False
    match tables.broker.admits(session.id, session.intent.repo, path):
        case Held():
            return None
        case Free():
            if (other := held_during_turn(tables, session, path)) is not None:
                text = f"{path}: held by {other} when this git command began, and may have that one's changes"
                return f"{text}; run the command again", False
            if not declares_paths(session) and tables.policy.leases.undeclared is Undeclared.GRANT:
                free.append(path)
                return None
            text = f"{path}: outside the leases of session {session.id}"
            return f"{text}; `leasehold lease acquire {path}` asks for it", False
        case HeldByOther(lease):
            return f"{path}: {_held(tables, lease, now)}; {ways_out([path])}", False
        case Lapsed(token, successor):
            since = f"; {_held(tables, successor, now)}" if successor else ""
            text = f"{path}: stale fencing token {token}: this session's lease has ended{since}"
            return f"{text}; `leasehold lease acquire {path}` asks for it again", True


def _held(tables: Tables, lease: Lease, now: Moment) -> str:
    return describe(tables, lease, now) + until(tables, lease, now)


def declares_paths(session: Session) -> bool:
    """Tell whether the task names the paths it may change."""
    return bool(session.intent.task.paths)


def _block(
    tables: Tables, session: Session, refused: list[str], lines: list[str], stale: int, what: str = "path"
) -> tuple[Blocked, list[Effect]]:
    session.refused += 1
    tables.collisions.commits_refused += 1
    tables.collisions.stale_refused += bool(stale)
    shown = lines[:SHOWN]
    if len(lines) > SHOWN:
        shown.append(f"and {len(lines) - SHOWN} more paths")
    data = {"paths": refused[:100], "lines": shown, "count": len(refused), "stale": stale}
    some = f"{len(lines)} {what}{('es' if what == 'branch' else 's') * (len(lines) != 1)}"
    does_not = "may not move" if what == "branch" else "does not hold"
    told = f"commit refused: {some} that session {session.id} {does_not}"
    return Blocked(tuple(shown), tuple(refused), told), [
        Note("commit.refused", session.id, session.key, data)
    ]


def _pass(
    tables: Tables,
    session: Session,
    updates: Sequence[Update],
    paths: tuple[str, ...],
    discovered: tuple[str, ...],
    now: Moment,
) -> tuple[Passed, list[Effect]]:
    tables.collisions.commits_allowed += 1
    tables.broker.touch(session.id, now.mono)
    session.progress_at = now.mono
    refs = [{"ref": update.ref, "old": update.old, "new": update.new} for update in updates]
    data = {"refs": refs, "paths": list(paths[:100]), "count": len(paths)}
    if discovered:
        data["discovered"] = list(discovered[:100])
    effects: list[Effect] = [Note("commit.allowed", session.id, session.key, data)]
    for update in updates:
        if not update.paths or update.ref == HEADS + branch_of(session.id):
            continue  # nothing has landed by it
        tables.recent.add(
            session.intent.repo,
            Touch(now.wall, session.id, session.key, update.new, "", update.paths),
        )
    if session.after_turn is not None and session.turn_over_at is None:
        # git moves the branch only after this answer, so the stop must not come with it
        session.turn_over_at = now.mono + TURN_OVER
    return Passed(discovered), effects
