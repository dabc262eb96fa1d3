"""Blocking work is done although the host gives no thread for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import supervisor
from supervisor.world.threads import in_thread


@pytest.mark.asyncio
async def test_work_is_done_in_a_thread_of_its_own():
    assert await in_thread(threading.get_ident) != threading.get_ident()


@pytest.mark.asyncio
async def test_without_a_thread_to_be_had_the_loop_does_the_work_itself(monkeypatch):
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)

    assert await in_thread(threading.get_ident) == threading.get_ident()


@pytest.mark.asyncio
async def test_what_the_work_raises_is_raised():
    def broken() -> None:
        raise RuntimeError("a fault of its own")

    with pytest.raises(RuntimeError, match="a fault of its own"):
        await in_thread(broken)


def test_nothing_in_the_supervisor_asks_for_a_thread_in_another_way():
    folder = Path(supervisor.__file__).parent
    asking = [path.name for path in folder.rglob("*.py") if "to_thread" in path.read_text(encoding="utf-8")]

    assert asking == ["threads.py"]
