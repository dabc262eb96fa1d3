"""Who has a file open for writing, and when a scope last changed, seen in real processes and files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.core.leases.scope import parse_scopes
from supervisor.world.git.writers import OpenWriter, identities, last_write, open_writers

pytestmark = pytest.mark.process


@contextmanager
def process(code: str, cwd: Path) -> Iterator[int]:
    """Run Python code that is in place once it has printed a line; yield its pid."""
    running = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", f"{code}\nprint(flush=True)\ninput()"],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with running:
        assert running.stdout
        assert running.stdout.readline() == b"\n"
        yield running.pid
        running.kill()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    for name in ("src/a", "src/b", "docs/c"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x" * 10)
    return root


def anything(_: str) -> bool:
    return True


class TestOpenWriters:
    @pytest.mark.parametrize("mode", ["w", "a", "r+"])
    def test_a_file_open_for_writing_is_found(self, root: Path, mode: str) -> None:
        with process(f"f = open('src/a', {mode!r})", root) as pid:
            assert open_writers([pid], root, anything) == (OpenWriter(pid, "src/a", "open"),)

    def test_a_file_open_for_reading_is_none(self, root: Path) -> None:
        with process("f = open('src/a')", root) as pid:
            assert open_writers([pid], root, anything) == ()

    def test_only_covered_paths_below_the_root_count(self, root: Path) -> None:
        (root.parent / "repo-other").mkdir()
        code = "f = open('src/a', 'w'); g = open('docs/c', 'w'); h = open('../repo-other/d', 'w')"
        with process(code, root) as pid:
            found = open_writers([pid], root, lambda path: path.startswith("docs/"))

        assert found == (OpenWriter(pid, "docs/c", "open"),)

    def test_a_shared_writable_mapping_without_a_descriptor_is_found(self, root: Path) -> None:
        code = "import mmap\nf = open('src/a', 'r+')\nm = mmap.mmap(f.fileno(), 0)\nf.close()\n"
        # Python keeps a duplicate of the descriptor; close that one too.
        code += "import os\nfor fd in range(3, 20):\n  try: os.close(fd)\n  except OSError: pass"
        with process(code, root) as pid:
            assert open_writers([pid], root, anything) == (OpenWriter(pid, "src/a", "mapped"),)

    def test_a_private_mapping_is_none(self, root: Path) -> None:
        code = "import mmap\nf = open('src/a', 'rb')\nm = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_COPY)"
        with process(code, root) as pid:
            assert open_writers([pid], root, anything) == ()

    def test_a_removed_file_keeps_its_name(self, root: Path) -> None:
        with process("import os\nf = open('src/a', 'w')\nos.unlink('src/a')", root) as pid:
            assert open_writers([pid], root, anything) == (OpenWriter(pid, "src/a", "open"),)

    @pytest.mark.parametrize("how", ["open", "mapped"])
    def test_a_file_is_found_under_its_other_names(self, root: Path, how: str) -> None:
        (root / "alias").hardlink_to(root / "src/a")
        code = "f = open('alias', 'r+')"
        if how == "mapped":
            code += "\nimport mmap, os\nm = mmap.mmap(f.fileno(), 0)\nos.closerange(3, 20)"
        known = identities(root, parse_scopes("src/a", "repo"))
        with process(code, root) as pid:
            assert open_writers([pid], root, lambda path: path == "src/a", known) == (
                OpenWriter(pid, "src/a", how),
            )

    def test_a_file_is_found_where_a_process_has_the_folder_mounted_elsewhere(self, root: Path) -> None:
        elsewhere = root.parent / "elsewhere"
        elsewhere.mkdir()
        code = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000 | 0x20000) or libc.mount(b"{root}", b"{elsewhere}", None, 0x1000, None):
    sys.exit(os.strerror(ctypes.get_errno()))
f = open("{elsewhere}/src/b", "a")
"""
        with process(code, root) as pid:
            assert open_writers([pid], root, anything) == (OpenWriter(pid, "src/b", "open"),)

    def test_a_process_that_has_ended_has_none(self, root: Path) -> None:
        with process("", root) as pid:
            pass

        assert open_writers([pid], root, anything) == ()


class TestLastWrite:
    def newest(self, root: Path, *texts: str) -> float | None:
        return last_write(root, [scope for text in texts for scope in parse_scopes(text, "repo")])

    def test_a_file_tells_its_change(self, root: Path) -> None:
        assert self.newest(root, "src/a") == (root / "src/a").stat().st_ctime

    def test_a_time_that_was_set_back_does_not_deceive(self, root: Path) -> None:
        os.utime(root / "src/a", (1, 1))

        assert self.newest(root, "src/a") == (root / "src/a").stat().st_ctime

    def test_a_tree_tells_its_newest_entry(self, root: Path) -> None:
        (root / "src/b").write_text("new")

        assert self.newest(root, "src/") == (root / "src/b").stat().st_ctime
        assert self.newest(root, "./") == (root / "src/b").stat().st_ctime

    def test_a_removal_in_a_tree_shows(self, root: Path) -> None:
        (root / "src/b").unlink()

        assert self.newest(root, "src/") == (root / "src").stat().st_ctime

    def test_a_glob_tells_of_what_it_matches_only(self, root: Path) -> None:
        before = (root / "src/a").stat().st_ctime
        (root / "src/b").write_text("new")

        assert self.newest(root, "s*/a") == before
        assert self.newest(root, "**/b") == (root / "src/b").stat().st_ctime

    def test_the_newest_of_several_scopes_counts(self, root: Path) -> None:
        (root / "docs/c").write_text("new")

        assert self.newest(root, "src/a", "docs/c", "resource:x") == (root / "docs/c").stat().st_ctime

    def test_names_that_need_not_be_spelt_as_on_disk_are_found(self, root: Path) -> None:
        decomposed = root / "cafe\N{COMBINING ACUTE ACCENT}"
        decomposed.write_text("x")

        assert self.newest(root, "caf\N{LATIN SMALL LETTER E WITH ACUTE}") == decomposed.stat().st_ctime
        (scope,) = parse_scopes("SRC/A", "repo", fold_case=True)
        assert last_write(root, [scope], fold_case=True) == (root / "src/a").stat().st_ctime

    def test_git_and_what_is_not_there_tell_nothing(self, root: Path) -> None:
        (root / "src/.git").mkdir()
        (root / "src/.git/index").write_text("x")

        assert self.newest(root, "none", "none/", "no*", "resource:x") is None
        assert self.newest(root, "src/") == (root / "src").stat().st_ctime
