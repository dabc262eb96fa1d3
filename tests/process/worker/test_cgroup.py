"""A session in a cgroup of its own: killed at one word, proven empty, and run without where that fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.process.cgroups import made_cgroup, needs_cgroup
from tests.process.children.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, needs_cgroup]

UNRULY = [
    "ignores_term", "ignores_term_with_family", "stops_itself", "hops_below_a_leader", "forks_for_ever",
    "has_a_child_without_first_thread", "loses_its_first_thread",
]  # fmt: skip


@pytest.fixture
def cgroup(request: pytest.FixtureRequest) -> Iterator[Path]:
    with made_cgroup(str(abs(hash(request.node.name)))) as path:
        yield path


def populated(path: Path) -> bool:
    return "populated 1" in (path / "cgroup.events").read_text()


@pytest.mark.parametrize("animal", UNRULY)
def test_promise_8_kill_leaves_no_process_in_the_cgroup_and_none_outside(
    tmp_path: Path, cgroup: Path, animal: str
) -> None:
    with Session(tmp_path, animal, cgroup=str(cgroup)) as session:
        client = session.connect()
        session.wait_ready()
        assert str(session.pid) in (cgroup / "cgroup.procs").read_text().split()
        assert populated(cgroup / "tree")

        answer = client.call("kill")

        assert answer["ok"] is True
        assert session.tagged() == []
        record = session.wait()
        assert (record["survivors"], record["unkillable"], record["leaks"]) == ([], [], 0)
        assert not (cgroup / "tree").exists()
        assert not populated(cgroup)


def test_the_worker_says_in_which_cgroup_its_session_is(tmp_path: Path, cgroup: Path) -> None:
    with Session(tmp_path, "ignores_term", cgroup=str(cgroup)) as session:
        client = session.connect()
        session.wait_ready()

        assert session.json("worker.json")["cgroup"] == str(cgroup)
        assert client.next()["cgroup"] == str(cgroup)
        client.call("kill")


@pytest.mark.parametrize(("animal", "code"), [("daemonises", 7), ("holds_stdout", 0)])
def test_what_outlives_a_clean_exit_is_reported_once(
    tmp_path: Path, cgroup: Path, animal: str, code: int
) -> None:
    with Session(tmp_path, animal, cgroup=str(cgroup)) as session:
        record = session.wait()

        assert session.tagged() == []
        assert (record["cause"], record["code"], record["leaks"]) == ("exited", code, 1)
        assert animal in record["leaked"][0]["command"]


def test_a_harness_is_in_the_tree_from_its_first_instruction(tmp_path: Path, cgroup: Path) -> None:
    with Session(tmp_path, ["/bin/cat", "/proc/self/cgroup"], cgroup=str(cgroup)) as session:
        session.wait()

        assert f"/{cgroup.name}/tree\n" in session.read("out.log")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("/nowhere/at/all", "/nowhere/at/all/cgroup.procs: No such file or directory"),
        ("a folder", "cgroup.kill"),
    ],
)
def test_a_cgroup_that_cannot_be_had_is_noted_and_done_without(tmp_path: Path, given: str, why: str) -> None:
    if given == "a folder":
        place = tmp_path / "folder"
        place.mkdir()
        (place / "cgroup.procs").touch()
        given, why = str(place), "No such file or directory"
    with Session(tmp_path, ["/bin/true"], cgroup=given) as session:
        said = session.worker.stderr  # type: ignore[union-attr]
        assert said is not None
        record = session.wait()

        assert record["code"] == 0
        assert session.json("worker.json")["cgroup"] is None
        line = said.read().decode()
        assert line.startswith("the session runs without a cgroup: ")
        assert why in line


def test_a_tree_that_exists_already_is_not_taken_over(tmp_path: Path, cgroup: Path) -> None:
    (cgroup / "tree").mkdir()
    with Session(tmp_path, ["/bin/true"], cgroup=str(cgroup)) as session:
        session.wait()

        assert session.json("worker.json")["cgroup"] is None
        assert (cgroup / "tree").exists()


def test_the_own_cgroup_is_found_where_the_service_manager_put_the_worker(
    tmp_path: Path, cgroup: Path
) -> None:
    session = Session(tmp_path, ["/bin/true"], cgroup="own")
    inside = os.fork()
    if inside == 0:
        (cgroup / "cgroup.procs").write_text("0")
        os.execv(session.command()[0], session.command())  # noqa: S606  - no shell
    os.waitpid(inside, 0)

    with session_closed(session):
        assert session.json("worker.json")["cgroup"] == str(cgroup)
        assert session.record()["code"] == 0


def session_closed(session: Session) -> Session:
    """Return a session that was run without `start`, to be closed like any other."""
    session.start = lambda *_: None  # type: ignore[method-assign]
    return session
