"""One run of the supervisor, from taking its state directory to its end."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack

import anyio
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Note
from supervisor.daemon.answering import answering
from supervisor.daemon.callers import access
from supervisor.daemon.ending import Plan, Serve, UntilIdle
from supervisor.daemon.footing import find_footing
from supervisor.daemon.journal_watch import JournalWatch
from supervisor.daemon.orphans import look_for_orphans, set_apart
from supervisor.daemon.ownership import claim
from supervisor.daemon.parts import Daemon, Ground, build
from supervisor.daemon.recovery.adoption import refuse_while_workers_live
from supervisor.daemon.reload import open_repositories
from supervisor.daemon.retention import TODAY, Retention
from supervisor.daemon.settling import remember_history
from supervisor.daemon.signals import SignalOrders, answer_signals, meanings
from supervisor.daemon.sources.watching import watch_sources
from supervisor.daemon.steady_clock import keep_time
from supervisor.daemon.verbs.table import methods
from supervisor.world.config.discover import socket_path
from supervisor.world.config.models import Settings
from supervisor.world.early_signals import EarlySignals
from supervisor.world.failpoint import failpoint
from supervisor.world.git.checkouts import Checkouts
from supervisor.world.git.turns import install_programs
from supervisor.world.journal.journal import Journal
from supervisor.world.systemd.attached import Attached

log = structlog.get_logger("leasehold")


async def supervise(
    settings: Settings,
    *,
    until_idle: bool = False,
    patience: float | None = None,
    recover: bool = False,
    attached: Attached | None = None,
    early: EarlySignals | None = None,
) -> tuple[int, list[str]]:
    """Run the supervisor until it is told to end; return the exit code and what is left undone, in lines.

    With `until_idle`, `patience` are the seconds for which what rests and does not tell until when is waited for.
    With `recover` a damaged journal is moved aside and a new one begun. `attached` ties it to a service
    manager; signals that came `early` are answered first.

    Raises:
        JournalError, ListenError, RepositoryError, HooksError, LevelError, LadderError: it cannot start; one line says why.
    """
    watch = JournalWatch()
    ground = await _ground(settings, attached or Attached(), watch, recover=recover)
    plan: Plan = UntilIdle(patience) if until_idle else Serve()
    async with AsyncExitStack() as stack:
        stack.callback(ground.checkouts.keep, ())
        stack.callback(ground.journal.close)
        signalled = await stack.enter_async_context(anyio.create_task_group())
        sessions = await stack.enter_async_context(anyio.create_task_group())
        daemon = build(ground, sessions, plan)
        watch.begin(daemon.authority, ground.journal)
        await daemon.tokens.first()
        failpoint("supervisor.tokens_reserved")
        ready = anyio.Event()
        signalled.start_soon(answer_signals, meanings(_orders(daemon)), ready.set, early or EarlySignals())
        await ready.wait()
        await _take_over(daemon, ground)
        failpoint("supervisor.adopted")
        listener = ground.attached.handed.control
        callers = access(daemon.authority.tables.roster, guarded=listener is not None)
        async with answering(socket_path(settings), methods(daemon, sessions), callers, listener):
            await _begin(daemon, ground, sessions)
            await daemon.ending.over.wait()
            left = [*daemon.ending.survivors, *(daemon.ending.left_over() if until_idle else [])]
            _say_that_it_ends(daemon)
        sessions.cancel_scope.cancel()  # detaches: the watchers end, the workers do not
        signalled.cancel_scope.cancel()
    return (1 if left else 0), left


async def _ground(settings: Settings, attached: Attached, watch: JournalWatch, *, recover: bool) -> Ground:
    """Take what is the supervisor's alone and look at the rest; the caller closes the journal."""
    state_dir = settings.supervisor.state_dir
    lock = claim(settings, attached)  # first: it may be another one's
    repos = await open_repositories(settings)
    checkouts = Checkouts()
    checkouts.hold(repos.values())
    install_programs(state_dir / "hooks")
    footing = await find_footing(settings)
    if recover:
        refuse_while_workers_live(state_dir / "sessions")
    journal = Journal.open(state_dir, on_failure=watch.failed, recover=recover, lock=lock)
    if journal.recovery is not None:
        log.warning("journal.recovered", told=journal.recovery.sentence())
    failpoint("supervisor.journal_open")
    try:
        return Ground(settings, repos, checkouts, footing, attached, journal, journal.load())
    except BaseException:
        journal.close()
        raise


async def _take_over(daemon: Daemon, ground: Ground) -> None:
    """Take over what lives and look at the repositories, before anybody is answered."""
    daemon.adoption.take_over(ground.snapshot.sessions)
    living = [row.id for row in ground.snapshot.sessions]
    for name, repo in ground.repos.items():
        await daemon.shop.worktrees.clear_up(name, repo, living)
    daemon.memory.restore_leases()
    daemon.memory.settle_canaries()
    await daemon.strays.look()
    await remember_history(daemon.authority, ground.repos)
    apart = set_apart(daemon.sources, ground.settings)
    await look_for_orphans(daemon.authority, daemon.situation, ground.repos, apart)


async def _begin(daemon: Daemon, ground: Ground, group: TaskGroup) -> None:
    """Let sessions start, and say that it serves."""
    authority = daemon.authority
    Retention(
        authority,
        group,
        ground.journal,
        daemon.places.sessions,
        lambda: daemon.shop.settings.supervisor,
        ground.snapshot.meta.get(TODAY),
    )
    group.start_soon(keep_time, authority)
    failpoint("supervisor.answering")
    await daemon.sources.read_all()  # from here on sessions start, and their commits ask us
    group.start_soon(watch_sources, authority, daemon.sources)
    data = {"pid": os.getpid(), "generation": ground.snapshot.generation}
    authority.do([Note("supervisor.started", data=data)])
    authority.tick()
    daemon.service.ready()
    failpoint("supervisor.started")
    daemon.ending.begin()


def _say_that_it_ends(daemon: Daemon) -> None:
    running = len(daemon.authority.tables.roster)
    daemon.authority.do([Note("supervisor.stopping", data={"running": running})])
    failpoint("supervisor.stopping")
    daemon.authority.recorder.flush()
    daemon.service.stopping(f"stopped; {running} sessions go on" if running else "stopped")


def _orders(daemon: Daemon) -> SignalOrders:
    return SignalOrders(daemon.authority, daemon.situation, daemon.reloader, daemon.ending, daemon.shop)
