"""A folder of Markdown files, with everything in it that people and programs put there."""

from __future__ import annotations

import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.core.tasks.task import Reading, Stage
from supervisor.world.sources.mapping import Defaults
from supervisor.world.sources.markdown import MarkdownSource

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

GPTODO = """---
state: backlog
created: 2026-01-01T12:00:00.000000+00:00
priority: high
task_type: action
assigned_to: agent
tags: ["docs"]
requires: [other]
---

# Write project README

Say what it is.
"""


def source(folder: Path) -> MarkdownSource:
    return MarkdownSource("tasks", folder, Defaults(repo="main"))


def write(path: Path, head: str = "", body: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\n{head}\n---\n{body}", encoding="utf-8")
    return path


def old(path: Path) -> None:
    """Let a file look as if it had been written some time ago, so that its stamp is trusted."""
    os.utime(path, (1_600_000_000, 1_600_000_000))


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def problem(reading: Reading) -> str:
    (found,) = reading.problems
    return found.sentence()


async def test_a_task_file_of_gptodo_is_a_task(tmp_path: Path) -> None:
    (tmp_path / "write-project-readme.md").write_text(GPTODO, encoding="utf-8")

    reading = await source(tmp_path).read()

    (task,) = reading.tasks
    assert reading.problems == ()
    assert (task.key, task.title, task.repo) == ("write-project-readme", "Write project README", "main")
    assert (task.priority, task.tags, task.requires, task.stage) == (30, ("docs",), ("other",), Stage.OPEN)
    assert task.body == "# Write project README\n\nSay what it is."
    assert task.origin == str(tmp_path / "write-project-readme.md")
    assert task.created == 1767268800.0


async def test_the_title_falls_back_to_the_file_name_and_the_date_to_the_files(tmp_path: Path) -> None:
    old(write(tmp_path / "plain.md", "state: todo"))

    (task,) = (await source(tmp_path).read()).tasks

    assert (task.title, task.created) == ("plain", 1_600_000_000.0)


async def test_the_text_of_the_file_outranks_a_description_in_its_head(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "description: short", "The long text.")
    write(tmp_path / "b.md", "description: short")

    bodies = [task.body for task in (await source(tmp_path).read()).tasks]

    assert bodies == ["The long text.", "short"]


async def test_folders_below_count_but_hidden_ones_readmes_and_plain_notes_do_not(tmp_path: Path) -> None:
    write(tmp_path / "sub" / "deep" / "a.md")
    for name in (".hidden/b.md", "README.md", "sub/Readme.md", ".c.md", "d.txt", ".#e.md"):
        write(tmp_path / name)
    (tmp_path / "notes.md").write_text("# Only notes\n", encoding="utf-8")
    (tmp_path / "empty.md").write_text("", encoding="utf-8")

    reading = await source(tmp_path).read()

    assert [task.key for task in reading.tasks] == ["a"]
    assert reading.problems == ()


async def test_tasks_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write(tmp_path / f"{name}.md")

    assert [task.key for task in (await source(tmp_path).read()).tasks] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"---\nstate: [\n---\n", "broken front matter (line"),
        (b"---\nstate: todo\n", "never closed"),
        (b"---\ntitle: \xff\xfe\n---\n", "not UTF-8 (byte 11)"),
        ("---\na: 1\n---\n".encode("utf-16"), "not UTF-8"),
        (b"---\na: 1\n---\n" + b"x" * (2 * 1024 * 1024), "larger than 2 MiB"),
        (b"---\npriority: soon\n---\n", 'priority is "soon"'),
        (b"---\n- a\n---\n", "a list, not keys and values"),
    ],
)
async def test_a_broken_file_is_refused_by_name_and_the_others_run(
    tmp_path: Path, content: bytes, words: str
) -> None:
    write(tmp_path / "good.md")
    (tmp_path / "bad.md").write_bytes(content)

    reading = await source(tmp_path).read()

    assert [task.key for task in reading.tasks] == ["good"]
    assert problem(reading).startswith(str(tmp_path / "bad.md") + ": ")
    assert words in problem(reading)


