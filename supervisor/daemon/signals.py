"""Operators' signals: each means "go and read", is acknowledged in the log, and shows in status."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio

from supervisor.core.decisions import orders
from supervisor.core.decisions.admission import Closing, Draining, admission_name
from supervisor.core.decisions.effects import Note
from supervisor.daemon.authority import Authority
from supervisor.daemon.ending import Ending, WhenEmpty
from supervisor.daemon.reload import Reloader
from supervisor.daemon.situation import Situation
from supervisor.daemon.state_dump import dump_state
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.errors import RpcError
from supervisor.world.early_signals import EarlySignals

Answer = Callable[[], Awaitable[None]]


async def answer_signals(
    answers: Mapping[signal.Signals, Answer], ready: Callable[[], None], early: EarlySignals
) -> None:
    """Answer signals, one at a time, in the order of their arrival, until cancelled.

    Those that came `early` are the first. `ready` is called once signals no longer have their default
    effect. The receiver restores that effect when it closes, so this is the last thing of the daemon to end.
    """
    with anyio.open_signal_receiver(*answers) as received:
        ready()
        for number in early.taken():
            await answers[number]()
        async for number in received:
            await answers[signal.Signals(number)]()


@dataclass(frozen=True, slots=True)
class SignalOrders:
    """What the signals act on."""

    authority: Authority
    situation: Situation
    reloader: Reloader
    ending: Ending
    shop: Workshop

    async def reload(self) -> str:
        """SIGHUP: read configuration and sources again; a bad file keeps the last good one."""
        try:
            told = await self.reloader.reload("SIGHUP")
        except RpcError as error:
            return error.message
        return f"reloaded, generation {told['generation']}"

    async def reprioritize(self) -> str:
        """SIGUSR1: read priorities again, rank anew, preempt by policy."""
        told = await self.reloader.reprioritize("SIGUSR1")
        return f"ranking {told['ranking']}: {', '.join(told['ranked_first'][:3]) or 'nothing to rank'}"

    async def toggle_drain(self) -> str:
        """SIGUSR2: begin or end draining."""
        tables = self.authority.tables
        if isinstance(tables.admission, Closing):
            return f"the supervisor is ending ({tables.admission.by})"
        if (
            isinstance(tables.admission, Draining)
            and (failure := self.authority.recorder.failure) is not None
        ):
            return f"{failure}; draining goes on until it can record again"
        self.authority.do(orders.toggle_drain(tables, "SIGUSR2", self.authority.now()))
        return f"the supervisor is {admission_name(tables.admission)}"

    async def terminate(self) -> str:
        """SIGTERM: end as `supervisor.on_stop` says; again, unless sessions are left: one step harder."""
        on_stop = self.shop.settings.supervisor.on_stop
        if on_stop == "leave":
            self.ending.leave()
        elif isinstance(self.ending.plan, WhenEmpty):
            return self.ending.climb("SIGTERM")
        elif on_stop == "drain":
            self.ending.drain("SIGTERM")
        else:
            self.ending.stop("SIGTERM")
        return f"on_stop is {on_stop}"

    async def leave(self) -> str:
        """SIGRTMIN: end and leave the sessions, whatever `on_stop` says; systemd sends it for a restart."""
        self.ending.leave()
        return "the next supervisor takes the sessions over"

    async def interrupt(self) -> str:
        """SIGINT: drain; again: stop; again: kill."""
        return self.ending.climb("SIGINT")

    async def dump(self) -> str:
        """SIGQUIT: write the whole state to the log."""
        dump_state(self.authority)
        return "state written to the log"


def meanings(on: SignalOrders) -> dict[signal.Signals, Answer]:
    """Return what each signal does, acknowledgement included."""
    table: dict[signal.Signals, Callable[[], Awaitable[str]]] = {
        signal.SIGHUP: on.reload,
        signal.SIGUSR1: on.reprioritize,
        signal.SIGUSR2: on.toggle_drain,
        signal.SIGTERM: on.terminate,
        signal.Signals(signal.SIGRTMIN): on.leave,
        signal.SIGINT: on.interrupt,
        signal.SIGQUIT: on.dump,
    }
    return {number: _acknowledged(on, number, act) for number, act in table.items()}


def _acknowledged(on: SignalOrders, number: signal.Signals, act: Callable[[], Awaitable[str]]) -> Answer:
    async def answer() -> None:
        answered = await act()
        on.situation.last_signal = {
            "signal": number.name,
            "at": on.authority.now().wall,
            "generation": on.situation.generation,
            "ranking": on.authority.tables.ranking,
            "answer": answered,
        }
        on.authority.do([Note("supervisor.signal", data=on.situation.last_signal)])

    return answer
