"""How a session ended is on disk, exact, whoever was or was not listening."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.process.children.session import PATIENCE, ROOT, Session

pytestmark = pytest.mark.process

PYTHON = [sys.executable, "-I", "-S", "-c"]


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_exact(tmp_path: Path, code: int) -> None:
    with Session(tmp_path, [*PYTHON, f"import os; os._exit({code})"]) as session:
        record = session.wait()

        assert (record["cause"], record["by"]) == ("exited", "harness")
        assert (record["code"], record["signal"]) == (code, None)
        assert record["why"] == f"the harness exited with code {code}"


def test_a_deadly_signal_is_exact(tmp_path: Path) -> None:
    with Session(tmp_path, [*PYTHON, "import os; os.kill(os.getpid(), 11)"]) as session:
        record = session.wait()

        assert (record["code"], record["signal"]) == (None, 11)
        assert record["why"] == "the harness was ended by SIGSEGV"


def test_the_record_tells_times_usage_and_log_sizes(tmp_path: Path) -> None:
    with Session(
        tmp_path, [*PYTHON, "import sys; print('four'); sys.stderr.write('no'); sum(range(10**6))"]
    ) as session:
        record = session.wait()

        assert record["schema"] == 1
        assert (record["session"], record["task"]) == ("k3f9x2", "fix-parser")
        assert record["log"] == {"out": {"bytes": 5, "dropped": 0}, "err": {"bytes": 2, "dropped": 0}}
        assert record["usage"]["user"] > 0
        assert record["usage"]["max_rss_kib"] > 1000
        assert 0 < record["elapsed"] < PATIENCE
        assert record["ended_at"] - record["started_at"] == pytest.approx(record["elapsed"], abs=0.5)
        assert record["harness_pid"] > 1


def test_the_harness_starts_with_clean_surroundings(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"stdin": "prompt.md", "cwd": str(tmp_path)}
    session = Session(tmp_path, "shows_its_surroundings", **changes)
    (session.folder / "prompt.md").write_text("do this")
    with session:
        session.wait()

        surroundings, prompt = session.read("out.log").splitlines()
        descriptors, blocked, ignored, umask, leader, cwd = surroundings.rsplit(" ", 5)
        assert descriptors == "[0, 1, 2]"
        assert int(blocked, 16) == 0
        # An interpreter itself ignores PIPE (13) and XFSZ (25); INT, QUIT and HUP would be the worker's.
        reserved = 1 << 31 | 1 << 32  # glibc keeps 32 and 33 to itself: nobody can reset them
        assert int(ignored, 16) & ~(1 << 12 | 1 << 24 | reserved) == 0
        assert umask == umask_of_this_process()
        assert leader == "True"
        assert cwd == str(tmp_path)
        assert prompt == "do this"


def umask_of_this_process() -> str:
    from pathlib import Path

    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split("\t")[1] for line in lines if line.startswith("Umask"))


def unspawned(session: Session) -> dict[str, Any]:
    record = session.wait()
    assert (record["cause"], record["by"]) == ("unspawned", "worker")
    assert (record["code"], record["signal"], record["harness_pid"]) == (None, None, None)
    return record


def test_a_program_that_is_not_there_is_named_with_the_path_searched(tmp_path: Path) -> None:
    with Session(tmp_path, ["no-such-harness"], env={"PATH": "/nowhere"}) as session:
        assert unspawned(session)["why"] == (
            '"no-such-harness" is not on the session\'s PATH (/nowhere); install it or give its full path'
        )


def test_a_program_that_is_not_executable_is_named_with_the_way_out(tmp_path: Path) -> None:
    program = tmp_path / "harness"
    program.write_text("#!/bin/sh\n")
    with Session(tmp_path, [str(program)]) as session:
        assert "is not executable for this user; chmod +x it" in unspawned(session)["why"]


def test_a_missing_working_directory_is_named(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"], cwd="/nowhere/at/all") as session:
        assert unspawned(session)["why"] == 'the working directory "/nowhere/at/all" does not exist'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("echo hi\n", "neither a program of this machine nor a script"),
        ("#!/no/such/interpreter\n", "the interpreter"),
    ],
)
def test_a_failing_exec_is_explained(tmp_path: Path, content: str, reason: str) -> None:
    program = tmp_path / "harness"
    program.write_text(content)
    program.chmod(0o755)
    with Session(tmp_path, [str(program)]) as session:
        assert reason in unspawned(session)["why"]


def test_too_many_arguments_are_explained(tmp_path: Path) -> None:
    with Session(tmp_path, ["true", "x" * 200_000]) as session:
        assert "too long for the kernel" in unspawned(session)["why"]


def test_a_prompt_that_is_missing_is_named(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"], stdin="prompt.md") as session:
        assert unspawned(session)["why"].endswith("prompt.md: No such file or directory")


def test_a_bad_specification_ends_as_unspawned_and_names_the_key(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"], cwd="relative") as session:
        assert 'cwd must be an absolute path, not "relative"' in unspawned(session)["why"]


def test_a_second_worker_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with Session(tmp_path, "ignores_term") as session:
        session.connect()
        session.wait_ready()

        second = session.start_another()
        _, complaint = second.communicate(timeout=PATIENCE)

        assert second.returncode == 1
        assert f"belongs to a living worker, pid {session.pid};" in complaint.decode()
        assert complaint.count(b"\n") == 1
        session.connect().call("kill")


def test_a_session_that_has_ended_is_not_started_again(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"]) as session:
        record = session.wait()

        second = session.start_another()
        _, complaint = second.communicate(timeout=PATIENCE)

        assert second.returncode == 1
        assert b"a session that has ended (exit.json exists)" in complaint
        assert session.record() == record


def test_a_session_whose_worker_was_killed_is_not_started_again(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays") as session:
        session.connect()
        session.wait_ready()
        assert session.worker is not None
        session.worker.kill()
        session.worker.wait()

        second = session.start_another()
        _, complaint = second.communicate(timeout=PATIENCE)

        assert second.returncode == 1
        assert b"was started before and is lost (worker.json exists)" in complaint


def test_a_lock_that_is_handed_down_is_held_from_before_the_start_until_the_end(tmp_path: Path) -> None:
    session = Session(tmp_path, "speaks_and_stays")
    lock = (session.folder / "lock").open("xb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    session.lock_fd = lock.fileno()
    with session:
        lock.close()
        connection = session.connect()
        session.wait_ready()

        with (session.folder / "lock").open("rb") as probe, pytest.raises(BlockingIOError):
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert int((session.folder / "lock").read_text()) == session.pid
        connection.ask("kill")
        session.wait()
        with (session.folder / "lock").open("rb") as probe:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_the_kernel_out_of_memory_chooses_anything_of_the_session_before_its_worker(tmp_path: Path) -> None:
    with Session(tmp_path, "speaks_and_stays") as session:
        session.connect()
        session.wait_ready()
        harness = json.loads((session.folder / "worker.json").read_text())["harness"]["pid"]

        scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (session.pid, harness)]
        assert scores[0] < 500 <= scores[1]


def test_a_lock_of_another_folder_is_refused(tmp_path: Path) -> None:
    session = Session(tmp_path, "speaks_and_stays")
    with (tmp_path / "another").open("xb") as other:
        worker = session.start_another(lock_fd=other.fileno())
        _, complaint = worker.communicate(timeout=PATIENCE)

        assert worker.returncode == 1
        assert b"the lock that was handed down is not" in complaint


def test_whoever_only_looks_whether_the_lock_is_held_keeps_no_worker_from_starting(tmp_path: Path) -> None:
    session = Session(tmp_path, "speaks_and_stays")
    (session.folder / "lock").touch()
    with (session.folder / "lock").open("rb") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        with session:
            while str(session.folder / "lock") not in opened_by(session.pid):
                assert session.worker is not None
                assert session.worker.poll() is None
            fcntl.flock(probe, fcntl.LOCK_UN)

            session.connect()
            session.wait_ready()


def opened_by(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return found


@pytest.mark.parametrize(
    "arguments", [[], ["session"], ["session", "a", "b"], ["session", "a", "--listen-fd", "1"]]
)
def test_wrong_usage_says_so(arguments: list[str]) -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "workers"), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)

    assert done.returncode == 2
    assert done.stderr.startswith(b"usage: ")
