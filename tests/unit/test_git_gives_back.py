"""What becomes of the leases of a git command that has ended, while git is still asked what it left changed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor.core.decisions.claims import Claim, claim
from supervisor.core.decisions.effects import Entrust
from supervisor.core.leases.lease import Granted
from supervisor.core.leases.scope import tree_scope
from supervisor.daemon.verbs import after_sweep, guard
from supervisor.daemon.verbs.guard_words import GiveBack
from supervisor.world.control.caller import SessionCaller
from supervisor.world.control.later import Later
from supervisor.world.git.facts import Dirt, DirtyFile
from supervisor.world.git.repository import Repository


class Authority:
    """The tables of a house, as verbs see them."""

    def __init__(self, house: Any) -> None:
        self.tables = house.tables
        self._house = house

    def now(self) -> Any:
        return self._house.now

    def do(self, effects: Any) -> None:
        self._house.take(effects)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    git = tmp_path / ".git"
    return Repository(tmp_path, git, git, "main", False, git / "hooks", tmp_path)


@pytest.fixture
def session(house: Any, work: Any) -> Any:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    return house.session("a")


def run_git(house: Any, session: Any, deed: str) -> list[int]:
    verdict, _, effects = claim(house.tables, session, Claim((), git=deed), 0.0, house.now)
    house.take(effects)
    assert isinstance(verdict, Granted)
    return [lease.token for lease in verdict.leases]


def held(house: Any, session: Any) -> set[str]:
    return {lease.scope.text for lease in house.tables.broker.held(session.id)}


@pytest.mark.asyncio
async def test_a_whole_checkout_that_is_released_while_git_is_asked_gives_its_turn_back_too(
    house: Any, session: Any, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = run_git(house, session, "sweeps")

    async def released_meanwhile(_repo: Repository) -> tuple[DirtyFile, ...]:
        house.tables.broker.release(session.id, [tree_scope("", "repo")], house.now.mono)
        return ()

    monkeypatch.setattr(after_sweep, "dirty", released_meanwhile)
    await after_sweep.give_back_a_sweep(Authority(house), session, repo, tokens)  # type: ignore[arg-type]

    assert held(house, session) == {"one"}
    assert house.tables.closing == set()


@pytest.mark.asyncio
async def test_a_worker_whose_guard_has_lost_its_line_is_told_what_stays_leased_after_a_git_command(
    house: Any, session: Any, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = run_git(house, session, "changes")
    spawned: list[Any] = []
    shop = SimpleNamespace(repos={"repo": repo})
    verbs = guard.GuardVerbs(Authority(house), shop, spawned.append)  # type: ignore[arg-type]

    async def left_changed(_repo: Repository) -> tuple[DirtyFile, ...]:
        return (DirtyFile("written", Dirt.MODIFIED),)

    monkeypatch.setattr(guard, "dirty", left_changed)
    asked = GiveBack(tokens=tuple(tokens), written=("written", "committed"))
    later = verbs.give_back(SessionCaller(session.id, 1), asked)
    assert isinstance(later, Later)
    later.gone()
    await spawned[0]()

    assert held(house, session) == {"one", "written"}
    told = [effect for effect in house.effects if isinstance(effect, Entrust)]
    assert [[lease.scope.text for lease in effect.leases] for effect in told] == [["written"]]
