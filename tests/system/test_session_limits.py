"""Limits of one session that its unit enforces: memory, processes, and the last resort against a hung worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.box.box import Box
from tests.system.box.host import limiting, missing_limits
from tests.system.conftest import needs
from tests.system.fleet import PREFIX, ROOT, Fleet, binds


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Return an installation in a box where limits bite, with a harness "small" that has some."""
    needs(missing_limits())
    with Box(limiting(), binds=binds()) as booted:
        made = Fleet(booted)
        made.prepare()
        small = {"command": ["sh", f"{ROOT}/.leasehold/agent.sh"], "memory": "60MiB", "processes": 20}
        made.configure(**{"harness.small": small})
        made.install()
        yield made
        made.close()


def test_a_session_out_of_memory_ends_alone_with_the_reason_named(fleet: Fleet):
    fleet.task("hog", harness="small")
    fleet.task("other", harness="agent")
    other = fleet.running("hog", "other")["other"]
    pid = fleet.main_pid()
    fleet.tell("hog", f"exec {PREFIX}/bin/python -c 'x = b\"a\" * 400_000_000'")

    ended = fleet.ended("hog")["hog"]
    assert ended["outcome"] in {"failed", "lost"}
    assert "memory" in ended["sentence"], ended["sentence"]
    assert fleet.main_pid() == pid
    assert fleet.sessions()["other"]["id"] == other["id"]
    fleet.tell("other", "commit")
    assert fleet.ended("other")["other"]["outcome"] == "finished"


def test_a_session_gets_no_more_processes_than_its_harness_may_have(fleet: Fleet):
    fleet.task("storm", harness="small")
    fleet.running("storm")
    fleet.tell("storm", "for i in $(seq 60); do sleep 100 & done; wait")

    ended = fleet.ended("storm")["storm"]
    assert ended["outcome"] == "failed"
    assert "a new process refused by the kernel" in ended["sentence"]
    assert not any("sleep 100" in command for _, command in fleet.box.processes())


def test_a_session_whose_worker_hangs_is_ended_by_its_unit_at_the_latest(fleet: Fleet):
    drop_in = "/run/systemd/system/leasehold-session@.service.d/50-hang.conf"
    hang = "Environment=LEASEHOLD_FAILPOINTS=worker.exit_noticed=hang"
    fleet.box.write(drop_in, f"[Service]\n{hang}\nRuntimeMaxSec=2s\nTimeoutStopSec=1s\n")
    fleet.systemctl("daemon-reload")
    fleet.task("hung")
    fleet.running("hung")
    fleet.tell("hung", "sleep 1000 & exit 0")

    ended = fleet.ended("hung")["hung"]
    assert ended["outcome"] == "lost"
    assert "its unit ran out of time" in ended["sentence"]
    assert not any("sleep 1000" in command for _, command in fleet.box.processes())
    fleet.box.sh(f"rm {drop_in}; systemctl daemon-reload")


def test_nothing_is_left_of_the_limits_of_a_session_that_ended(fleet: Fleet):
    kept = "ls /run/systemd/system.control"
    fleet.task("limited", harness="small")
    session = fleet.running("limited")["limited"]
    assert session["id"] in fleet.box.sh(kept)
    fleet.tell("limited", "commit")

    fleet.ended("limited")
    fleet.box.wait(lambda: session["id"] not in fleet.box.sh(kept), "its limits are forgotten")
