"""Work trees and integration where a repository holds more than text: submodules, content filters, binaries."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.process]

# What git-lfs does: a file is committed as a pointer, and its content is in a store beside.
FILTER = """
    import hashlib, pathlib, sys
    store = pathlib.Path(sys.argv[2])
    data = sys.stdin.buffer.read()
    if sys.argv[1] == "clean":
        name = hashlib.sha256(data).hexdigest()
        (store / name).write_bytes(data)
        sys.stdout.write(f"version https://git-lfs.github.com/spec/v1\\noid sha256:{name}\\nsize {len(data)}\\n")
    else:
        name = data.decode().split("sha256:")[1].split()[0]
        sys.stdout.buffer.write((store / name).read_bytes())
"""
MEET = """
    import os, pathlib, subprocess, sys, time
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    def git(*words):
        done = subprocess.run(["git", *words], capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.strip()
    ready = pathlib.Path(os.environ["LEASEHOLD_NOTICE"]).parent.parent
    (ready / f"{task}.ready").touch()
    while len(list(ready.glob("*.ready"))) < 2:
        time.sleep(0.01)
"""


def filtered(site) -> None:
    """Give the repository a content filter that every checkout needs."""
    program = site.write(".leasehold/filter.py", FILTER)
    store = site.root / ".leasehold/store"
    store.mkdir()
    for way in ("clean", "smudge"):
        site.git("config", f"filter.lfs.{way}", f"{sys.executable} {program} {way} {store}")
    site.git("config", "filter.lfs.required", "true")
    site.write(".leasehold/.gitignore", "*\n")
    site.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (site.root / "big.bin").write_bytes(b"\0first" * 100)
    site.git("add", "-A")
    site.git("commit", "-qm", "Big")
    assert site.git("show", "HEAD:big.bin").startswith("version https://git-lfs")


def ends(site) -> dict[str, dict[str, object]]:
    """Return how the last session of each task ended."""
    return {event["task"]: event["data"] for event in site.events("session.ended")}


@pytest.mark.parametrize("way", ["rebase", "merge"])
def test_what_a_content_filter_stores_elsewhere_is_whole_in_work_trees_and_stays_a_pointer_in_commits(
    site, way
):
    filtered(site)
    site.task("a")
    site.configure(
        """
    import pathlib, subprocess, sys
    sys.stdin.read()
    big = pathlib.Path("big.bin")
    assert big.read_bytes() == b"\\0first" * 100
    big.write_bytes(b"\\0second" * 100)
    subprocess.run(["git", "commit", "-qam", "Change"], check=True)
    """,
        repo={"isolation": "worktree", "integrate": way, "check": ["grep", "-q", "second", "big.bin"]},
    )
    site.write("other.txt", "human\n")
    site.git("add", "other.txt")
    site.git("commit", "-qm", "Human")

    site.until_idle()

    assert ends(site)["a"]["outcome"] == "finished"
    assert (site.root / "big.bin").read_bytes() == b"\0second" * 100
    assert site.git("show", "main:big.bin").startswith("version https://git-lfs")
    assert site.git("status", "--porcelain", "-uno") == ""


def test_a_conflict_over_a_stored_file_names_the_filter_and_keeps_both_versions(site):
    filtered(site)
    for task in ("a", "b"):
        site.task(task)
    site.configure(
        f"""{MEET}
    pathlib.Path("big.bin").write_bytes(b"\\0" + task.encode() * 100)
    git("commit", "-qam", f"Do {{task}}")
    """,
        repo={"isolation": "worktree"},
        retry={"spawns": 1},
    )

    site.until_idle(code=None)

    (kept,) = site.events("session.unintegrated")
    assert kept["data"]["hitch"] == "conflict"
    assert "big.bin is stored by the filter lfs" in kept["data"]["why"]
    landed = "a" if kept["task"] == "b" else "b"
    assert (site.root / "big.bin").read_bytes() == b"\0" + landed.encode() * 100
    assert "sha256" in site.git("show", f"{kept['data']['branch']}:big.bin")


def submodule(site, tmp_path) -> list[str]:
    """Give the repository a submodule at `sub`; return its commits, oldest first."""
    inner = tmp_path / "inner"
    inner.mkdir()

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=inner, env=site.environ, text=True, capture_output=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    commits = []
    for number in range(3):
        git("commit", "-q", "--allow-empty", "-m", f"Inner {number}")
        commits.append(git("rev-parse", "HEAD"))
    site.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "sub")
    subprocess.run(["git", "checkout", "-q", commits[0]], cwd=site.root / "sub", env=site.environ, check=True)
    site.git("add", "-A")
    site.git("commit", "-qm", "Submodule")
    return commits


BUMP = """
    git("update-index", "--cacheinfo", f"160000,{commits[task]},sub")
    git("commit", "-qm", f"Move sub for {task}")
"""


@pytest.mark.parametrize("way", ["rebase", "merge"])
def test_the_commit_of_a_submodule_is_integrated_and_its_own_checkout_is_left_alone(site, tmp_path, way):
    commits = submodule(site, tmp_path)
    site.task("a", priority=2)
    site.task("b", priority=1)
    site.configure(
        MEET.split("    ready =", maxsplit=1)[0]
        + f"    commits = {dict(zip('ab', commits[1:], strict=True))!r}\n"
        + BUMP,
        repo={"isolation": "worktree", "integrate": way, "check": ["true"]},
        supervisor={"max_sessions": 1},
    )

    site.until_idle()

    assert [end["outcome"] for end in ends(site).values()] == ["finished", "finished"], ends(site)
    assert site.git("rev-parse", "main:sub").strip() == commits[2]
    assert site.git("-C", "sub", "rev-parse", "HEAD").strip() == commits[0]
    # Until `git submodule update`, as after any pull.
    assert site.git("status", "--porcelain", "-uno") == " M sub\n"
    assert site.git("fsck", "--no-dangling") == ""


def test_a_conflict_over_a_submodule_says_that_it_is_one_and_keeps_both_versions(site, tmp_path):
    commits = submodule(site, tmp_path)
    for task in ("a", "b"):
        site.task(task)
    mine = {"a": commits[1], "b": "1" * 40}
    site.configure(
        f"{MEET}    commits = {mine!r}\n{BUMP}", repo={"isolation": "worktree"}, retry={"spawns": 1}
    )

    site.until_idle(code=None)

    (kept,) = site.events("session.unintegrated")
    assert kept["data"]["hitch"] == "conflict"
    assert kept["data"]["paths"] == ["sub"]
    assert "sub is a submodule" in kept["data"]["why"]
    landed = "a" if kept["task"] == "b" else "b"
    assert site.git("rev-parse", "main:sub").strip() == mine[landed]
    assert site.git("rev-parse", f"{kept['data']['branch']}:sub").strip() == mine[kept["task"]]
