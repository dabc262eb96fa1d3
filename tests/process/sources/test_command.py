"""Programs that print tasks, good and bad ones, and that nothing of them is left."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from supervisor.core.tasks.task import Reading
from supervisor.world.programs.program import Finished, run
from supervisor.world.sources.command import CommandSource
from supervisor.world.sources.mapping import Defaults

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


def source(command: Sequence[str], cwd: Path, **settings: Any) -> CommandSource:
    settings.setdefault("timeout", 60.0)
    return CommandSource("gh", command, Defaults(repo="main"), cwd=cwd, **settings)


def sh(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def python(script: str) -> list[str]:
    return [sys.executable, "-S", "-E", "-c", script]


def problem(reading: Reading) -> str:
    (found,) = reading.problems
    assert found.source == "gh"
    assert found.sentence().isprintable()
    return found.sentence()


def assert_dead(pid_file: Path) -> None:
    """Hold that the process whose number is in the file is dead; give its death a bounded time."""
    try:
        descriptor = os.pidfd_open(int(pid_file.read_text()))
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 60.0)[0], "the process is alive"
    finally:
        os.close(descriptor)


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def assert_childless() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


async def test_the_tasks_that_a_program_prints_are_read(tmp_path: Path) -> None:
    printed = (
        '[{"key": "gh-1", "title": "One", "url": "https://example.org/1"}, {"id": 2}, {"title": "?"}, 7]'
    )
    (tmp_path / "tasks.json").write_text(printed)

    reading = await source(["cat", "tasks.json"], tmp_path).read()

    assert [(t.key, t.title, t.repo, t.origin) for t in reading.tasks] == [
        ("gh-1", "One", "main", "https://example.org/1"),
        ("2", "2", "main", "gh: entry 2 (2)"),
    ]
    assert [found.sentence() for found in reading.problems] == [
        'gh: entry 3: the task has no key; add one that stays the same, for instance "key": "gh-12"',
        "gh: entry 4: is 7, not a task; print an object",
    ]


async def test_the_environment_is_what_the_source_is_given(tmp_path: Path) -> None:
    script = """printf '[{"key": "%s"}]' "$WHO" """

    reading = await source(sh(script), tmp_path, env={"WHO": "me"}).read()

    assert [task.key for task in reading.tasks] == ["me"]


async def test_the_program_reads_nothing_and_leads_a_session_of_its_own(tmp_path: Path) -> None:
    script = 'import os, sys; print(\'[{"key": "%s"}]\' % (os.getsid(0) == os.getpid(), )); sys.stdin.read()'

    reading = await source(python(script), tmp_path).read()

    assert [task.key for task in reading.tasks] == ["True"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo hello", "printed what is not JSON (line 1)"),
        ("printf '[{\"key\": '", "printed what is not JSON"),
        ("head -c 5000 /dev/urandom", "printed what is not"),
        (
            "echo 'no token' >&2; exit 4",
            'ended with exit code 4, saying "no token"; run it by hand to see why',
        ),
        ("exit 3", "ended with exit code 3; run it by hand"),
        ("kill -9 $$", "was ended by SIGKILL"),
        ("printf '\\033[2J' >&2; exit 1", 'saying "\\x1b[2J"'),
    ],
)
async def test_a_bad_run_is_one_problem(tmp_path: Path, script: str, words: str) -> None:
    reading = await source(sh(script), tmp_path).read()

    assert reading.tasks == ()
    assert words in problem(reading)
    assert problem(reading).startswith("/bin/sh -c ")
    assert "it has no tasks until then" in problem(reading)


@pytest.mark.parametrize(
    ("name", "mode", "text", "words"),
    [
        ("gone", None, "", "is not found; install it"),
        ("plain", 0o644, "#!/bin/sh\n", "may not be executed; chmod +x"),
        ("text", 0o755, "no first line\n", "is not a program; begin a script"),
        ("lost", 0o755, "#!/no/such/interpreter\n", "is not found"),
    ],
)
async def test_a_program_that_cannot_be_started_is_one_problem(
    tmp_path: Path, name: str, mode: int | None, text: str, words: str
) -> None:
    path = tmp_path / name
    if mode is not None:
        path.write_text(text)
        path.chmod(mode)

    assert words in problem(await source([str(path)], tmp_path).read())


async def test_a_missing_folder_and_a_command_no_system_takes_are_one_problem(tmp_path: Path) -> None:
    assert "its folder" in problem(await source(["true"], tmp_path / "gone").read())
    assert "could not be started" in problem(await source(["true", "a\0b"], tmp_path).read())
    assert "could not be started: argument list too long" in problem(
        await source(["true", "x" * 3_000_000], tmp_path).read()
    )


async def test_a_program_that_hangs_is_killed_with_its_children_when_its_time_is_up(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo $! >child; echo $$ >leader; echo waiting >&2; wait; sleep 600"
    started = time.monotonic()

    reading = await source(sh(script), tmp_path, timeout=1.5).read()

    assert 'did not finish within 1.5s and was killed, saying "waiting"' in problem(reading)
    assert time.monotonic() - started < 50
    assert_dead(tmp_path / "child")
    assert_dead(tmp_path / "leader")


async def test_a_grandchild_that_holds_the_output_does_not_hold_us_and_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()

    reading = await source(sh('sleep 600 & echo $! >child; echo \'[{"key": "a"}]\''), tmp_path).read()

    assert [task.key for task in reading.tasks] == ["a"]
    assert time.monotonic() - started < 50
    assert_dead(tmp_path / "child")


async def test_a_child_in_a_process_group_of_its_own_is_ended_too(tmp_path: Path) -> None:
    script = """
