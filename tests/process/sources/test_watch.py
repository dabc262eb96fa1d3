"""Hearing of changes in folders of tasks."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import anyio
import pytest
from asyncinotify import Event, Inotify, Mask, Watch

from supervisor.world.sources.watch import FolderWatch

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def heard(watch: FolderWatch) -> frozenset[str]:
    with anyio.fail_after(60):
        return await anext(watch)


async def silent(watch: FolderWatch) -> bool:
    """Return whether nothing is reported for longer than a burst takes to end."""
    with anyio.move_on_after(0.2) as window:
        await anext(watch)
    return window.cancelled_caught


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def come(path: Path) -> None:
    path.mkdir()


def leave(path: Path) -> None:
    path.rmdir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "tasks"
    path.mkdir()
    return path


async def test_what_happens_to_a_task_file_is_heard(folder: Path) -> None:
    path = folder / "a.md"
    async with FolderWatch({"tasks": folder}) as watch:
        path.write_text("new")
        assert await heard(watch) == {"tasks"}
        path.write_text("changed")
        assert await heard(watch) == {"tasks"}
        path.chmod(0o600)
        assert await heard(watch) == {"tasks"}
        path.rename(folder / "b.md")
        assert await heard(watch) == {"tasks"}
        (folder / "b.md").unlink()
        assert await heard(watch) == {"tasks"}
        (folder / "c.md").symlink_to("/nowhere")
        assert await heard(watch) == {"tasks"}
        assert watch.problems == ()


async def test_a_burst_is_reported_once_with_all_its_sources(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("one", "two", "three")}
    for path in folders.values():
        path.mkdir()
    async with FolderWatch(folders) as watch:
        for number in range(50):
            (folders["one"] / f"{number}.md").write_text("x")
            (folders["two"] / f"{number}.md").write_text("x")

        assert await heard(watch) == {"one", "two"}
        assert await silent(watch)


async def test_a_burst_that_does_not_end_is_reported_all_the_same(folder: Path) -> None:
    async with FolderWatch({"tasks": folder}) as watch, anyio.create_task_group() as group:

        async def write_on() -> None:
            while True:
                (folder / "a.md").write_text("x")
                await anyio.sleep(0.01)

        group.start_soon(write_on)
        assert await heard(watch) == {"tasks"}
        group.cancel_scope.cancel()


async def test_what_cannot_be_a_task_is_not_reported(folder: Path) -> None:
    async with FolderWatch({"tasks": folder}) as watch:
        (folder / ".a.md.swp").write_text("x")
        (folder / "build.log").write_text("x")
        (folder / "README.md").write_text("x")
        (folder / ".git").mkdir()
        (folder.parent / "beside.md").write_text("x")

        assert await silent(watch)


async def test_folders_below_are_watched_and_new_ones_with_what_is_in_them(folder: Path) -> None:
    (folder / "sub").mkdir()
    async with FolderWatch({"tasks": folder}) as watch:
        (folder / "sub" / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}

        (folder / "new" / "deep").mkdir(parents=True)
        assert await heard(watch) == {"tasks"}
        (folder / "new" / "deep" / "b.md").write_text("x")
        assert await heard(watch) == {"tasks"}

        (folder / "new").rename(folder / "moved")
        assert await heard(watch) == {"tasks"}
        (folder / "moved" / "deep" / "b.md").write_text("y")
        assert await heard(watch) == {"tasks"}

        shutil.rmtree(folder / "moved")
        assert await heard(watch) == {"tasks"}
        assert await silent(watch)


async def test_a_folder_behind_a_link_is_watched(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    async with FolderWatch({"tasks": folder}) as watch:
        (folder / "link").symlink_to(tmp_path / "elsewhere")
        assert await heard(watch) == {"tasks"}
        (tmp_path / "elsewhere" / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}
        (folder / "link").unlink()
        assert await heard(watch) == {"tasks"}
        (tmp_path / "elsewhere" / "b.md").write_text("x")
        assert await silent(watch)


async def test_a_folder_that_goes_and_comes_back_is_heard_of(folder: Path) -> None:
    async with FolderWatch({"tasks": folder}) as watch:
        for _ in range(2):
            leave(folder)
            assert await heard(watch) == {"tasks"}
            come(folder)
            assert await heard(watch) == {"tasks"}
            (folder / "a.md").write_text("x")
            assert await heard(watch) == {"tasks"}
            (folder / "a.md").unlink()
            assert await heard(watch) == {"tasks"}


async def test_a_folder_that_goes_and_comes_back_at_once_is_heard_of(folder: Path) -> None:
    async with FolderWatch({"tasks": folder}) as watch:
        leave(folder)
        come(folder)
        assert await heard(watch) == {"tasks"}
        (folder / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}


async def test_a_folder_that_does_not_exist_yet_is_heard_of_when_it_does(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "tasks"
    async with FolderWatch({"tasks": folder}) as watch:
        assert watch.problems == ()
        (tmp_path / "other").mkdir()
        assert await silent(watch)

        folder.mkdir(parents=True)
        assert await heard(watch) == {"tasks"}
        (folder / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}


async def test_moving_a_folder_far_above_is_heard_of(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "tasks"
    folder.mkdir(parents=True)
    async with FolderWatch({"tasks": folder}) as watch:
        (tmp_path / "a").rename(tmp_path / "z")
        assert await heard(watch) == {"tasks"}
        (tmp_path / "z" / "b" / "tasks" / "a.md").write_text("x")
        assert await silent(watch)

        (tmp_path / "z").rename(tmp_path / "a")
        assert await heard(watch) == {"tasks"}
        (folder / "b.md").write_text("x")
        assert await heard(watch) == {"tasks"}


async def test_a_link_that_is_turned_elsewhere_is_heard_of(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "tasks"
    link.symlink_to("one")
    async with FolderWatch({"tasks": link}) as watch:
        (tmp_path / "new").symlink_to("two")
        (tmp_path / "new").rename(link)
        assert await heard(watch) == {"tasks"}
        (tmp_path / "two" / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}


async def test_two_sources_of_one_folder_both_hear(folder: Path) -> None:
    async with FolderWatch({"one": folder, "two": folder, "above": folder.parent}) as watch:
        (folder / "a.md").write_text("x")

        assert await heard(watch) == {"one", "two", "above"}


async def test_a_change_is_not_lost_when_the_waiting_is_cancelled(folder: Path) -> None:
    async with FolderWatch({"tasks": folder}) as watch:
        (folder / "a.md").write_text("x")
        with anyio.move_on_after(0.02) as hurry:
            await anext(watch)
        assert hurry.cancelled_caught

        assert await heard(watch) == {"tasks"}


class Counting(Inotify):
    reads = 0

    def sync_get(self) -> Event | None:
        type(self).reads += 1
        return super().sync_get()


async def test_nothing_wakes_while_nothing_changes(folder: Path) -> None:
    async with FolderWatch({"tasks": folder, "gone": folder / "gone"}, Counting) as watch:
        (folder / "a.md").write_text("x")
        await heard(watch)
        assert await silent(watch)
        before = Counting.reads
        assert before > 0

        assert await silent(watch)

        assert Counting.reads == before


class Exhausted(Inotify):
    """The kernel of a user who has no watches left for some folders."""

    def add_watch(self, path: os.PathLike[str] | bytes | str, mask: Mask) -> Watch:
        if "big" in os.fsdecode(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().add_watch(path, mask)


async def test_a_source_without_a_watch_is_a_problem_and_the_others_are_watched(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "big").mkdir()
    async with FolderWatch({"big": tmp_path / "big", "tasks": folder}, Exhausted) as watch:
        (problem,) = watch.problems
        assert (problem.source, problem.where) == ("big", str(tmp_path / "big"))
        assert "used up" in problem.what
        assert "max_user_watches" in problem.fix
        assert "reload with SIGHUP" in problem.fix

        (tmp_path / "big" / "a.md").write_text("x")
        (folder / "a.md").write_text("x")
        assert await heard(watch) == {"tasks"}


async def test_without_any_inotify_every_source_is_a_problem_and_nothing_is_reported(folder: Path) -> None:
    def refused() -> Inotify:
        raise OSError(errno.EMFILE, "Too many open files")

    async with FolderWatch({"one": folder, "two": folder}, refused) as watch:
        assert [problem.source for problem in watch.problems] == ["one", "two"]
        (folder / "a.md").write_text("x")
        assert await silent(watch)


async def test_a_watch_leaves_no_descriptors(folder: Path) -> None:
    before = descriptors()
    async with FolderWatch({"tasks": folder}):
        assert descriptors() > before

    assert descriptors() == before
