"""The kernel's timers behind the alarm."""

from __future__ import annotations

import select
from pathlib import Path

import anyio
import pytest

from supervisor.daemon.alarm import Alarm
from supervisor.world.clock import boottime
from supervisor.world.timer import BootTimer, ClockSet

pytestmark = pytest.mark.process

BOUND_S = 60.0


def ready(fd: int, seconds: float) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


@pytest.mark.parametrize("seconds", [0.0, 1e-12, 0.01])
def test_a_timer_runs_out_when_it_is_due_and_not_before(seconds: float) -> None:
    with BootTimer() as timer:
        began = boottime()
        timer.set(seconds)

        assert ready(timer.fd, BOUND_S)
        assert boottime() - began >= seconds
        timer.acknowledge()
        assert not ready(timer.fd, 0)


def test_a_timer_that_is_put_off_or_set_to_never_does_not_run_out() -> None:
    with BootTimer() as timer:
        timer.set(0.0)
        assert ready(timer.fd, BOUND_S)
        timer.set(None)
        assert not ready(timer.fd, 0)
        timer.set(1e15)
        assert not ready(timer.fd, 0)


def test_a_clock_that_nobody_sets_says_nothing_and_no_descriptor_is_left() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with ClockSet() as clock:
        assert not ready(clock.fd, 0)
        clock.acknowledge()

    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.asyncio
async def test_an_alarm_rings_earlier_when_something_earlier_comes_up() -> None:
    left: list[float | None] = [None]
    rung = anyio.Event()

    def ring() -> None:
        left[0] = None
        rung.set()

    alarm = Alarm(lambda: left[0], ring)
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as group:
            group.start_soon(alarm.run)
            await anyio.lowlevel.checkpoint()
            left[0] = 3600.0
            alarm.look()
            left[0] = 0.001
            alarm.look()
            await rung.wait()
            group.cancel_scope.cancel()
