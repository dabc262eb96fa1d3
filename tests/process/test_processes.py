from __future__ import annotations

import os
import threading

import pytest

from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.world.processes import describe, open_pidfd, start_ticks

pytestmark = pytest.mark.process


def test_promise_9_a_number_that_passed_to_a_thread_is_not_the_process():
    leave, number, known = threading.Event(), [0], threading.Event()

    def stay() -> None:
        number[0] = threading.get_native_id()
        known.set()
        leave.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    known.wait(60)
    try:
        start = start_ticks(number[0])
        assert start is not None
        assert open_pidfd(ProcessId(number[0], start)) is None
    finally:
        leave.set()
        thread.join()


def test_promise_9_a_number_with_another_start_time_is_not_the_process():
    start = start_ticks(os.getpid())
    assert start is not None

    assert open_pidfd(ProcessId(os.getpid(), start - 1)) is None


def test_a_survivor_is_told_with_its_name_and_state():
    told = describe(os.getpid())

    assert told.startswith(f"pid {os.getpid()} (")
    assert "state R" in told


def test_a_survivor_that_is_gone_after_all_is_told_by_its_number():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

    assert describe(child) == f"pid {child}"
