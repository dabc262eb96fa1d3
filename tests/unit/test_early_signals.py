"""Signals that come before somebody answers them."""

from __future__ import annotations

import signal

import anyio
import pytest

from supervisor.daemon.signals import answer_signals
from supervisor.world.early_signals import KEPT, EarlySignals


@pytest.fixture
def early():
    before = {number: signal.getsignal(number) for number in KEPT}
    found = EarlySignals()
    found.listen()
    yield found
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_before_its_time_does_not_kill_and_is_told_once(early):
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1):
        signal.raise_signal(number)

    assert early.taken() == [signal.SIGUSR1, signal.SIGHUP]
    assert early.taken() == []


@pytest.mark.asyncio
async def test_early_signals_are_answered_before_all_others(early):
    answered: list[str] = []
    over = anyio.Event()

    async def hup() -> None:
        answered.append("HUP")

    async def usr1() -> None:
        answered.append("USR1")
        over.set()

    signal.raise_signal(signal.SIGHUP)
    async with anyio.create_task_group() as group:
        group.start_soon(
            answer_signals,
            {signal.SIGHUP: hup, signal.SIGUSR1: usr1},
            lambda: signal.raise_signal(signal.SIGUSR1),
            early,
        )
        await over.wait()
        group.cancel_scope.cancel()

    assert answered == ["HUP", "USR1"]
