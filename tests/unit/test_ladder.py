"""Which rung starts sessions, and which one clears them away."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from supervisor.core.sessions.budget import Budget
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.launch import climb as climbing
from supervisor.world.launch.installation import Installation, installation_of
from supervisor.world.launch.ladder import Ladder, LadderError, Trial
from supervisor.world.launch.launcher import Cleared, Launcher, LaunchError, StartedWorker
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import SessionSpec

HERE = Installation("0a1b2c", Path("/nowhere/sessions"), Path("/nowhere/workers"))


@dataclass
class Fake:
    """A rung that notes what it is asked."""

    rung: Rung
    ids: frozenset[str] = frozenset()
    cleared: Cleared = field(default_factory=Cleared)
    asked: list[str] = field(default_factory=list)
    blind: bool = False

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        self.asked.append(f"start {folder.name} {spec.session}")
        return StartedWorker(ProcessId(1, 1), -1)

    async def clear(self, session: str, folder: Path) -> Cleared:
        self.asked.append(f"clear {session} in {folder.name}")
        return self.cleared

    async def tidy(self, session: str, folder: Path) -> Cleared:
        self.asked.append(f"tidy {session} in {folder.name}")
        return self.cleared

    async def found(self) -> frozenset[str]:
        return self.ids

    async def alive(self) -> frozenset[str]:
        if self.blind:
            raise LaunchError("it cannot look")
        return self.ids


@dataclass
class House:
    """A ladder of fakes that stands on `rung`."""

    rung: Rung
    sessions: Path
    fakes: dict[Rung, Fake]

    def ladder(self) -> Ladder:
        launchers: dict[Rung, Launcher] = dict(self.fakes)
        return Ladder(self.rung, launchers, tuple(Trial(rung, holds=True, told="") for rung in Rung))

    def folder(self, session: str, **spec: object) -> Path:
        folder = self.sessions / session
        folder.mkdir()
        (folder / "spec.json").write_text(json.dumps(spec))
        return folder


@pytest.fixture
def house(tmp_path):
    return House(Rung.CGROUP, tmp_path, {rung: Fake(rung) for rung in (Rung.CGROUP, Rung.SWEEP)})


def spec(session: str) -> SessionSpec:
    return SessionSpec(session, "t", ["true"], "", {}, Path("/"), Budget(1, 0, 1), 1 << 16, Path("/s"))


@pytest.mark.asyncio
async def test_new_sessions_start_on_the_rung_of_the_ladder(house, tmp_path):
    await house.ladder().start(spec("s1"), tmp_path / "s1")

    assert house.fakes[Rung.CGROUP].asked == ["start s1 s1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("rung", [Rung.CGROUP, Rung.SWEEP])
async def test_a_session_is_cleared_on_the_rung_that_its_specification_names(house, rung):
    folder = house.folder("s1", rung=rung.value)

    await house.ladder().clear("s1", folder)
    await house.ladder().tidy("s1", folder)

    assert {rung: fake.asked for rung, fake in house.fakes.items() if fake.asked} == {
        rung: ["clear s1 in s1", "tidy s1 in s1"]
    }


@pytest.mark.asyncio
async def test_a_withdrawn_specification_still_names_the_rung(house):
    folder = house.folder("s1", rung="cgroup")
    (folder / "spec.json").rename(folder / "spec.json.withdrawn")

    await house.ladder().clear("s1", folder)

    assert house.fakes[Rung.CGROUP].asked == ["clear s1 in s1"]


@pytest.mark.asyncio
async def test_a_session_of_an_older_version_was_started_without_a_rung(house):
    await house.ladder().clear("s1", house.folder("s1", schema=1))

    assert house.fakes[Rung.SWEEP].asked == ["clear s1 in s1"]


@pytest.mark.asyncio
async def test_a_stray_without_a_folder_is_cleared_wherever_something_of_it_is(house):
    house.fakes[Rung.CGROUP].cleared = Cleared(killed=(7,), why="out of memory")
    house.fakes[Rung.SWEEP].cleared = Cleared(survivors=("pid 8",))

    cleared = await house.ladder().clear("s1", house.sessions / "s1")

    assert cleared == Cleared((7,), ("pid 8",), "out of memory")


@pytest.mark.asyncio
async def test_promise_14_a_session_on_a_rung_that_is_out_of_reach_is_not_called_gone(house):
    folder = house.folder("s1", rung="system units")

    cleared = await house.ladder().clear("s1", folder)

    assert cleared.survivors == ("what its system units holds, which is out of reach now",)


@pytest.mark.asyncio
async def test_a_rung_that_cannot_look_hides_nothing_that_the_others_see(house):
    house.fakes[Rung.CGROUP].ids = frozenset({"s1"})
    house.fakes[Rung.CGROUP].blind = True
    house.fakes[Rung.SWEEP].ids = frozenset({"s2"})

    assert await house.ladder().alive() == {"s2"}


@pytest.mark.asyncio
async def test_what_any_rung_holds_is_found(house):
    house.fakes[Rung.CGROUP].ids = frozenset({"s1", "s2"})
    house.fakes[Rung.SWEEP].ids = frozenset({"s2", "s3"})

    assert await house.ladder().found() == {"s1", "s2", "s3"}


# --- the climb --------------------------------------------------------------------------------------


@pytest.fixture
def holding(monkeypatch):
    """Say which rungs hold, and which unit is around."""

    def say(*rungs: Rung, unit: str | None = None) -> None:
        async def tried(rung: Rung, here: Installation) -> tuple[Trial, Launcher | None]:
            holds = rung in rungs
            return Trial(rung, holds=holds, told=f"no {rung.value} here"), Fake(rung) if holds else None

        monkeypatch.setattr(climbing, "_try", tried)
        monkeypatch.setattr(climbing, "unit_around", lambda: unit)

    return say


@pytest.mark.asyncio
async def test_auto_takes_the_strongest_rung_that_holds(holding):
    holding(Rung.USER_UNITS, Rung.CGROUP, Rung.SWEEP)

    ladder = await climbing.climb("auto", HERE)

    assert ladder.rung is Rung.USER_UNITS
    assert [trial.rung for trial in ladder.trials] == list(Rung)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("wanted", "rung"),
    [("systemd", Rung.USER_UNITS), ("cgroup", Rung.CGROUP), ("sweep", Rung.SWEEP)],
)
async def test_a_rung_that_is_asked_for_is_taken(holding, wanted, rung):
    holding(Rung.USER_UNITS, Rung.CGROUP, Rung.SWEEP)

    assert (await climbing.climb(wanted, HERE)).rung is rung


@pytest.mark.asyncio
async def test_a_rung_that_is_asked_for_and_does_not_hold_is_refused_in_one_line(holding):
    holding(Rung.SWEEP)

    with pytest.raises(LadderError) as refused:
        await climbing.climb("systemd", HERE)

    assert str(refused.value) == (
        'supervisor.launcher is "systemd", which does not hold here (system units: no system units here; '
        'user units: no user units here); "auto" takes what holds'
    )


@pytest.mark.asyncio
async def test_a_service_that_could_only_start_sessions_which_end_with_it_refuses_to_start(holding):
    holding(Rung.SWEEP, unit="leasehold.service")

    with pytest.raises(LadderError, match=r"outlives leasehold\.service"):
        await climbing.climb("auto", HERE)

    assert (await climbing.climb("sweep", HERE)).rung is Rung.SWEEP


@pytest.mark.asyncio
async def test_a_supervisor_by_hand_in_a_unit_of_somebody_else_may_start_such_sessions(holding):
    holding(Rung.SWEEP, unit="session-3.scope")

    assert (await climbing.climb("auto", HERE)).rung is Rung.SWEEP


# --- the installation -------------------------------------------------------------------------------


def test_an_installation_keeps_its_id_and_a_copy_gets_another(tmp_path):
    first = installation_of(tmp_path / "a", tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/installation").write_text((tmp_path / "a/installation").read_text())

    assert installation_of(tmp_path / "a", tmp_path) == first
    assert installation_of(tmp_path / "b", tmp_path).id != first.id
    assert first.id.isalnum()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["installation"]


def test_what_was_done_to_clear_a_session_is_told_behind_why_it_was_lost():
    assert Cleared().told == ""
    assert Cleared((1,), (), "out of memory").told == "; out of memory; 1 process of its tree was killed"
    assert (
        Cleared((1, 2), ("pid 3",)).told
        == "; 2 processes of its tree were killed; could not be killed: pid 3"
    )
