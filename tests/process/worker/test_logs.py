"""The logs of a session stay within their limit, and say what is missing."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.process.children.session import PATIENCE, Session
from workers.session import kernel
from workers.session.clock import FOREVER
from workers.session.logfile import CappedLog, marker, read_kept
from workers.session.logs import Logs
from workers.session.loop import Loop

pytestmark = pytest.mark.process

MARKER = re.compile(rb"\n\[\xe2\x80\xa6 (\d+) bytes dropped \xe2\x80\xa6\]\n")


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_a_flood_keeps_its_head_and_its_tail_and_counts_the_rest(tmp_path: Path) -> None:
    limit = 1_000_000
    with Session(tmp_path, "floods", log_limit=limit) as session:
        record = session.wait()

        log = session.folder / "out.log"
        kept = b"".join(read_kept(str(log)))
        written, dropped = record["log"]["out"]["bytes"], record["log"]["out"]["dropped"]
        assert written == 50_000_000 // 64 // 1000 * 1000 * 64 + 64_000 + len("the end\n")
        assert [int(found) for found in MARKER.findall(kept)] == [dropped]
        assert len(kept) - len(marker(dropped)) == written - dropped
        assert limit <= written - dropped <= limit + 3 * 4096
        assert on_disk(log) <= limit + 8 * 4096
        assert kept.startswith(b"%062d\n\n%062d" % (0, 1))
        assert kept.endswith(b"the end\n")


def test_a_running_flood_is_cut_again_and_again(tmp_path: Path) -> None:
    with Session(tmp_path, "floods_until_stopped", log_limit=200_000) as session:
        client = session.connect()
        session.wait_ready()
        log = session.folder / "out.log"

        wait_for_hole(log, beyond=0)
        wait_for_hole(log, beyond=log.stat().st_size)  # in what was written after the first cut

        assert client.call("kill")["ok"] is True
        assert on_disk(log) <= 200_000 + 8 * 4096


def wait_for_hole(log: Path, beyond: int) -> None:
    """Look at the log after each write to it until it has a hole that ends `beyond`."""
    watch = kernel.ModifyWatch((str(log),))
    fd = os.open(log, os.O_RDONLY)
    give_up_at = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < give_up_at:
            watch.set()
            with contextlib.suppress(OSError):  # an empty file, or no data after the hole
                start = os.lseek(fd, 0, os.SEEK_HOLE)
                # The end counts as a hole, until it grows.
                if os.lseek(fd, start, os.SEEK_DATA) > max(start, beyond):
                    return
            assert select.select([watch.fd], [], [], PATIENCE)[0]
            watch.acknowledge()
        raise TimeoutError(f"no hole beyond {beyond}")
    finally:
        os.close(fd)
        os.close(watch.fd)


def test_a_log_below_its_limit_is_left_alone(tmp_path: Path) -> None:
    log = CappedLog(str(tmp_path / "log"), 10_000)
    (tmp_path / "log").write_bytes(b"x" * 10_000)

    log.trim()

    assert log.report() == {"bytes": 10_000, "dropped": 0}
    assert b"".join(read_kept(log.path)) == b"x" * 10_000


def test_where_inotify_is_used_up_the_logs_are_looked_at_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def used_up(_watch: kernel.ModifyWatch) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kernel.ModifyWatch, "set", used_up)
    logs = Logs(str(tmp_path), 10_000)
    logs.attach(Loop(lambda _number: None, ()))
    signal.set_wakeup_fd(-1)
    due = logs.check_at
    (tmp_path / "out.log").write_bytes(b"x" * 100_000)

    logs.check(due)

    assert due < FOREVER
    assert logs.check_at > due
    assert logs.out.report()["dropped"] > 80_000


def test_where_holes_are_unknown_the_log_is_cut_to_its_head_with_a_marker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(kernel, "punch_hole", unsupported)
    log = CappedLog(str(tmp_path / "log"), 40_000)
    writer = log.writer()

    for _ in range(2):
        os.write(writer, b"h" * 100_000)
        log.trim()
    os.write(writer, b"tail")
    os.close(writer)

    head = 3 * 4096
    dropped = 200_000 - head
    assert b"".join(read_kept(log.path)) == b"h" * head + marker(dropped) + b"tail"
    assert log.report() == {"bytes": 200_004, "dropped": dropped}


class OnSmallDisk(Session):
    """A session whose folder lies on a disk of 300 KiB, in a mount namespace that ends with its worker."""

    def command(self) -> list[str]:
        script = (
            'cp "$1/spec.json" "$2/spec" && mount -t tmpfs -o size=300k none "$1" && mv "$2/spec" "$1/spec.json" '
            '&& from=$1 to=$2 && shift 2; "$@" & trap "kill -KILL $!" TERM; exec 2>/dev/null; wait $!; code=$?; '
            'cp "$from/exit.json" "$from/worker.log" "$to"; exit $code'
        )
        places = [str(self.folder), str(self.folder.parent)]
        return ["unshare", "-m", "sh", "-c", script, "sh", *places, *super().command()]

    def left(self, name: str) -> str:
        """Return a file of the session, as it was when the worker left."""
        assert self.worker is not None
        assert self.worker.wait(PATIENCE) == 0
        return (self.folder.parent / name).read_text()


@pytest.fixture
def mounts() -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a mount namespace for a small disk, and unshare -m is not permitted here")


FILL = "import os\ntry:\n  while os.write({fd}, b'x' * 4096): pass\nexcept OSError: os._exit(3)"


def without_reserve(tmp_path: Path) -> str:
    """Return what makes a harness give away the room that its worker set aside."""
    return f"import os\nos.unlink({str(tmp_path / 'session' / 'exit.json.tmp')!r})\n"


@pytest.mark.usefixtures("mounts")
def test_on_a_full_disk_the_record_goes_where_room_was_set_aside(tmp_path: Path) -> None:
    with OnSmallDisk(tmp_path, [sys.executable, "-I", "-S", "-c", FILL.format(fd=1)]) as session:
        record = json.loads(session.left("exit.json"))

        assert (record["cause"], record["code"]) == ("exited", 3)
        assert record["log"]["out"]["dropped"] == 0
        assert session.left("worker.log") == ""
        assert not (session.folder.parent / "exit.json.tmp").exists()


@pytest.mark.usefixtures("mounts")
def test_on_a_full_disk_the_logs_make_room_for_the_exit_record(tmp_path: Path) -> None:
    fill = f"{without_reserve(tmp_path)}{FILL.format(fd=1)}"
    with OnSmallDisk(tmp_path, [sys.executable, "-I", "-S", "-c", fill]) as session:
        record = json.loads(session.left("exit.json"))

        assert (record["cause"], record["code"]) == ("exited", 3)
        assert session.left("worker.log") == (
            "exit.json cannot be written: No space left on device; the logs were cut to make room\n"
        )


@pytest.mark.usefixtures("mounts")
def test_a_record_that_no_disk_takes_is_to_be_had_from_the_worker(tmp_path: Path) -> None:
    filler = tmp_path / "session" / "filler"
    opened = f"os.open({str(filler)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)"
    fill = f"{without_reserve(tmp_path)}{FILL.format(fd=opened)}"
    with OnSmallDisk(tmp_path, [sys.executable, "-I", "-S", "-c", fill]) as session:
        early = session.connect()
        record = early.next().get("record") or early.event("ended")["record"]

        hello = session.connect().next()
        assert hello["state"] == "ended"
        assert hello["record"] == record
        Path(f"/proc/{hello['pid']}/root{filler}").unlink()
        with contextlib.suppress(OSError, EOFError):  # it may have found the room before this makes it look
            session.connect().next()
        assert json.loads(session.left("exit.json")) == record