async def test_a_large_file_without_front_matter_is_no_task_and_no_problem(tmp_path: Path) -> None:
    (tmp_path / "book.md").write_bytes(b"x" * (3 * 1024 * 1024))

    assert await source(tmp_path).read() == Reading("tasks")


async def test_a_slip_of_the_pen_is_reported_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md", "prioritty: high")

    reading = await source(tmp_path).read()

    assert [task.key for task in reading.tasks] == ["a"]
    assert problem(reading).startswith(f'{path}: the key "prioritty" is not known')


async def test_what_is_not_a_file_is_named_and_does_not_hang(tmp_path: Path) -> None:
    write(tmp_path / "good.md")
    (tmp_path / "folder.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "self.md").symlink_to("self.md")
    (tmp_path / "nothing.md").symlink_to("gone.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.md"))

        reading = await source(tmp_path).read()

    assert [task.key for task in reading.tasks] == ["good"]
    said = {Path(found.where).name: found.what for found in reading.problems}
    assert said == {
        "folder.md": "is a folder, not a file",
        "pipe.md": "is a named pipe, not a file",
        "self.md": "is a symbolic link that leads back to itself",
        "nothing.md": "does not exist",
        "socket.md": "is a socket, not a file",
    }


async def test_a_pipe_that_takes_the_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md")
    tasks = source(tmp_path)
    path.unlink()
    os.mkfifo(path)

    entry = tasks._open(str(path)).entry

    assert entry is None


