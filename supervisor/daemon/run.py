"""The composition root: builds the daemon from its parts and runs it to its end."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from supervisor.core.decisions.effects import Note
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.tasks.backlog import Backlog
from supervisor.core.tasks.standing import Track
from supervisor.daemon.adoption import Adoption, refuse_while_workers_live
from supervisor.daemon.answering import answering
from supervisor.daemon.authority import Authority
from supervisor.daemon.branch_settling import BranchSettler
from supervisor.daemon.callers import access
from supervisor.daemon.ending import Ending, Plan, Serve, UntilIdle
from supervisor.daemon.feeds import Sources
from supervisor.daemon.fleet import Workers
from supervisor.daemon.footing import find_footing
from supervisor.daemon.grading import Grading
from supervisor.daemon.insisting import Insistence
from supervisor.daemon.integrating import Integrator
from supervisor.daemon.journal_watch import JournalWatch
from supervisor.daemon.listening import Listener
from supervisor.daemon.orphans import SOURCE, look_for_orphans, set_apart
from supervisor.daemon.ownership import claim, misplaced
from supervisor.daemon.pacing_memory import PacingMemory
from supervisor.daemon.places import Places
from supervisor.daemon.policy import policy_from
from supervisor.daemon.queue import Queue
from supervisor.daemon.quota_memory import QuotaMemory
from supervisor.daemon.reconciling import Reconciler
from supervisor.daemon.recorder import Recorder, fresh_id
from supervisor.daemon.refreshing import prepare
from supervisor.daemon.reload import Reloader, open_repositories
from supervisor.daemon.retention import TODAY, Retention
from supervisor.daemon.salvaging import Salvager
from supervisor.daemon.service import Service
from supervisor.daemon.settling import Settler, remember_history
from supervisor.daemon.signals import SignalOrders, answer_signals, meanings
from supervisor.daemon.situation import Situation
from supervisor.daemon.source_setup import make_sources
from supervisor.daemon.steady_clock import SteadyClock, keep_time
from supervisor.daemon.strays import Strays
from supervisor.daemon.timetable import Timetable
from supervisor.daemon.tokens import CEILING, TokenBlocks
from supervisor.daemon.verbs.ending import EndingVerbs
from supervisor.daemon.verbs.hooks import write_verbs
from supervisor.daemon.verbs.integration import IntegrationVerbs
from supervisor.daemon.verbs.leases import LeaseVerbs
from supervisor.daemon.verbs.operator import OperatorVerbs
from supervisor.daemon.verbs.reading import ReadingVerbs
from supervisor.daemon.verbs.saying import SayingVerbs
from supervisor.daemon.verbs.sessions import SessionVerbs
from supervisor.daemon.verbs.tasks import TaskVerbs
from supervisor.daemon.watching import watch_sources
from supervisor.daemon.workshop import Workshop
from supervisor.daemon.worktrees import Worktrees
from supervisor.world import clock
from supervisor.world.config.discover import socket_path
from supervisor.world.config.models import Settings
from supervisor.world.control.methods import Method
from supervisor.world.disk import shortage
from supervisor.world.early_signals import EarlySignals
from supervisor.world.failpoint import failpoint
from supervisor.world.footing import Footing
from supervisor.world.git.repository import Repository
from supervisor.world.git.turns import install_programs
from supervisor.world.journal.errors import JournalError
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.reader import Snapshot
from supervisor.world.systemd.attached import Attached

log = structlog.get_logger("leasehold")


@dataclass(slots=True)
class Daemon:
    """The parts that the run connects. Nothing here decides anything."""

    settings: Settings
    journal: Journal
    authority: Authority
    situation: Situation
    shop: Workshop
    settler: Settler
    integrator: Integrator
    places: Places
    workers: Workers
    sources: Sources
    queue: Queue
    ending: Ending
    adoption: Adoption
    reconciler: Reconciler
    tokens: TokenBlocks
    memory: PacingMemory
    reloader: Reloader
    service: Service
    strays: Strays


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
    state_dir = settings.supervisor.state_dir
    attached = attached or Attached()
    watch: list[JournalWatch] = []
    lock = claim(settings, attached)  # first: it may be another one's
    repos = await open_repositories(settings)
    install_programs(state_dir / "hooks")

    def journal_failed(error: JournalError) -> None:
        for watcher in watch:
            watcher.failed(error)

    plan: Plan = UntilIdle(patience) if until_idle else Serve()
    footing = await find_footing(settings)
    if recover:
        refuse_while_workers_live(state_dir / "sessions")
    journal = Journal.open(state_dir, on_failure=journal_failed, recover=recover, lock=lock)
    if journal.recovery is not None:
        log.warning("journal.recovered", told=journal.recovery.sentence())
    failpoint("supervisor.journal_open")
    async with AsyncExitStack() as stack:
        stack.callback(journal.close)
        signalled = await stack.enter_async_context(anyio.create_task_group())
        sessions = await stack.enter_async_context(anyio.create_task_group())
        snapshot = journal.load()
        daemon = _build(settings, journal, snapshot, repos, sessions, plan, footing, attached)
        watch.append(JournalWatch(daemon.authority))
        watch[0].watch(journal)
        await daemon.tokens.first()
        failpoint("supervisor.tokens_reserved")
        ready = anyio.Event()
        signalled.start_soon(answer_signals, meanings(_orders(daemon)), ready.set, early or EarlySignals())
        await ready.wait()
        await _begin(daemon, snapshot, repos)
        failpoint("supervisor.adopted")
        listener = attached.handed.control
        callers = access(daemon.authority.tables.roster, guarded=listener is not None)
        async with answering(socket_path(settings), _methods(daemon, sessions), callers, listener):
            Retention(
                daemon.authority,
                sessions,
                journal,
                daemon.places.sessions,
                lambda: daemon.shop.settings.supervisor,
                snapshot.meta.get(TODAY),
            )
            sessions.start_soon(keep_time, daemon.authority)
            failpoint("supervisor.answering")
            await daemon.sources.read_all()  # from here on sessions start, and their commits ask us
            sessions.start_soon(watch_sources, daemon.authority, daemon.sources)
            daemon.authority.do(
                [Note("supervisor.started", data={"pid": os.getpid(), "generation": snapshot.generation})]
            )
            daemon.authority.tick()
            daemon.service.ready()
            failpoint("supervisor.started")
            daemon.ending.begin()
            await daemon.ending.over.wait()
            left = [*daemon.ending.survivors, *(daemon.ending.left_over() if until_idle else [])]
            _say_that_it_ends(daemon)
        sessions.cancel_scope.cancel()  # detaches: the watchers end, the workers do not
        signalled.cancel_scope.cancel()
    return (1 if left else 0), left


def _say_that_it_ends(daemon: Daemon) -> None:
    running = len(daemon.authority.tables.roster)
    daemon.authority.do([Note("supervisor.stopping", data={"running": running})])
    failpoint("supervisor.stopping")
    daemon.authority.recorder.flush()
    daemon.service.stopping(f"stopped; {running} sessions go on" if running else "stopped")


def _build(
    settings: Settings,
    journal: Journal,
    snapshot: Snapshot,
    repos: dict[str, Repository],
    group: TaskGroup,
    plan: Plan,
    footing: Footing,
    attached: Attached,
) -> Daemon:
    policy = policy_from(settings, repos)
    tokens = Tokens(int(snapshot.meta.get(CEILING, 0)))
    folding = [name for name, repo in repos.items() if repo.fold_case]
    tables = Tables(
        policy=policy,
        broker=Broker(tokens, folding=folding),
        backlog=Backlog(
            [SOURCE, *settings.sources], {row.key: Track.from_json(row.disposition) for row in snapshot.tasks}
        ),
        mint=lambda: (fresh_id(), secrets.token_urlsafe(24)),
        recent=Recent(policy.selection.recent_window),
        rung=footing.ladder.rung.value,
    )
    memory = PacingMemory(tables, snapshot.pacing, clock.now)
    memory.restore()
    spent = QuotaMemory(tables, journal, snapshot.sessions, clock.now())
    recorder = Recorder(tables, journal, memory, quiet=settings.supervisor.log_level != "debug")
    steady = SteadyClock(tables, clock.now, memory.offset())
    memory.clock = steady
    authority = Authority(tables, recorder, steady.now)
    steady.report_to(authority)
    places = Places(settings.supervisor.state_dir / "sessions", settings.supervisor.runtime_dir / "workers")
    worktrees = Worktrees(Path(os.path.realpath(settings.supervisor.state_dir), "worktrees"))
    shop = Workshop(
        settings=settings,
        repos=repos,
        hooks=settings.supervisor.state_dir / "hooks",
        sessions=places.sessions,
        sockets=places.sockets,
        control=socket_path(settings),
        footing=footing,
        worktrees=worktrees,
    )
    tables.room = lambda was_short: (
        misplaced(journal)
        or shortage(
            [settings.supervisor.state_dir, *(repo.root for repo in shop.repos.values())],
            shop.settings.supervisor.disk_floor,
            was_short=was_short,
        )
    )
    salvager = Salvager(tables, lambda: set_apart(sources, settings))
    integrator = Integrator(authority, worktrees.folder)
    branches = BranchSettler(tables, clock.now, worktrees, salvager, integrator)
    settler = Settler(tables, repos, clock.now, salvager, worktrees, branches)
    workers = Workers(
        authority,
        group,
        places,
        lambda session: prepare(authority, shop, session),
        settler,
        footing.ladder,
    )
    workers.listen(Listener(authority, places, lambda: shop.settings, group))
    footing.ladder.recorded = tables.rung_of
    reconciler = Reconciler(authority, workers, places, footing.ladder, group)
    Insistence(authority, workers.worker)
    Grading(authority, journal, group, places, lambda: shop.repos, lambda: shop.settings)
    sources = Sources(authority, group, shop.work)
    queue = Queue(tables, recorder, shop.work, snapshot.queue, snapshot.meta)
    sources.configure(*make_sources(settings, queue))
    authority.attach(workers, sources)
    timetable = Timetable(authority, recorder, snapshot.schedules)
    situation = Situation(
        settings.path,
        clock.now().wall,
        footing,
        schedules=timetable.describe,
        unknown=reconciler.unknown,
        integrations=integrator.queue,
    )
    service = Service(authority, situation, attached)
    workers.keeper = service
    blocks = TokenBlocks(tokens, recorder, authority.tick)
    authority.after.append(blocks.look)
    return Daemon(
        settings=settings,
        journal=journal,
        authority=authority,
        situation=situation,
        shop=shop,
        settler=settler,
        integrator=integrator,
        places=places,
        workers=workers,
        sources=sources,
        queue=queue,
        ending=Ending(authority, sources, plan, lambda: shop.settings),
        adoption=Adoption(authority, reconciler, memory),
        reconciler=reconciler,
        tokens=blocks,
        memory=memory,
        reloader=Reloader(authority, situation, shop, settler, sources, queue, service, spent),
        service=service,
        strays=Strays(authority, journal, places, footing.ladder, situation, group),
    )


async def _begin(daemon: Daemon, snapshot: Snapshot, repos: dict[str, Repository]) -> None:
    """Take over what lives and look at the repositories, before anybody is answered."""
    daemon.adoption.take_over(snapshot.sessions)
    living = [row.id for row in snapshot.sessions]
    for name, repo in repos.items():
        await daemon.shop.worktrees.clear_up(name, repo, living)
    daemon.memory.restore_leases()
    daemon.memory.settle_canaries()
    await daemon.strays.look()
    await remember_history(daemon.authority, repos)
    await look_for_orphans(
        daemon.authority, daemon.situation, repos, set_apart(daemon.sources, daemon.settings)
    )


def _methods(daemon: Daemon, group: TaskGroup) -> list[Method[Any]]:
    def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        group.start_soon(work)

    authority, reloader = daemon.authority, daemon.reloader
    leases = LeaseVerbs(authority, daemon.shop, daemon.workers, spawn)
    verbs = (
        IntegrationVerbs(authority, daemon.shop, daemon.integrator, daemon.journal, spawn),
        leases,
        *write_verbs(authority, daemon.shop, spawn, leases),
        TaskVerbs(authority, daemon.queue, daemon.sources, daemon.journal),
        SayingVerbs(authority, daemon.workers),
        SessionVerbs(authority, daemon.workers, daemon.journal, daemon.places),
        EndingVerbs(authority, daemon.workers, daemon.journal, daemon.situation, daemon.strays),
        OperatorVerbs(authority, spawn, reloader.reload, reloader.reprioritize),
        ReadingVerbs(authority, daemon.journal, daemon.situation),
    )
    return [method for group_of_verbs in verbs for method in group_of_verbs.methods()]


def _orders(daemon: Daemon) -> SignalOrders:
    return SignalOrders(daemon.authority, daemon.situation, daemon.reloader, daemon.ending, daemon.shop)
