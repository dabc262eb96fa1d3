"""From a chosen task to what its worker runs: brief written, environment built, guard set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from supervisor.core.decisions.tables import Tables
from supervisor.core.sessions.brief import render
from supervisor.core.sessions.roster import Intent, Session
from supervisor.daemon.briefing import brief_of, dirty_in_scope
from supervisor.daemon.confining import confinement
from supervisor.daemon.equipping import equip
from supervisor.daemon.guarding import guard_of
from supervisor.daemon.harness_limits import limits_of
from supervisor.daemon.templates import template_of
from supervisor.daemon.workshop import Workshop
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.models import HarnessSettings
from supervisor.world.git.hooks import environment as gate_environment
from supervisor.world.git.hooks import install_hooks, needed_alone
from supervisor.world.git.repository import Repository
from supervisor.world.git.salvage.keep import find
from supervisor.world.git.turns import turns_environment
from supervisor.world.launch.environment import session_base
from supervisor.world.launch.launcher import LaunchError
from supervisor.world.launch.spec import NOTICE, SessionSpec

log = structlog.get_logger("leasehold")


async def session_spec(shop: Workshop, tables: Tables, session: Session) -> SessionSpec:
    """Return what the session's worker is to run.

    Raises:
        GitError: the repository could not be asked for its uncommitted files.
        LaunchError: a reload has just taken its harness or repository out of the configuration.
    """
    shop.mend_hooks()
    intent = session.intent
    harness = shop.settings.harness.get(intent.harness)
    if harness is None:
        raise LaunchError(f'harness "{intent.harness}" is no longer configured')
    repo = shop.repos.get(intent.repo)
    if intent.repo and repo is None:
        raise LaunchError(f'repository "{intent.repo}" is no longer configured')
    checkout = repo.root if repo is not None else Path()
    if repo is not None:
        repo = await shop.worktrees.make(session, repo, tables.backlog.track(session.key).last)
    folder = shop.sessions / session.id
    salvages = await _salvages(tables, session, repo)
    given = _given(session, harness)
    env = {**session_base(os.environ), **given, **_told(shop, session, folder, salvages)}
    last = tables.backlog.track(session.key).last
    equipment = equip(session, harness, folder, env, last, repo.root if repo is not None else None)
    env |= {name: value for name, value in equipment.prepared.env.items() if name not in given}
    session.hooks = equipment.hooks
    if equipment.resumed:
        log.info("session.goes_on", session=session.id, earlier=equipment.resumed)
    if repo is not None:
        env["LEASEHOLD_REPO"] = env["PWD"] = str(repo.root)
    ungated = dict(env)
    if repo is not None:
        env |= _gated(shop, intent, repo, folder, env)
    confine = confinement(shop.settings, intent, repo, checkout, folder, env)
    return SessionSpec(
        session=session.id,
        task=session.key,
        command=equipment.prepared.argv,
        prompt=render(
            replace(
                brief_of(
                    tables, session, await dirty_in_scope(tables, session, repo), salvages, shop, confine
                ),
                moved_to=str(repo.root) if repo is not None and intent.target and equipment.resumed else "",
            ),
            template_of(harness),
        ),
        env=env,
        cwd=repo.root if repo is not None else Path(env.get("HOME", "/")),
        budget=session.budget,
        log_limit=harness.log_limit,
        socket=shop.sockets / f"{session.id}.sock",
        model=intent.model,
        repo=repo.root if repo is not None else None,
        limits=limits_of(harness),
        files=equipment.prepared.files,
        links=equipment.prepared.links,
        stop=equipment.stop,
        guard=await guard_of(shop, tables, intent, repo, checkout, ungated) if repo is not None else None,
        confine=confine,
    )


def _given(session: Session, harness: HarnessSettings) -> dict[str, str]:
    """Return the variables that the operator gives to the harness: they outrank the adapter's."""
    passed = pass_through(harness.env_from, os.environ)
    for name in passed.missing:
        log.warning("harness.variable_missing", session=session.id, harness=session.intent.harness, name=name)
    return {**passed.values, **harness.env}


def _told(shop: Workshop, session: Session, folder: Path, salvages: tuple[str, ...]) -> dict[str, str]:
    """Return the variables by which a session knows itself and finds its supervisor."""
    told = {
        "LEASEHOLD_SESSION": session.id,
        "LEASEHOLD_TASK": session.key,
        "LEASEHOLD_SOCKET": str(shop.control),
        "LEASEHOLD_TOKEN": session.intent.capability,
        "LEASEHOLD_NOTICE": str(folder / NOTICE),
    }
    if salvages:
        told["LEASEHOLD_SALVAGES"] = " ".join(salvages)
    return told


def _gated(
    shop: Workshop, intent: Intent, repo: Repository, folder: Path, env: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that lead git to the gate and, in a shared checkout, to its turns."""
    alone = shop.hooks / f"alone-{intent.repo}"
    install_hooks(alone, needed_alone(repo))
    gated = gate_environment(repo, alone, env, target=intent.target)
    # Where the worker answers hooks, unless a guard needs none.
    gated["LEASEHOLD_GATE"] = str(folder / "gate")
    if not intent.target:
        gated |= turns_environment(shop.hooks / "bin", shop.turn_lock(intent.repo), {**env, **gated})
    return gated


async def _salvages(tables: Tables, session: Session, repo: Repository | None) -> tuple[str, ...]:
    """Return which of the salvages that the task left are still there: an operator may have dropped some."""
    last = tables.backlog.track(session.key).last
    if repo is None or last is None:
        return ()
    return tuple([name for name in last.salvages if await find(repo, name) is not None])
