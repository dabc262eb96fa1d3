"""A process that not even SIGKILL ends: named, held on to, and let go of when it is gone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.children.session import Session
from tests.process.icebox import Icebox, made_icebox, needs_icebox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, needs_icebox]


@pytest.fixture
def icebox() -> Iterator[Icebox]:
    with made_icebox() as box:
        yield box


def test_promise_8_what_cannot_be_killed_is_named_and_the_worker_stays_until_it_is_gone(
    tmp_path: Path, icebox: Icebox
) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()
        pid = session.json("worker.json")["harness"]["pid"]
        icebox.put(pid)

        answer = client.call("kill", by="anna", why="enough")

        assert (answer["ok"], answer["error"]) == (False, "some processes cannot be killed")
        [survivor] = answer["survivors"]
        assert (survivor["pid"], survivor["state"]) == (pid, "D")
        assert survivor["wchan"]
        assert client.event("unkillable")["survivors"] == [survivor]
        assert session.record()["survivors"] == [survivor]
        late = session.connect()
        assert late.next()["record"]["survivors"] == [survivor]
        assert late.call("stop")["survivors"] == [survivor]
        assert session.worker is not None
        assert session.worker.poll() is None

        icebox.thaw()

        record = session.wait()
        assert (record["survivors"], record["unkillable"]) == ([], [survivor])
        assert (record["cause"], record["by"], record["signal"]) == ("kill", "anna", 9)
        assert late.event("ended")["record"] == record


def test_a_process_that_does_not_stand_still_is_named_and_the_session_goes_on(
    tmp_path: Path, icebox: Icebox
) -> None:
    """Frozen by another, it counts as one that waits in the kernel, and would run on at any moment."""
    with Session(tmp_path, "ignores_term_with_family") as session:
        client = session.connect()
        session.wait_ready()
        pid = session.json("worker.json")["harness"]["pid"]
        icebox.put(pid)

        answer = client.call("pause")

        assert answer["ok"] is False
        assert answer["error"].startswith(
            f"1 of its processes did not stand still within 2 s and it goes on: pid {pid} ("
        )
        assert ", state D, waits in " in answer["error"]
        assert client.call("state")["state"] == "running"
        icebox.thaw()
        assert client.call("kill")["ok"] is True


@pytest.mark.parametrize(
    ("op", "error"),
    [
        ("kill", "too late: the session is over (a kill was asked for)"),
        ("resume", "the session was resumed before all of it stood still"),
    ],
)
def test_a_pause_under_way_gives_way_to_what_is_asked_meanwhile(
    tmp_path: Path, icebox: Icebox, op: str, error: str
) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()
        icebox.put(session.json("worker.json")["harness"]["pid"])
        other = session.connect()
        pause = client.ask("pause")
        assert client.call("pause")["try_later"] is True

        other.ask(op)

        assert client.answer(pause) == {"id": pause, "ok": False, "error": error}
        icebox.thaw()
        if op != "kill":
            client.call("kill")
        assert session.wait()["cause"] == "kill"


def test_promise_4_what_cannot_be_killed_keeps_its_leases_until_it_is_gone_also_over_a_restart(
    site: Any, icebox: Icebox
) -> None:
    site.task("fix", "a.txt")
    site.configure("import signal\nsignal.pause()\n")
    site.start()
    running = site.wait_for("session.running")
    session, pid = running["session"], running["data"]["pid"]
    icebox.put(pid)

    refused = site.run("session", "kill", session, code=1).stderr

    assert f"some processes of session {session} could not be killed: pid {pid} (" in refused
    assert ", state D, wchan " in refused
    assert "it keeps its leases until they are gone" in refused
    [shown] = site.ask("ps")["sessions"]
    assert (shown["state"], shown["leases_held"]) == ("unkillable", 1)
    assert site.run("session", "stop", session, code=1).stderr == refused
    site.end(site.running[-1], signal.SIGKILL)
    site.start()
    site.wait_for("session.unkillable", count=2)
    assert f"held by session {session}" in site.run("lease", "acquire", "a.txt", code=1).stderr
    assert f"pid {pid} (" in site.run("session", "show", session).stdout

    icebox.thaw()

    ended = site.wait_for("session.ended")["data"]
    assert (ended["outcome"], ended["released"]) == ("killed", ["a.txt"])
    assert "; 1 could not be killed for a while" in ended["sentence"]
    assert [process["pid"] for process in ended["evidence"]["unkillable"]] == [pid]
    assert len(site.events("session.settling")) == 1
