"""leasehold salvage: looking at what was kept, and putting it back without losing anything else."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from typing import Any

import anyio
import pytest

from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import open_repository
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import keep
from supervisor.world.git.salvage.message import Label
from tests.process.children.agents import WAIT

pytestmark = pytest.mark.process


def salvage(site, name: str = "s1", *, task: str = "t", unleased: tuple[str, ...] = ()) -> list[str]:
    """Move everything that is uncommitted into a salvage; return the paths."""

    async def move() -> list[str]:
        repo = await open_repository(site.root)
        paths = [file.path for file in await dirty(repo)]
        own = tuple(path for path in paths if path not in unleased)
        label = Label(session=name, task=task, outcome="failed", paths=own, unleased=unleased)
        kept, _ = await keep(repo, name, label)
        assert kept is not None
        _, left = await clean(repo, kept, paths)
        assert left == {}
        return paths

    return anyio.run(move)


@pytest.fixture
def text(site) -> Any:
    """Return the site with a committed text of ten lines and a configuration."""
    site.configure("")
    site.write("a.txt", "".join(f"line {number}\n" for number in range(10)))
    site.git("add", "a.txt")
    site.git("commit", "-qm", "Write a text")
    return site


def change(site, old: str, new: str) -> None:
    path = site.root / "a.txt"
    path.write_text(path.read_text().replace(old, new))


def test_what_is_applied_is_what_was_kept_and_neither_index_nor_head_move(text):
    change(text, "line 3", "three")
    text.write("new/deep.txt", "new\n")
    (text.root / "link").symlink_to("a.txt")
    script = text.write("run.sh", "#!/bin/sh\n")
    script.chmod(0o755)
    odd = os.path.join(os.fsencode(text.root), b"odd\n\xff")
    with open(odd, "wb") as file:
        file.write(b"odd")
    (text.root / "README.md").unlink()
    salvage(text)
    index, head = (text.root / ".git/index").read_bytes(), text.git("rev-parse", "HEAD")

    done = json.loads(text.run("salvage", "apply", "s1", "--json").stdout)

    assert (text.root / ".git/index").read_bytes() == index
    assert text.git("rev-parse", "HEAD") == head
    assert "three\n" in (text.root / "a.txt").read_text()
    assert (text.root / "new/deep.txt").read_text() == "new\n"
    assert os.readlink(text.root / "link") == "a.txt"
    assert os.access(script, os.X_OK)
    assert os.path.exists(odd)
    assert not (text.root / "README.md").exists()
    assert done["removed"] == ["README.md"]
    assert sorted(done["written"]) == ["a.txt", "link", "new/deep.txt", "odd\n\\udcff", "run.sh"]


def test_applying_twice_says_that_it_is_there_already(text):
    change(text, "line 3", "three")
    salvage(text)
    text.run("salvage", "apply", "s1")

    again = text.run("salvage", "apply", "s1")

    assert again.stdout == "a.txt: already as salvaged\n"


def test_a_change_committed_since_is_merged(text):
    change(text, "line 3", "three")
    salvage(text)
    change(text, "line 8", "eight")
    text.git("commit", "-qam", "Go on")

    done = text.run("salvage", "apply", "s1")

    assert done.stdout.startswith("a.txt: written, merged with a commit since\n")
    assert "three\n" in (text.root / "a.txt").read_text()
    assert "eight\n" in (text.root / "a.txt").read_text()


def test_a_conflict_is_named_and_nothing_is_written(text):
    change(text, "line 3", "three")
    text.write("other.txt", "no conflict here\n")
    salvage(text)
    change(text, "line 3", "THREE")
    text.git("commit", "-qam", "Go on")

    done = text.run("salvage", "apply", "s1", code=1)

    assert "a.txt: the same lines were changed by a commit since" in done.stderr
    assert "nothing was written" in done.stderr
    assert text.git("status", "--porcelain", "a.txt", "other.txt") == ""


def test_a_conflict_is_written_with_both_sides_between_markers_when_that_is_asked_for(text):
    change(text, "line 3", "three")
    salvage(text)
    change(text, "line 3", "THREE")
    text.git("commit", "-qam", "Go on")

    text.run("salvage", "apply", "s1", "--markers")

    found = (text.root / "a.txt").read_text()
    assert "<<<<<<< checked out\nTHREE\n" in found
    assert "three\n>>>>>>> salvage s1\n" in found
    assert text.git("ls-files", "--unmerged") == ""


def test_dirty_files_are_never_overwritten_and_with_force_they_are_salvaged_first(text):
    change(text, "line 3", "three")
    salvage(text)
    change(text, "line 5", "five")

    refused = text.run("salvage", "apply", "s1", code=1)
    forced = json.loads(text.run("salvage", "apply", "s1", "--force", "--json").stdout)

    assert "a.txt has other uncommitted changes" in refused.stderr
    assert "three\n" in (text.root / "a.txt").read_text()
    before = text.git("cat-file", "blob", f"refs/leasehold/salvage/{forced['replaced_salvage']}:a.txt")
    assert "five\n" in before


def test_a_file_in_the_place_of_a_folder_is_not_removed(text):
    text.write("place/inside.txt", "x\n")
    salvage(text)
    text.write("place", "untracked, and somebody's\n")

    refused = text.run("salvage", "apply", "s1", code=1)

    assert "place is in its place" in refused.stderr
    assert (text.root / "place").read_text() == "untracked, and somebody's\n"


def test_a_file_deleted_since_is_a_conflict(text):
    change(text, "line 3", "three")
    salvage(text)
    text.git("rm", "-q", "a.txt")
    text.git("commit", "-qm", "Away")

    refused = text.run("salvage", "apply", "s1", code=1)
    text.run("salvage", "apply", "s1", "--force")

    assert "a.txt: deleted by a commit since" in refused.stderr
    assert "three\n" in (text.root / "a.txt").read_text()


def test_paths_choose_some_of_it_and_a_path_that_is_not_in_it_is_an_error(text):
    change(text, "line 3", "three")
    text.write("new/one.txt", "1\n")
    text.write("new/two.txt", "2\n")
    salvage(text)

    text.run("salvage", "apply", "s1", "new")
    wrong = text.run("salvage", "apply", "s1", "nowhere.txt", code=1)

    assert text.git("status", "--porcelain", "--", "a.txt", "new") == "?? new/\n"
    assert 'salvage s1 has nothing of "nowhere.txt"' in wrong.stderr


def test_the_staged_version_can_be_taken_instead(text):
    change(text, "line 3", "staged")
    text.git("add", "a.txt")
    change(text, "staged", "and changed")
    salvage(text)

    text.run("salvage", "apply", "s1", "--staged")

    assert "staged\n" in (text.root / "a.txt").read_text()


def test_a_dry_run_writes_nothing(text):
    change(text, "line 3", "three")
    salvage(text)

    done = text.run("salvage", "apply", "s1", "--dry-run")

    assert done.stdout == "a.txt: would be written\n"
    assert text.git("status", "--porcelain", "a.txt") == ""


def test_list_and_show_say_what_is_in_a_salvage(text):
    change(text, "line 3", "three")
    text.write("stray.txt", "x\n")
    salvage(text, task="fix-it", unleased=("stray.txt",))

    found = text.ask("salvage", "list")["salvages"]
    shown = text.ask("salvage", "show", "fix-it")
    told = text.run("salvage", "show", "s1").stdout
    listed = text.run("salvage", "list").stdout

    assert found == [shown]
    assert (shown["id"], shown["session"], shown["task"], shown["outcome"]) == (
        "s1",
        "s1",
        "fix-it",
        "failed",
    )
    assert shown["files"] == [{"path": "a.txt", "change": "M"}, {"path": "stray.txt", "change": "A"}]
    assert shown["unleased"] == ["stray.txt"]
    assert shown["landed"] is False
    assert "stray.txt (held by nobody)" in told
    assert "a.txt, stray.txt" in listed


def test_the_patch_that_is_shown_can_be_applied_by_git(text):
    change(text, "line 3", "three")
    text.write("binary", "\x00\x01\n")
    salvage(text)

    patch = text.run("salvage", "show", "s1", "--patch").stdout

    subprocess.run(["git", "apply"], cwd=text.root, input=patch, text=True, check=True)
    assert text.run("salvage", "apply", "s1").stdout.count("already as salvaged") == 2


def test_a_salvage_that_is_not_there_is_an_error_with_the_way_out(text):
    wrong = text.run("salvage", "show", "nothing", code=1)

    assert 'no salvage "nothing"; `leasehold salvage list` names them' in wrong.stderr


def test_drop_deletes_what_is_named_or_what_has_landed_and_nothing_else(text):
    change(text, "line 3", "three")
    salvage(text, "s1")
    text.run("salvage", "apply", "s1")
    text.git("commit", "-qam", "Land it")
    change(text, "line 5", "five")
    salvage(text, "s2")

    landed = text.run("salvage", "drop", "--landed")
    left = [one["id"] for one in text.ask("salvage", "list")["salvages"]]
    text.run("salvage", "drop", "s2")

    assert landed.stdout.startswith("dropped s1; until git collects it: git update-ref refs/leasehold/")
    assert left == ["s2"]
    assert text.ask("salvage", "list") == {"salvages": []}
    assert text.run("salvage", "drop", code=2).stderr.endswith("or say --landed\n")


def test_under_a_supervisor_the_paths_are_leased_first(text):
    change(text, "line 3", "three")
    salvage(text)
    text.configure(WAIT)
    text.start()

    done = text.run("salvage", "apply", "s1")

    assert "you hold these paths now" in done.stdout
    held = [(lease["scope"], lease["holder"]) for lease in text.ask("lease", "list")["leases"]]
    assert held == [("a.txt", "operator")]


def test_a_path_that_a_session_holds_is_refused_with_its_name(text):
    change(text, "line 3", "three")
    salvage(text)
    text.task("t", "a.txt")
    text.configure(WAIT)
    text.start()
    session = text.wait_for("session.running")["session"]

    refused = text.run("salvage", "apply", "s1", code=1)

    assert f"session {session}" in refused.stderr
    assert text.git("status", "--porcelain", "a.txt") == ""


def test_inside_a_session_the_leases_are_the_sessions_and_nothing_can_be_dropped(text):
    change(text, "line 3", "three")
    salvage(text)
    text.task("t", "other.txt")
    text.configure(WAIT)
    text.start()
    session = text.wait_for("session.running")["session"]
    spec = json.loads((text.root / f".leasehold/state/sessions/{session}/spec.json").read_text())
    inside = partial(
        text.run, **{name: value for name, value in spec["env"].items() if name.startswith("LEASEHOLD")}
    )

    inside("salvage", "apply", "s1")
    refused = inside("salvage", "drop", "s1", code=1)

    held = {lease["scope"]: lease["holder"] for lease in text.ask("lease", "list")["leases"]}
    assert held["a.txt"] == session
    assert "a session deletes no salvage" in refused.stderr
