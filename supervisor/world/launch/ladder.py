"""The ladder: the strongest rung that was proven here starts sessions; each is cleared on the rung it was started on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from supervisor.world.launch.launcher import Cleared, Launcher, LaunchError, StartedWorker
from supervisor.world.launch.records import RecordError, read_rung
from supervisor.world.launch.rung import Rung
from supervisor.world.launch.spec import SessionSpec
from supervisor.world.level import Bite

log = structlog.get_logger("leasehold")


class LadderError(Exception):
    """The configured rung does not hold here; one line says why."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A rung that was tried: whether it holds, where or why not, and which limits of a session it can keep.

    `bite` is what became of a foreign write below the rung, where its sessions are in another sandbox than we are.
    """

    rung: Rung
    holds: bool
    told: str
    limits: frozenset[str] = frozenset()
    bite: Bite | None = None


class Ladder:
    """The launcher that the supervisor uses.

    `recorded` returns the rung of a session as the journal has it, which counts more than what is in its folder: the
    session can write there. `rung` is where new sessions start. `trials` are the rungs that were tried, strongest first; those above
    `rung` say why they do not hold. `limits` names the controllers that new sessions have, `bite` what was seen
    of the guard where they run; `None` where that is as it is here.
    """

    def __init__(self, rung: Rung, launchers: Mapping[Rung, Launcher], trials: tuple[Trial, ...]) -> None:
        self.rung = rung
        self.trials = trials
        self.limits, self.bite = next((t.limits, t.bite) for t in trials if t.rung is rung)
        self._launchers = launchers
        self.recorded: Callable[[str], str] = lambda _session: ""  # set by what reads the journal

    async def start(self, spec: SessionSpec, folder: Path) -> StartedWorker:
        """Start a session on the strongest rung.

        Raises:
            LaunchError: it could not be started.
        """
        return await self._launchers[self.rung].start(spec, folder)

    async def clear(self, session: str, folder: Path) -> Cleared:
        """Clear a session away on the rung on which it was started."""
        rung = self._rung_of(session, folder)
        if rung is None:  # a stray without a folder: whoever holds something of it
            return Cleared.of(
                [await launcher.clear(session, folder) for launcher in self._launchers.values()]
            )
        if rung not in self._launchers:
            return Cleared(survivors=(f"what its {rung.value} holds, which is out of reach now",))
        return await self._launchers[rung].clear(session, folder)

    async def tidy(self, session: str, folder: Path) -> Cleared:
        """Let go of what the rung of a session's start holds for it."""
        rung = self._rung_of(session, folder)
        if rung is None or rung not in self._launchers:
            return Cleared()
        return await self._launchers[rung].tidy(session, folder)

    async def found(self) -> frozenset[str]:
        """Return the sessions that any rung holds something of."""
        found: frozenset[str] = frozenset()
        for launcher in self._launchers.values():
            found |= await launcher.found()
        return found

    async def alive(self) -> frozenset[str]:
        """Return the sessions of which any rung sees living processes; a rung that cannot look now is passed over."""
        found: frozenset[str] = frozenset()
        for rung, launcher in self._launchers.items():
            try:
                found |= await launcher.alive()
            except (LaunchError, OSError) as error:
                log.warning("launcher.unseen", rung=rung.value, why=str(error))
        return found

    def _rung_of(self, session: str, folder: Path) -> Rung | None:
        try:
            return Rung(self.recorded(session))
        except ValueError:
            return _rung_of(folder)


def _rung_of(folder: Path) -> Rung | None:
    try:
        return read_rung(folder)
    except RecordError:
        return None
