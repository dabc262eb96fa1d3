"""What of a checkout's dirty files is a session's, and what becomes of it when git is slow or dies."""

from __future__ import annotations

import os
import select
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.decisions.policy import Leftovers
from supervisor.core.sessions.outcome import Outcome
from supervisor.core.sessions.salvage import Salvage, Unsalvaged
from supervisor.core.tasks.standing import LastRun
from supervisor.daemon.salvaging import Salvager, changed_since, move_orphans
from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import Repository, open_repository
from supervisor.world.git.underway import InUse, Present, Removed, began_later, free_lock, locks, operations

pytestmark = pytest.mark.process

GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@e")


class Site:
    """A repository, and tables with a session on it."""

    def __init__(self, root: Path, house: Any) -> None:
        self.root = root
        self.house = house
        self.salvager = Salvager(house.tables, lambda: [root / "tasks"])
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.write("a.txt", "a\n")
        self.write("b.txt", "b\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "Begin")

    def git(self, *args: str) -> str:
        return subprocess.run(
            [*GIT, *args],
            cwd=self.root,
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def policy(self, **fields: Any) -> None:
        policy = self.house.tables.policy
        repo = replace(policy.repos["repo"], **fields)
        self.house.tables.policy = replace(policy, repos={"repo": repo})

    async def repo(self) -> Repository:
        return await open_repository(self.root)

    async def rescue(self, key: str, outcome: Outcome = Outcome.FAILED) -> Any:
        repo = await self.repo()
        return await self.salvager.rescue(self.house.session(key), repo, await dirty(repo), outcome)


def gone(pid: int) -> bool:
    """Tell whether a process that was killed has left by now; it may need a moment for that."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 60)[0])
    finally:
        os.close(pidfd)


@pytest.fixture
def site(tmp_path: Path, house: Any) -> Site:
    return Site(tmp_path / "repo", house)


@pytest.fixture
def work():
    from tests.conftest import work

    return work


@pytest.mark.asyncio
async def test_leased_paths_are_the_sessions_and_what_nobody_held_is_marked(site, work):
    site.house.offer(work("a", "a.txt"), work("b", "b.txt"))
    site.house.fill()
    for name in ("a.txt", "b.txt", "stray.txt", "tasks/new.md"):
        site.write(name, "changed\n")

    rescued = await site.rescue("a")

    assert isinstance(rescued.result, Salvage)
    assert rescued.result.paths == ("a.txt",)
    assert rescued.result.unleased == ("stray.txt",)
    assert rescued.result.neighbours == (site.house.session("b").id,)
    assert "1 of them without a lease, maybe of" in rescued.result.sentence()


@pytest.mark.asyncio
async def test_what_changed_before_the_session_began_or_is_known_of_others_is_not_its_work(site, work):
    site.house.offer(work("a", "a.txt"), work("other", "elsewhere.txt"))
    site.house.fill()
    site.write("known.txt", "left by the other task before\n")
    last = LastRun("s0", Outcome.FAILED, "failed", 0.0, dirty=("known.txt",))
    track = site.house.tables.backlog.track("other")
    site.house.tables.backlog.put("other", replace(track, last=last))

    assert (await site.rescue("a")).result is None
    changed = os.lstat(site.root / "known.txt").st_ctime
    assert changed_since(site.root, "known.txt", changed)
    assert not changed_since(site.root, "known.txt", changed + 5)
    assert changed_since(site.root, "gone/deep.txt", os.lstat(site.root).st_ctime)


@pytest.mark.asyncio
async def test_a_git_that_hangs_is_ended_and_the_work_is_said_to_be_held(site, work):
    site.house.offer(work("a", "slow.bin"))
    site.house.fill()
    site.write("slow.bin", "x\n")
    site.git("config", "filter.slow.clean", f"echo $$ > {site.root}/.git/filter.pid; exec sleep 300")
    site.write(".git/info/attributes", "*.bin filter=slow\n")
    site.salvager.limit = 1.0

    rescued = await site.rescue("a")

    assert rescued.result == Unsalvaged(
        "git was still at it after 1 s and was ended", ("slow.bin",), held=("slow.bin",)
    )
    pid = int((site.root / ".git/filter.pid").read_text())
    assert gone(pid)
    assert site.git("for-each-ref", "refs/leasehold") == ""


@pytest.mark.asyncio
async def test_settling_again_after_a_crash_finds_what_was_kept_and_cleaned_before(site, work):
    site.policy(leftovers=Leftovers.CLEAN)
    site.house.offer(work("a", "a.txt", "new.txt"))
    site.house.fill()
    site.write("a.txt", "changed\n")
    site.write("new.txt", "new\n")
    first = await site.rescue("a")

    again = await site.rescue("a")

    assert again == first
    assert again.result.cleaned == ("a.txt", "new.txt")
    assert site.git("status", "--porcelain") == ""


@pytest.mark.asyncio
async def test_a_crash_between_keeping_and_cleaning_leaves_only_the_cleaning_to_be_done(site, work):
    site.house.offer(work("a", "a.txt", "b.txt"))
    site.house.fill()
    site.write("a.txt", "changed\n")
    site.write("b.txt", "changed\n")
    first = await site.rescue("a")
    site.git("checkout", "--", "a.txt")  # as far as the one that died had come
    site.policy(leftovers=Leftovers.CLEAN)

    again = await site.rescue("a")

    assert again.result.commit == first.result.commit
    assert sorted(again.result.cleaned) == ["a.txt", "b.txt"]
    assert site.git("status", "--porcelain") == ""


@pytest.mark.asyncio
async def test_a_session_that_never_started_does_not_take_earlier_work_for_its_own(site, work):
    site.house.offer(work("a", "a.txt"))
    site.house.fill()
    site.write("a.txt", "of an earlier session\n")
    session = site.house.session("a")
    later = replace(session.intent.created, wall=os.lstat(site.root / "a.txt").st_ctime + 60)
    session.intent = replace(session.intent, created=later)

    assert (await site.rescue("a", Outcome.UNSPAWNED)).result is None
    assert (await site.rescue("a", Outcome.FAILED)).result.paths == ("a.txt",)


@pytest.mark.asyncio
async def test_the_next_session_hears_of_earlier_salvages_until_they_landed_or_are_part_of_a_later_one(
    site, work
):
    site.policy(leftovers=Leftovers.CLEAN)
    site.house.offer(work("a", "a.txt", "b.txt"))
    site.house.fill()
    site.write("a.txt", "first\n")
    first = await site.rescue("a")
    track = site.house.tables.backlog.track("a")
    last = LastRun("s1", Outcome.FAILED, "failed", 0.0, salvages=first.open_)
    site.house.tables.backlog.put("a", replace(track, last=last))
    site.house.session("a").intent = replace(site.house.session("a").intent, session="s9")
    site.house.tables.broker.restore("s9", [])

    untouched = await site.rescue("a")
    site.write("a.txt", "first\n")
    site.git("commit", "-qam", "Land it")
    landed = await site.rescue("a")

    assert untouched.open_ == first.open_
    assert landed.open_ == ()


@pytest.mark.asyncio
async def test_orphans_are_moved_as_they_were_and_named_by_the_time(site):
    site.write("a.txt", "changed\n")
    site.write("new.txt", "new\n")

    moved = await move_orphans(await site.repo(), ("a.txt", "new.txt"), 1_700_000_000.0, None)

    assert moved is not None
    assert moved.id == "orphans-20231114T221320Z"
    assert set(moved.cleaned) == {"a.txt", "new.txt"}
    assert site.git("status", "--porcelain") == ""


@pytest.mark.asyncio
async def test_the_locks_are_those_that_keep_a_later_git_from_committing(site):
    repo = await site.repo()

    for lock in locks(repo):
        lock.touch()
        if lock.name != "packed-refs.lock":  # which stops a git that packs or deletes branches
            refused = subprocess.run(
                [*GIT, "commit", "-q", "--allow-empty", "-m", "x"],
                cwd=site.root,
                capture_output=True,
                text=True,
            )
            assert f"{lock.name}': File exists" in refused.stderr
        assert free_lock(repo, lock, 0.0) == Removed()
    site.git("commit", "-q", "--allow-empty", "-m", "x")


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["index.lock", "HEAD.lock", "refs/heads/main.lock", "packed-refs.lock"])
async def test_a_lock_of_git_is_removed_only_when_nobody_can_own_it(site, name):
    repo = await site.repo()
    lock = site.root / ".git" / name
    assert lock in locks(repo)
    assert free_lock(repo, lock, 0.0) is None
    lock.touch()
    made = os.lstat(lock).st_ctime

    assert free_lock(repo, lock, made + 5) == Present("it is older than the session")
    with subprocess.Popen(
        ["git", "hash-object", "--stdin-paths"],
        cwd=site.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        git.stdin.write(b".git/HEAD\n")
        git.stdin.flush()
        git.stdout.readline()  # it is git by now, and no longer on its way there
        assert free_lock(repo, lock, 0.0) == InUse(f"process {git.pid} is git, at work in this repository")
        assert not began_later(git.pid, 0.0)
        assert began_later(git.pid, 3600.0)  # so it does not own a file that was made an hour ago
        git.stdin.close()
    assert free_lock(repo, lock, 0.0) == Removed()
    assert not lock.exists()


@pytest.mark.asyncio
async def test_a_git_that_only_reads_keeps_no_lock_in_place(site):
    repo = await site.repo()
    (site.root / ".git/index.lock").touch()
    with subprocess.Popen(
        ["git", "-C", str(site.root), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as git:
        assert git.stdin is not None
        assert git.stdout is not None
        git.stdin.write(b"HEAD\n")
        git.stdin.flush()
        git.stdout.readline()

        assert free_lock(repo, site.root / ".git/index.lock", 0.0) == Removed()
        git.stdin.close()


@pytest.mark.asyncio
async def test_operations_under_way_are_those_begun_since(site):
    repo = await site.repo()
    (site.root / ".git/rebase-merge").mkdir()
    (site.root / ".git/CHERRY_PICK_HEAD").touch()
    (site.root / ".git/MERGE_HEAD").touch()
    begun = os.lstat(site.root / ".git/MERGE_HEAD").st_ctime

    assert operations(repo, 0.0) == ("merge", "rebase")
    assert operations(repo, begun + 5) == ()
