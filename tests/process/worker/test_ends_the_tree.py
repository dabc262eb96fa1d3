"""Stopped means gone: whatever a harness does, no process of its session is left."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import stop
from benchmarks.native import compile_native
from tests.process.cgroups import needs_cgroup
from tests.process.children.session import PATIENCE, ROOT, Session
from workers.session import tree
from workers.session.kin import Kin

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

UNRULY = [
    "ignores_term", "ignores_term_with_family", "stops_itself", "closes_descriptors", "hops_below_a_leader",
    "forks_for_ever", "has_a_child_without_first_thread", "loses_its_first_thread", "floods_until_stopped",
]  # fmt: skip


@pytest.mark.parametrize("animal", UNRULY)
def test_kill_leaves_no_process_of_the_session(tmp_path: Path, animal: str) -> None:
    with Session(tmp_path, animal) as session:
        client = session.connect()
        session.wait_ready()

        answer = client.call("kill", by="operator", why="the test wants it gone")

        assert answer["ok"] is True
        assert session.tagged() == []
        record = session.wait()
        assert record["survivors"] == []
        assert (record["cause"], record["by"], record["why"]) == (
            "kill",
            "operator",
            "the test wants it gone",
        )
        assert (record["code"], record["signal"]) == (None, 9)


@pytest.mark.parametrize("animal", ["ignores_term", "ignores_term_with_family"])
def test_stop_kills_after_the_grace_what_ignores_the_signal(tmp_path: Path, animal: str) -> None:
    with Session(tmp_path, animal) as session:
        client = session.connect()
        session.wait_ready()

        assert client.call("stop", by="operator", why="enough", grace=0.2)["ok"] is True

        assert session.tagged() == []
        record = session.wait()
        assert record["cause"] == "stop"
        assert record["signal"] == 9
        assert record["elapsed"] >= 0.2


def test_a_stopped_process_gets_the_soft_signal_too(tmp_path: Path) -> None:
    with Session(tmp_path, "has_a_stopped_child") as session:
        client = session.connect()
        session.wait_ready()

        assert client.call("stop", grace=100.0)["ok"] is True

        record = session.wait()
        assert (record["signal"], record["leaks"]) == (15, 0)
        assert record["elapsed"] < 90


@pytest.mark.parametrize(("animal", "code"), [("daemonises", 7), ("holds_stdout", 0)])
def test_what_outlives_a_clean_exit_is_ended_and_reported(tmp_path: Path, animal: str, code: int) -> None:
    with Session(tmp_path, animal) as session:
        record = session.wait()

        assert session.tagged() == []
        assert (record["cause"], record["code"]) == ("exited", code)
        assert record["leaks"] == 1
        [leak] = record["leaked"]
        assert animal in leak["command"]
        assert leak["rss_kib"] > 0


def test_a_leader_that_changes_pid_for_ever_is_caught(tmp_path: Path) -> None:
    with Session(tmp_path, "hops") as session:
        record = session.wait()

        assert session.tagged() == []
        assert (record["cause"], record["code"]) == ("exited", 0)
        assert record["survivors"] == []
        assert record["leaks"] >= 1


def test_a_descendant_without_tag_or_group_is_ended(tmp_path: Path) -> None:
    with Session(tmp_path, "clears_its_environment") as session:
        client = session.connect()
        pid = int(session.wait_ready())

        assert client.call("kill")["ok"] is True

        with pytest.raises(FileNotFoundError):
            (tmp_path / f"/proc/{pid}/stat").read_text()


def test_the_grace_goes_on_for_the_group_when_the_leader_left_first(tmp_path: Path) -> None:
    tidy = tmp_path / "tidy"
    with Session(tmp_path, "dies_of_term_while_its_child_tidies", env={"TIDY": str(tidy)}) as session:
        client = session.connect()
        session.wait_ready()

        assert client.call("stop", grace=100.0)["ok"] is True

        assert tidy.read_text() == "tidied"
        record = session.wait()
        assert (record["signal"], record["leaks"]) == (15, 0)
        assert record["elapsed"] < 90


def test_the_grace_ends_early_when_everybody_left(tmp_path: Path) -> None:
    with Session(tmp_path, "leaves_politely") as session:
        client = session.connect()
        session.wait_ready()

        assert client.call("stop", grace=600.0)["ok"] is True

        record = session.wait()
        assert (record["cause"], record["code"], record["signal"]) == ("stop", 5, None)


def test_the_leader_dies_with_a_killed_worker(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term") as session:
        session.connect()
        session.wait_ready()
        harness = os.pidfd_open(session.json("worker.json")["harness"]["pid"])
        assert session.worker is not None

        session.worker.kill()
        session.worker.wait()

        gone, _, _ = select.select([harness], [], [], PATIENCE)
        os.close(harness)
        assert gone
        assert not (session.folder / "exit.json").exists()


@pytest.mark.parametrize("rung", ["sweep", pytest.param("cgroup", marks=needs_cgroup)])
def test_many_sessions_stopped_at_once_leave_each_other_the_time_to_die(tmp_path: Path, rung: str) -> None:
    native = compile_native(tmp_path)
    if native is None:
        pytest.skip("needs a C compiler (cc) for 800 hostile processes")

    found = stop.stop_all(native, tmp_path, stop.cgroup_base() if rung == "cgroup" else None, 40)

    assert found["left"] == 0
    # Seconds; it takes 0.4, and sweeps that poll took all of two cores for ten seconds.
    assert found["cpu"] < 4


UNKILLABLE = """
import os, sys
sys.path.append(sys.argv[1])
from workers.session import kernel
from workers.session.kin import Kin
from workers.session.command import Command
from workers.session.harness import Harness, launch
from workers.session.sweep import Sweep
kernel.become_subreaper()
null = os.open(os.devnull, os.O_RDWR)
harness = launch(Command("/bin/sleep", ["sleep", "60"], {}, "/"), (null, null, null), 0o22).harness
really, signal = Harness.kill, Kin.signal
Harness.kill = lambda self: None
Kin.signal = lambda self, pid, *numbers: False
sweep = Sweep(harness, lambda seconds: None)
swept = sweep.run(patience=0.2)
print(harness.pid, swept.survivors, swept.exit)
print(sweep.gone_since())
Kin.signal = signal
really(harness)
os.waitid(os.P_PIDFD, harness.pidfd, os.WEXITED | os.WNOWAIT)
print(sweep.gone_since(), swept.survivors, len(swept.unkillable), swept.exit.signal)
"""


def test_what_no_signal_reaches_is_named_as_a_survivor_after_the_patience() -> None:
    """A process that ignores SIGKILL cannot be made at will, so here the signals are what does not work."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", UNKILLABLE, str(ROOT)],
        capture_output=True,
        timeout=PATIENCE,
        check=True,
        text=True,
    )

    first, too_early, later = done.stdout.splitlines()
    pid, survivors, ended = re.fullmatch(r"(\d+) \[(.*)\] (\w+)", first).groups()  # type: ignore[union-attr]
    assert survivors.startswith(f"{{'pid': {pid}, 'command': '")
    assert re.search(r"'rss_kib': \d+, 'state': '[RSTD]', 'wchan': '", survivors)
    assert ended == "None"
    assert too_early == "False"
    assert later == "True [] 1 9"


def test_descendants_are_found_alike_where_the_kernel_lists_no_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(tmp_path, "ignores_term_with_family") as session:
        client = session.connect()
        session.wait_ready()
        listed = {stat.pid for stat in tree.living(session.pid)}

        monkeypatch.setattr(tree, "_kernel_lists_children", lambda _root: False)

        assert {stat.pid for stat in tree.living(session.pid)} == listed
        assert len(listed) == 3
        client.call("kill")


def test_a_process_that_is_no_descendant_is_never_signalled(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term") as session:
        client = session.connect()
        session.wait_ready()
        harness = session.json("worker.json")["harness"]["pid"]

        assert Kin(harness).signal(session.pid, 9) is False
        assert Kin(harness).signal(harness, 9) is False

        assert client.call("state")["state"] == "running"
        client.call("kill")
