"""The parts of the daemon, built and connected. Nothing here decides anything, and nothing runs yet."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from anyio.abc import TaskGroup

from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.tasks.backlog import Backlog
from supervisor.core.tasks.standing import Track
from supervisor.daemon.authority import Authority
from supervisor.daemon.branch_settling import BranchSettler
from supervisor.daemon.ending import Ending, Plan
from supervisor.daemon.fleet import Workers
from supervisor.daemon.grading import Grading
from supervisor.daemon.integration.integrator import Integrator
from supervisor.daemon.listening import Listener
from supervisor.daemon.orphans import SOURCE, set_apart
from supervisor.daemon.ownership import misplaced
from supervisor.daemon.pacing_memory import PacingMemory
from supervisor.daemon.places import Places
from supervisor.daemon.policy import policy_from
from supervisor.daemon.quota_memory import QuotaMemory
from supervisor.daemon.recorder import Recorder, fresh_id
from supervisor.daemon.recovery.adoption import Adoption
from supervisor.daemon.recovery.insisting import Insistence
from supervisor.daemon.recovery.reconciling import Reconciler
from supervisor.daemon.recovery.strays import Strays
from supervisor.daemon.refreshing import prepare
from supervisor.daemon.reload import Reloader
from supervisor.daemon.salvaging import Salvager
from supervisor.daemon.service import Service
from supervisor.daemon.settling import Settler
from supervisor.daemon.situation import Situation
from supervisor.daemon.sources.feeds import Sources
from supervisor.daemon.sources.queue import Queue
from supervisor.daemon.sources.setup import make_sources
from supervisor.daemon.steady_clock import SteadyClock
from supervisor.daemon.timetable import Timetable
from supervisor.daemon.tokens import CEILING, TokenBlocks
from supervisor.daemon.workshop import Workshop
from supervisor.daemon.worktrees import Worktrees
from supervisor.world import clock
from supervisor.world.config.discover import socket_path
from supervisor.world.config.models import Settings
from supervisor.world.disk import shortage
from supervisor.world.footing import Footing
from supervisor.world.git.checkouts import Checkouts
from supervisor.world.git.repository import Repository
from supervisor.world.journal.journal import Journal
from supervisor.world.journal.reader import Snapshot
from supervisor.world.systemd.attached import Attached


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run begins with: the configuration, what was found on the host, and what an earlier run left."""

    settings: Settings
    repos: dict[str, Repository]
    checkouts: Checkouts
    footing: Footing
    attached: Attached
    journal: Journal
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Daemon:
    """The parts that a run has to do with."""

    journal: Journal
    authority: Authority
    situation: Situation
    shop: Workshop
    integrator: Integrator
    places: Places
    workers: Workers
    sources: Sources
    queue: Queue
    ending: Ending
    adoption: Adoption
    tokens: TokenBlocks
    memory: PacingMemory
    reloader: Reloader
    service: Service
    strays: Strays


def build(ground: Ground, group: TaskGroup, plan: Plan) -> Daemon:
    """Return the daemon; its parts start their work in `group`, and it ends by `plan`."""
    settings, journal, snapshot = ground.settings, ground.journal, ground.snapshot
    ladder = ground.footing.ladder
    tokens = Tokens(int(snapshot.meta.get(CEILING, 0)))
    tables = _tables(ground, tokens)
    memory, authority = _authority(ground, tables)
    spent = QuotaMemory(tables, journal, snapshot.sessions, clock.now())
    recorder = authority.recorder
    places = Places(settings.supervisor.state_dir / "sessions", settings.supervisor.runtime_dir / "workers")
    shop = _workshop(ground, places)
    tables.room = lambda was_short: misplaced(journal) or _shortage(shop, was_short=was_short)
    sources = Sources(authority, group, shop.work)
    queue = Queue(tables, recorder, shop.work, snapshot.queue, snapshot.meta)
    sources.configure(*make_sources(settings, queue))
    salvager = Salvager(tables, lambda: set_apart(sources, settings))
    integrator = Integrator(authority, shop.worktrees.folder)
    branches = BranchSettler(tables, clock.now, shop.worktrees, salvager, integrator)
    settler = Settler(tables, ground.repos, clock.now, salvager, shop.worktrees, branches)
    workers = Workers(
        authority, group, places, lambda session: prepare(authority, shop, session), settler, ladder
    )
    workers.listen(Listener(authority, places, lambda: shop.settings, group))
    ladder.recorded = tables.rung_of
    reconciler = Reconciler(authority, workers, places, ladder, group)
    Insistence(authority, workers.worker)
    Grading(authority, journal, group, places, lambda: shop.repos, lambda: shop.settings)
    authority.attach(workers, sources)
    situation = Situation(
        settings.path,
        clock.now().wall,
        ground.footing,
        schedules=Timetable(authority, recorder, snapshot.schedules).describe,
        unknown=reconciler.unknown,
        integrations=integrator.queue,
    )
    service = Service(authority, situation, ground.attached)
    workers.keeper = service
    blocks = TokenBlocks(tokens, recorder, authority.tick)
    authority.after.append(blocks.look)
    return Daemon(
        journal=journal,
        authority=authority,
        situation=situation,
        shop=shop,
        integrator=integrator,
        places=places,
        workers=workers,
        sources=sources,
        queue=queue,
        ending=Ending(authority, sources, plan, lambda: shop.settings),
        adoption=Adoption(authority, reconciler, memory),
        tokens=blocks,
        memory=memory,
        reloader=Reloader(
            authority, situation, shop, settler, sources, queue, service, spent, ground.checkouts
        ),
        service=service,
        strays=Strays(authority, journal, places, ladder, situation, group),
    )


def _tables(ground: Ground, tokens: Tokens) -> Tables:
    policy = policy_from(ground.settings, ground.repos)
    folding = [name for name, repo in ground.repos.items() if repo.fold_case]
    tracks = {row.key: Track.from_json(row.disposition) for row in ground.snapshot.tasks}
    return Tables(
        policy=policy,
        broker=Broker(tokens, folding=folding),
        backlog=Backlog([SOURCE, *ground.settings.sources], tracks),
        mint=lambda: (fresh_id(), secrets.token_urlsafe(24)),
        recent=Recent(policy.selection.recent_window),
        rung=ground.footing.ladder.rung.value,
    )


def _authority(ground: Ground, tables: Tables) -> tuple[PacingMemory, Authority]:
    """Return the tables' authority, and the memory that has filled them with what earlier runs left."""
    memory = PacingMemory(tables, ground.snapshot.pacing, clock.now)
    memory.restore()
    quiet = ground.settings.supervisor.log_level != "debug"
    recorder = Recorder(tables, ground.journal, memory, quiet=quiet)
    steady = SteadyClock(tables, clock.now, memory.offset())
    memory.clock = steady
    authority = Authority(tables, recorder, steady.now)
    steady.report_to(authority)
    return memory, authority


def _workshop(ground: Ground, places: Places) -> Workshop:
    state_dir = ground.settings.supervisor.state_dir
    return Workshop(
        settings=ground.settings,
        repos=ground.repos,
        hooks=state_dir / "hooks",
        sessions=places.sessions,
        sockets=places.sockets,
        control=socket_path(ground.settings),
        footing=ground.footing,
        worktrees=Worktrees(Path(os.path.realpath(state_dir), "worktrees")),
    )


def _shortage(shop: Workshop, *, was_short: bool) -> str:
    places = [shop.settings.supervisor.state_dir, *(repo.root for repo in shop.repos.values())]
    return shortage(places, shop.settings.supervisor.disk_floor, was_short=was_short)
