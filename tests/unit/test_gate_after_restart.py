"""A commit that comes before all workers have reported waits for them: nobody knows yet who holds what."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from supervisor.daemon.verbs.leases import GateCheck, LeaseVerbs
from supervisor.world.control.caller import SessionCaller
from supervisor.world.control.later import Later


class Authority:
    """The tables of a house, with the hooks that verbs use; effects are dropped."""

    def __init__(self, house) -> None:
        self.tables = house.tables
        self.after: list[Callable[[], None]] = []
        self._house = house

    def now(self):
        return self._house.now

    def do(self, effects) -> None:
        self._house.take(effects)


@pytest.mark.asyncio
async def test_a_commit_is_judged_once_every_worker_has_reported(house, work) -> None:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    session = house.session("a")
    authority = Authority(house)
    verbs = LeaseVerbs(authority, SimpleNamespace(repos={}), None, lambda _work: None)  # type: ignore[arg-type]
    house.tables.wait_for_reports.add("other")
    asked = GateCheck(updates=())

    answer = verbs.check(SessionCaller(session.id, 1), asked)
    heard: list[object] = []
    assert isinstance(answer, Later)
    answer.bind(lambda _later, outcome: heard.append(outcome))
    authority.after[0]()
    assert heard == []
    house.tables.wait_for_reports.clear()
    authority.after[0]()

    assert heard == [{"ok": True, "discovered": []}]