import os, time
child = os.fork()
if not child:
    os.setpgid(0, 0)
    open("child", "w").write(str(os.getpid()))
    os.write(1, b'[{"key": "a"}]')
    time.sleep(600)
while not os.path.exists("child") or not open("child").read():
    time.sleep(0.01)
"""
    reading = await source(python(script), tmp_path).read()

    assert reading.problems == ()
    assert_dead(tmp_path / "child")


async def test_children_that_replace_each_other_are_ended(tmp_path: Path) -> None:
    script = """
import fcntl, os, time
lock = open("lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)  # kept by all that come after
if not os.fork():
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        time.sleep(0.001)
    os._exit(0)
time.sleep(600)
"""
    reading = await source(python(script), tmp_path, timeout=1.5).read()

    assert "was killed" in problem(reading)
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(("stream", "to"), [("standard output", ""), ("standard error", " >&2")])
async def test_a_flood_is_stopped_at_the_limit(tmp_path: Path, stream: str, to: str) -> None:
    script = f"echo $$ >leader; exec head -c 100000000 /dev/zero{to}"

    reading = await source(sh(script), tmp_path, max_bytes=1_000_000).read()

    assert f"printed more than 1000000 bytes to {stream} and was killed" in problem(reading)
    assert_dead(tmp_path / "leader")


async def test_output_up_to_the_limit_is_all_read(tmp_path: Path) -> None:
    outcome = await run(sh("head -c 1000000 /dev/zero"), cwd=tmp_path, env=None, seconds=20, limit=1_000_000)

    assert isinstance(outcome, Finished)
    assert len(outcome.output) == 1_000_000


async def test_a_flood_that_ends_at_once_is_over_the_limit_all_the_same(tmp_path: Path) -> None:
    reading = await source(sh("head -c 1001 /dev/zero"), tmp_path, max_bytes=1000).read()

    assert "printed more than 1000 bytes" in problem(reading)


async def test_the_last_good_output_counts_until_the_next(tmp_path: Path) -> None:
    tasks = source(sh("cat tasks.json"), tmp_path)
    (tmp_path / "tasks.json").write_text('[{"key": "a"}, {"tier": 9}]')
    assert [task.key for task in (await tasks.read()).tasks] == ["a"]

    (tmp_path / "tasks.json").unlink()
    failed = await tasks.read()

    assert [task.key for task in failed.tasks] == ["a"]
    assert [found.fix for found in failed.problems if "exit code 1" in found.what] == [
        "run it by hand to see why; until then its last good output counts (1 task)"
    ]

    (tmp_path / "tasks.json").write_text("[]")
    assert await tasks.read() == Reading("gh")


async def test_when_cancelled_the_program_is_killed_first(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "begun")
    script = "echo $$ >leader; sleep 600 & echo $! >child; echo >begun; wait"
    before = descriptors()

    async with anyio.create_task_group() as group:
        group.start_soon(source(sh(script), tmp_path).read)
        await anyio.to_thread.run_sync((tmp_path / "begun").read_text)
        group.cancel_scope.cancel()

    assert_dead(tmp_path / "leader")
    assert_dead(tmp_path / "child")
    assert descriptors() == before


async def test_many_runs_leave_no_descriptors_and_no_children(tmp_path: Path) -> None:
    tasks = source(sh("echo '[]'"), tmp_path)
    await tasks.read()
    before = descriptors()

    for _ in range(10):
        assert (await tasks.read()).problems == ()

    assert descriptors() == before
    assert_childless()
