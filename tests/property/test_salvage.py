"""Promise 10 on random trees: keep, clean and apply come back to the same files, with nothing else touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository, open_repository
from supervisor.world.git.salvage.apply import Ways, plan
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import find, keep
from supervisor.world.git.salvage.message import Label, parse, quote, render, unquote
from supervisor.world.git.salvage.place import place

# Few names, so that files and folders take each other's place often.
_NAMES = st.sampled_from(["a", "b", "c\n", "é", "f ", '"q"', "\udcff"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_CONTENTS = st.one_of(st.binary(max_size=20), st.sampled_from([b"x\r\ny\r\n", b"one\ntwo\n", b""]))
_STEPS = st.one_of(
    st.tuples(st.just("write"), _PATHS, _CONTENTS),
    st.tuples(st.just("delete"), _PATHS, st.none()),
    st.tuples(st.just("link"), _PATHS, _PATHS),
    st.tuples(st.just("mode"), _PATHS, st.booleans()),
    st.tuples(st.just("stage"), st.none(), st.none()),
    st.tuples(st.just("unstage"), _PATHS, st.none()),
)


def git(root: str, *args: str) -> bytes:
    settings_ = ["-c", "user.name=T", "-c", "user.email=t@e"]
    return subprocess.run(
        ["git", *settings_, *args], cwd=root, capture_output=True, check=True, timeout=30
    ).stdout


def walk(root: str) -> dict[str, tuple[int, bytes]]:
    """Return every file and link with its mode and content."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == root:
            folders.remove(".git")
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = os.fsencode(os.readlink(path)) if os.path.islink(path) else Path(path).read_bytes()
            found[os.path.relpath(path, root)] = (mode, content)
    return found


def take_step(root: str, step: tuple[str, object, object]) -> None:
    what, path, value = step
    if what == "stage":
        git(root, "add", "-A")
        return
    assert isinstance(path, str)
    at = os.path.join(root, path)
    if what == "unstage":
        git(root, "--literal-pathspecs", "rm", "-rq", "--cached", "--ignore-unmatch", "--", path)
    elif what == "mode" and os.path.isfile(at) and not os.path.islink(at):
        os.chmod(at, 0o755 if value else 0o644)
    elif what in {"write", "link", "delete"}:
        clear(root, path, only_itself=what == "delete")
        if what == "write":
            assert isinstance(value, bytes)
            Path(at).write_bytes(value)
        elif what == "link":
            os.symlink(str(value), at)


def clear(root: str, path: str, *, only_itself: bool) -> None:
    """Make way for a file at `path`: nothing above it may be one, and it may be no folder."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        above = os.path.join(root, *parts[:depth])
        if os.path.islink(above) or os.path.isfile(above):
            if only_itself:
                return
            os.unlink(above)
    at = os.path.join(root, path)
    if os.path.isdir(at) and not os.path.islink(at):
        shutil.rmtree(at)
    elif os.path.lexists(at):
        os.unlink(at)
    if not only_itself:
        os.makedirs(os.path.dirname(at), exist_ok=True)


def outside(root: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what salvaging must not touch."""
    return (
        Path(root, ".git/index").read_bytes(),
        git(root, "--no-optional-locks", "status", "--porcelain=v2", "-z", "-uall"),
        git(root, "rev-parse", "HEAD"),
        git(root, "for-each-ref", "refs/heads", "refs/stash", "refs/tags"),
    )


async def put_back(repo: Repository) -> None:
    kept = await find(repo, "s")
    assert kept is not None
    found = await plan(repo, kept, None, Ways())
    assert not found.refused(), found
    assert await place(repo, found.writes) == {}


@pytest.mark.process
@example(committed=[("write", "a/a", b"")], changed=[("link", "a", "a")])
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(_STEPS, max_size=8), st.lists(_STEPS, min_size=1, max_size=8))
def test_no_work_is_lost_on_any_tree(committed, changed):
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.realpath(folder)
        git(root, "init", "-q", "-b", "main")
        Path(root, "keep").write_text("keep\n")
        for step in committed:
            take_step(root, step)
        git(root, "add", "-A")
        git(root, "commit", "-qm", "Begin")
        clean_files = walk(root)
        for step in changed:
            take_step(root, step)
        before, files = outside(root), walk(root)

        async def there_and_back() -> None:
            repo = await open_repository(root)
            paths = tuple(dict.fromkeys(file.path for file in await dirty(repo)))
            label = Label(session="s", task="t", outcome="failed", paths=paths)
            kept, snapshot = await keep(repo, "s", label)
            assert (outside(root), walk(root)) == (before, files)
            assert snapshot.unkept == {}
            if kept is None:
                return
            assert await find(repo, "s") == kept
            again, _ = await keep(repo, "s", label)
            assert again == kept
            cleaned, left = await clean(repo, kept, paths)
            assert (set(cleaned), left) == (set(paths), {})
            assert walk(root) == clean_files
            assert await dirty(repo) == ()
            await put_back(repo)
            assert walk(root) == files

        anyio.run(there_and_back)
        assert git(root, "fsck", "--strict", "--no-dangling") == b""


@given(_PATHS | st.text(min_size=1))
def test_a_path_in_a_message_is_one_line_and_comes_back(path):
    path = path.encode("utf-8", "surrogateescape" if path.isprintable() else "replace").decode(
        "utf-8", "surrogateescape"
    )

    quoted = quote(path)

    assert len(quoted.splitlines()) == 1
    assert unquote(quoted) == path


@given(
    st.lists(_PATHS, unique=True), st.dictionaries(_PATHS, st.just("too large: 3 bytes")), st.integers(0, 1)
)
def test_a_label_is_read_back_from_its_message(paths, unkept, staged):
    label = Label(
        session="5cc9795f",
        task="fix: the parser",
        outcome="lost",
        base="a" * 40,
        staged="b" * 40 if staged else "",
        paths=tuple(paths),
        unleased=tuple(reversed(paths)),
        neighbours=("0a1b2c3d",),
        unkept=unkept,
    )

    assert parse(render(label)) == label