async def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    write(folder / "sub" / "inside.md")
    write(tmp_path / "elsewhere" / "outside.md")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    (folder / "again").symlink_to("sub")
    (folder / "sub" / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")

    reading = await source(folder).read()

    assert sorted(task.key for task in reading.tasks) == ["inside", "outside"]
    assert {Path(found.where).name for found in reading.problems} == {"up", "loop"}


async def test_a_link_to_a_task_in_the_folder_is_that_task(tmp_path: Path) -> None:
    write(tmp_path / "all" / "a.md")
    (tmp_path / "active").mkdir()
    (tmp_path / "active" / "a.md").symlink_to("../all/a.md")
    outside = write(tmp_path / "elsewhere.txt")
    (tmp_path / "b.md").symlink_to(outside)
    tasks = source(tmp_path)

    for _ in range(2):
        reading = await tasks.read()

        assert [(t.key, t.origin) for t in reading.tasks] == [
            ("a", str(tmp_path / "all" / "a.md")),
            ("b", str(tmp_path / "b.md")),
        ]
        assert reading.problems == ()


@contextmanager
def nobody() -> Iterator[Path]:
    """Give a folder, and be a user whom modes bind: nobody, if the tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            for path in folder.iterdir():
                path.chmod(0o700)


async def test_a_file_and_a_folder_that_may_not_be_read_are_named() -> None:
    with nobody() as folder:
        write(folder / "good.md")
        write(folder / "secret.md").chmod(0)
        write(folder / "closed" / "a.md").parent.chmod(0)
        tasks = source(folder)

        reading = await tasks.read()

        assert [task.key for task in reading.tasks] == ["good"]
        assert {Path(found.where).name: found.what for found in reading.problems} == {
            "secret.md": "cannot be read: permission denied",
            "closed": "cannot be read: permission denied",
        }
        (folder / "secret.md").chmod(0o600)
        assert len((await tasks.read()).tasks) == 2


async def test_a_name_that_is_not_utf8_is_shown_escaped(tmp_path: Path) -> None:
    write(tmp_path / os.fsdecode(b"caf\xe9.md"))
    write(tmp_path / "bell\x07.md")

    reading = await source(tmp_path).read()

    assert reading.tasks == ()
    assert len(reading.problems) == 2
    assert all(found.sentence().isprintable() for found in reading.problems)


async def test_a_missing_folder_is_one_problem_and_its_tasks_are_gone(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    path = write(folder / "a.md")
    tasks = source(folder)
    assert len((await tasks.read()).tasks) == 1
    path.unlink()
    folder.rmdir()

    reading = await tasks.read()

    assert reading.tasks == ()
    assert "the folder does not exist" in problem(reading)
    write(path)
    assert len((await tasks.read()).tasks) == 1


async def test_a_file_in_the_place_of_the_folder_is_one_problem(tmp_path: Path) -> None:
    assert "is not a folder" in problem(await source(write(tmp_path / "tasks")).read())


async def test_only_a_changed_file_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c", "bad"):
        write(tmp_path / f"{name}.md", "tier: 9" if name == "bad" else "")
    tasks = source(tmp_path)
    opened: list[str] = []
    real_open = os.open

    def watched_open(path: str, *args: int) -> int:
        opened.append(Path(path).name)
        return real_open(path, *args)

    monkeypatch.setattr("supervisor.world.sources.markdown.os.open", watched_open)
    monkeypatch.setattr("supervisor.world.sources.markdown._SETTLED", -(10**18))

    first = await tasks.read()
    assert sorted(opened) == ["a.md", "b.md", "bad.md", "c.md"]
    opened.clear()
    assert await tasks.read() == first
    assert opened == []

    write(tmp_path / "b.md", "title: Changed")
    (tmp_path / "c.md").unlink()
    second = await tasks.read()
    assert opened == ["b.md"]
    assert [(t.key, t.title) for t in second.tasks] == [("a", "a"), ("b", "Changed")]


async def test_a_file_that_was_written_just_before_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.world.sources.markdown._SETTLED", 10**18)  # "just before" is long enough
    path = write(tmp_path / "a.md", "title: one")
    tasks = source(tmp_path)
    await tasks.read()
    before = path.stat()

    # The same size and the same stamps, as within one tick of a file system's clock.
    path.write_text("---\ntitle: two\n---\n", encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    known = tasks._known[str(path)]
    assert not known.settled

    assert [task.title for task in (await tasks.read()).tasks] == ["two"]


async def test_a_task_held_by_its_date_waits_and_the_source_says_until_when(tmp_path: Path) -> None:
    write(tmp_path / "a.md", "wait: 2999-01-01")
    write(tmp_path / "b.md", "wait: 2001-01-01")
    tasks = source(tmp_path)

    reading = await tasks.read()

    assert [task.stage for task in reading.tasks] == [Stage.WAITING, Stage.OPEN]
    assert tasks.due is not None
    assert tasks.due > time.time()


async def test_looking_through_unchanged_files_takes_microseconds_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        write(tmp_path / f"{number}.md")
    tasks = source(tmp_path)
    monkeypatch.setattr("supervisor.world.sources.markdown._SETTLED", -(10**18))
    assert len((await tasks.read()).tasks) == 1000

    times: list[float] = []
    for _ in range(20):
        started = time.process_time()
        await tasks.read()
        times.append(time.process_time() - started)

    # The goal is 10 microseconds for each; a machine that does other work too gets leave to be slower.
    assert min(times) < 1000 * 30e-6


async def test_a_host_without_descriptors_says_nothing_about_the_tasks_and_the_source_is_read_again(
    tmp_path: Path,
) -> None:
    write(tmp_path / "one.md")
    tasks = source(tmp_path)
    await tasks.read()  # and the worker thread exists

    with no_descriptors():
        began = time.time()
        reading = await tasks.read()

    assert reading.unread
    assert not reading.tasks
    assert "too many open files; its last tasks hold" in problem(reading)
    assert tasks.due is not None
    assert 0 < tasks.due - began <= 15
    assert [task.key for task in (await tasks.read()).tasks] == ["one"]
    assert tasks.due is None
