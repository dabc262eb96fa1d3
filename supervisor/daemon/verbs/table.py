"""All verbs of the control socket."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from anyio.abc import TaskGroup

from supervisor.daemon.orphans import set_apart
from supervisor.daemon.parts import Daemon
from supervisor.daemon.verbs.discarding import DiscardVerbs
from supervisor.daemon.verbs.ending import EndingVerbs
from supervisor.daemon.verbs.hooks import write_verbs
from supervisor.daemon.verbs.integration import IntegrationVerbs
from supervisor.daemon.verbs.leases import LeaseVerbs
from supervisor.daemon.verbs.operator import OperatorVerbs
from supervisor.daemon.verbs.reading import ReadingVerbs
from supervisor.daemon.verbs.saying import SayingVerbs
from supervisor.daemon.verbs.sessions import SessionVerbs
from supervisor.daemon.verbs.tasks import TaskVerbs
from supervisor.world.control.methods import Method


def methods(daemon: Daemon, group: TaskGroup) -> list[Method[Any]]:
    """Return what the daemon answers; what takes longer than an answer goes on in `group`."""

    def spawn(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        group.start_soon(work)

    authority, reloader = daemon.authority, daemon.reloader
    leases = LeaseVerbs(authority, daemon.shop, daemon.workers, spawn)
    verbs = (
        IntegrationVerbs(authority, daemon.shop, daemon.integrator, daemon.journal, spawn),
        leases,
        *write_verbs(authority, daemon.shop, spawn, leases),
        DiscardVerbs(authority, daemon.shop, spawn, lambda: set_apart(daemon.sources, daemon.shop.settings)),
        TaskVerbs(authority, daemon.queue, daemon.sources, daemon.journal, daemon.shop),
        SayingVerbs(authority, daemon.workers),
        SessionVerbs(authority, daemon.workers, daemon.journal, daemon.places),
        EndingVerbs(authority, daemon.workers, daemon.journal, daemon.situation, daemon.strays),
        OperatorVerbs(authority, spawn, reloader.reload, reloader.reprioritize),
        ReadingVerbs(authority, daemon.journal, daemon.situation),
    )
    return [method for group_of_verbs in verbs for method in group_of_verbs.methods()]
