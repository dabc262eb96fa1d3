"""Putting a salvage back: plan, lease the paths, plan again with nobody else at them, write."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import click

from supervisor.cli import salvage_store as store
from supervisor.cli.connect import client
from supervisor.cli.show import print_json
from supervisor.world.control.client import Unreachable
from supervisor.world.git.repository import RepositoryError, open_repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.apply import Plan, Ways, plan
from supervisor.world.git.salvage.keep import Kept, find, keep
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.place import place

if TYPE_CHECKING:
    from supervisor.world.git.repository import Repository


def apply_salvage(
    ctx: click.Context,
    name: str,
    paths: tuple[str, ...],
    *,
    as_json: bool,
    force: bool,
    markers: bool,
    staged: bool,
    dry_run: bool,
    repo: str,
) -> None:
    """Carry out `leasehold salvage apply`.

    Raises:
        click.ClickException: there is no such salvage, git failed, or the paths are not in it.
        Refused: somebody else holds one of the paths.
    """
    entry = store.one(ctx, name, repo)
    ways = Ways(force=force, markers=markers, staged=staged)
    try:
        repository = anyio.run(open_repository, entry.root)
        kept, first = anyio.run(_planned, repository, entry, paths, ways)
        if first.refused() or dry_run:
            _tell(kept, first, as_json=as_json, written=False)
        leased = _lease(ctx, entry, list(first.writes)) if first.writes else []
        kept, second = anyio.run(_planned, repository, entry, paths, ways)
        if second.refused() or not second.writes.keys() <= first.writes.keys():
            _give_back(ctx, entry, leased)
            _tell(kept, second, as_json=as_json, written=False)
        before = anyio.run(_carry_out, repository, kept, second)
    except (GitError, RepositoryError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _tell(kept, second, as_json=as_json, written=True, before=before, leased=leased)


async def _planned(
    repo: Repository, entry: store.Stored, paths: tuple[str, ...], ways: Ways
) -> tuple[Kept, Plan]:
    kept = await find(repo, entry.id)
    if kept is None:
        raise click.ClickException(f'salvage "{entry.id}" has just been dropped')
    chosen = _chosen(repo.root, kept, paths) if paths else None
    return kept, await plan(repo, kept, chosen, ways)


def _chosen(root: Path, kept: Kept, paths: tuple[str, ...]) -> list[str]:
    """Return the salvaged paths that the arguments name: files, or folders for all below them."""
    known = [*kept.label.paths, *kept.label.unleased]
    chosen: list[str] = []
    for path in paths:
        named = os.path.relpath(os.path.abspath(path), root)  # noqa: PTH100  - links are not followed: a link may be what was salvaged
        found = [one for one in known if named in {".", one} or one.startswith(f"{named}/")]
        if not found:
            raise click.ClickException(
                f'salvage {kept.id} has nothing of "{path}"; `leasehold salvage show {kept.id}` lists it'
            )
        chosen += found
    return chosen


async def _carry_out(repo: Repository, kept: Kept, found: Plan) -> Kept | None:
    """Write the plan; return the salvage of what was written over."""
    before: Kept | None = None
    if found.replaced:
        name = time.strftime("replaced-%Y%m%dT%H%M%SZ", time.gmtime())
        label = Label(
            session=os.environ.get("LEASEHOLD_SESSION", ""),
            task=os.environ.get("LEASEHOLD_TASK", ""),
            outcome=f"replaced by salvage {kept.id}",
            paths=tuple(found.replaced),
        )
        before, snapshot = await keep(repo, name, label)
        if before is None or snapshot.unkept:
            raise GitError(f"{found.replaced[0]} cannot be salvaged first, so nothing was written over")
    wrong = await place(repo, found.writes, unfiltered=bool(kept.label.raw))
    for path, why in wrong.items():
        del found.writes[path]
        found.conflicts[path] = why
    return before


# --- leases -------------------------------------------------------------------------------------------


def _lease(ctx: click.Context, entry: store.Stored, paths: list[str]) -> list[str]:
    """Take the leases of the paths, all or none; without a supervisor there is nobody to ask."""
    if not entry.repo and not os.environ.get("LEASEHOLD_TOKEN"):
        return []
    texts = [_scope_text(path) for path in paths]
    try:
        with client(ctx) as supervisor:
            supervisor.call("lease.acquire", paths=texts, repo=entry.repo, cwd=str(entry.root))
    except Unreachable:
        return []
    return texts


def _give_back(ctx: click.Context, entry: store.Stored, texts: list[str]) -> None:
    if texts and not os.environ.get("LEASEHOLD_TOKEN"):
        with client(ctx) as supervisor:
            supervisor.call("lease.release", paths=texts, repo=entry.repo, cwd=str(entry.root))


def _scope_text(path: str) -> str:
    """Return a path as a scope; a byte that is not UTF-8 becomes a wildcard, as JSON cannot carry it."""
    from supervisor.core.leases.pattern import escape

    return "".join("?" if "\udc80" <= char <= "\udcff" else escape(char) for char in path)


# --- what is told -------------------------------------------------------------------------------------


def _tell(
    kept: Kept,
    found: Plan,
    *,
    as_json: bool,
    written: bool,
    before: Kept | None = None,
    leased: list[str] | None = None,
) -> NoReturn:
    failed = found.refused()
    if as_json:
        print_json(_as_json(kept, found, before, written=written))
        sys.exit(1 if failed else 0)
    verb = "written" if written else "would be written"
    for path, entry in found.writes.items():
        how = "removed" if entry is None else verb
        extra = (
            ", merged with a commit since"
            if path in found.merged
            else (", with conflict markers" if path in found.marked else "")
        )
        if written or not failed:
            click.echo(f"{store.shown(path)}: {how}{extra}")
    for path in found.same:
        click.echo(f"{store.shown(path)}: already as salvaged")
    for path in found.dirty:
        click.echo(
            f"leasehold: {store.shown(path)} has other uncommitted changes; commit them, or --force", err=True
        )
    for path, why in found.conflicts.items():
        click.echo(f"leasehold: {store.shown(path)}: {why}", err=True)
    if before is not None:
        click.echo(f"what was written over is kept as salvage {before.id}")
    if failed and not written:
        click.echo(
            f"leasehold: nothing was written; `leasehold salvage show {kept.id} --patch` shows the work, "
            "PATHS choose some of it, --markers and --force write all the same",
            err=True,
        )
    if leased and not os.environ.get("LEASEHOLD_TOKEN"):
        click.echo("you hold these paths now; once committed: leasehold lease release --all")
    sys.exit(1 if failed else 0)


def _as_json(kept: Kept, found: Plan, before: Kept | None, *, written: bool) -> dict[str, Any]:
    def names(paths: list[str]) -> list[str]:
        return [store.spelled(path) for path in paths]

    done = [path for path, entry in found.writes.items() if entry is not None]
    return {
        "id": kept.id,
        "applied": written,
        "written": names(done),
        "removed": names([path for path, entry in found.writes.items() if entry is None]),
        "same": names(found.same),
        "merged": names(found.merged),
        "marked": names(found.marked),
        "dirty": names(found.dirty),
        "conflicts": {store.spelled(path): why for path, why in found.conflicts.items()},
        "replaced": names(found.replaced),
        "replaced_salvage": before.id if before else None,
    }
