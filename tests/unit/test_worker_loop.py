"""The worker's loop: what it serves in one turn, and what it tells of it."""

from __future__ import annotations

import os
import select
import time

from workers.session.clock import FOREVER, boottime
from workers.session.loop import Loop


def test_a_turn_tells_whether_all_that_it_served_was_swift() -> None:
    loop = Loop(lambda _received: None, ())
    swift, slow = os.eventfd(0), os.eventfd(0)
    served: list[str] = []

    def serve(name: str, fd: int) -> None:
        served.append(name)
        os.eventfd_read(fd)

    loop.watch_swift(swift, select.POLLIN, lambda _mask: serve("swift", swift))
    loop.watch(slow, select.POLLIN, lambda _mask: serve("slow", slow))

    os.eventfd_write(swift, 1)
    assert loop.turn(FOREVER)
    os.eventfd_write(swift, 1)
    os.eventfd_write(slow, 1)
    assert not loop.turn(FOREVER)
    os.eventfd_write(swift, 1)
    assert not loop.turn(boottime() - 1.0)  # an instant that has come ends it

    assert served.count("swift") == 3
    assert served.count("slow") == 1
    loop.forget(swift)
    loop.watch(swift, select.POLLIN, lambda _mask: serve("again", swift))
    os.eventfd_write(swift, 1)
    assert not loop.turn(FOREVER)
    assert served[-1] == "again"
    for fd in (swift, slow):
        loop.forget(fd)
        os.close(fd)


def test_what_is_expected_is_served_and_what_does_not_come_is_slept_for() -> None:
    loop = Loop(lambda _received: None, ())
    swift = os.eventfd(0)
    served: list[str] = []
    loop.watch_swift(swift, select.POLLIN, lambda _mask: served.append("swift"))

    os.eventfd_write(swift, 1)
    loop.expect()
    assert loop.turn(FOREVER)
    assert served == ["swift"]

    os.eventfd_read(swift)
    loop.expect()
    worked = time.process_time()
    assert not loop.turn(boottime() + 0.2)
    assert time.process_time() - worked < 0.1
    assert served == ["swift"]
    loop.forget(swift)
    os.close(swift)
