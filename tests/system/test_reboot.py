"""The host goes down, in order or by a cut of its power, and comes up again with the files that it had."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.box.box import Box
from tests.system.box.cgroups import PREFIX
from tests.system.fleet import Fleet, binds


@pytest.fixture
def disk(bootable: None) -> Iterator[Path]:
    """Return a folder for the files of a host that is booted more than once."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("way", ["powered off", "killed"])
def test_the_service_comes_up_with_the_host_and_goes_on_with_its_tasks(disk: Path, way: str):
    with Box(binds=binds(), disk=disk) as box:
        fleet = Fleet(box)
        fleet.prepare()
        fleet.configure(retry={"attempts": 3, "backoff": "1s"})
        fleet.install()
        for key in ("a", "b"):
            fleet.task(key)
        first = {key: session["id"] for key, session in fleet.running("a", "b").items()}
        fleet.sh('echo "half a thought" >a.txt')
        fleet.close()
        assert box.stop(patience=20 if way == "powered off" else 0) == way

    with Box(binds=binds(), disk=disk) as box:
        fleet = Fleet(box)
        assert fleet.ask("status")["pid"] == fleet.main_pid()
        ended = {key: fleet.wait_for("session.ended", session=first[key]) for key in ("a", "b")}
        assert {end["outcome"] for end in ended.values()} == {"stopped" if way == "powered off" else "lost"}
        assert "a.txt" in fleet.sh("leasehold salvage list")
        for key in ("a", "b"):
            again = fleet.wait_for("session.running", 2, task=key)
            assert again["session"] != first[key]
        for key in ("a", "b"):
            fleet.tell(key, "commit")
            fleet.wait_for("session.ended", task=key, outcome="finished")
        fleet.close()
