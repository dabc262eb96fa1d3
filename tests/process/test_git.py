"""What git says of a repository: opening, dirty files, history, fingerprint; and how git is run."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from supervisor.world.git.facts import Dirt, DirtyFile, dirty, fingerprint, head
from supervisor.world.git.history import commits_since
from supervisor.world.git.repository import Repository, RepositoryError, open_repository
from supervisor.world.git.run import GitError, GitTimeoutError, git
from tests.process.children.checkout import IDENTITY, Checkout

pytestmark = pytest.mark.process

ODD = [b"caf\xc3\xa9", b"\xff\xfe", b"li\nne", b" lead", b'qu"ote', b"-dash", b"\nfirst"]


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout.init(tmp_path / "repo")


def opened(path: Path) -> Repository:
    return anyio.run(open_repository, path)


def ends(pid: int) -> bool:
    """Wait until the process has ended, ten seconds at most; a signal sent is not yet a process gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(60_000))
    finally:
        os.close(pidfd)


def marked(entry: str) -> list[int]:
    """Return the processes that have this entry in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(entry) in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


class TestRunning:
    def test_the_output_is_bytes_as_git_wrote_them(self, checkout: Checkout) -> None:
        assert anyio.run(git, checkout.root, "rev-parse", "HEAD") == checkout.tip().encode() + b"\n"

    def test_a_failure_is_one_line_with_the_place_and_the_cause(self, checkout: Checkout) -> None:
        with pytest.raises(GitError) as caught:
            anyio.run(git, checkout.root, "rev-parse", "--verify", "nowhere")

        assert str(caught.value) == f"git rev-parse in {checkout.root} failed: Needed a single revision"
        assert caught.value.status == 128

    def test_git_that_is_not_installed_is_said_so(
        self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(checkout.root))

        with pytest.raises(GitError, match=r"git is not installed or not in PATH; install git 2\.31"):
            anyio.run(git, checkout.root, "version")

    def test_a_long_input_and_a_long_output_pass_whole(self, checkout: Checkout) -> None:
        content = os.urandom(3_000_000)

        async def there_and_back() -> bytes:
            name = await git(checkout.root, "hash-object", "-w", "--stdin", stdin=content)
            return await git(checkout.root, "cat-file", "blob", name.decode().strip())

        assert anyio.run(there_and_back) == content

    def test_nothing_in_the_environment_points_git_elsewhere(
        self, checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Checkout.init(tmp_path / "other", commit=False)
        for name, value in {
            "GIT_DIR": str(other.root / ".git"),
            "GIT_INDEX_FILE": str(tmp_path / "index"),
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.bare",
            "GIT_CONFIG_VALUE_0": "true",
            "LEASEHOLD_SESSION": "s-1",
        }.items():
            monkeypatch.setenv(name, value)

        assert opened(checkout.root).root == checkout.root
        seen = anyio.run(git, checkout.root, "-c", "alias.env=!env", "env").decode().splitlines()
        assert "GIT_OPTIONAL_LOCKS=0" in seen
        assert not [line for line in seen if line.startswith(("LEASEHOLD_", "GIT_INDEX_FILE="))]

    def test_hooks_of_the_repository_do_not_run(self, checkout: Checkout, tmp_path: Path) -> None:
        hook = checkout.write(".git/hooks/reference-transaction", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)

        anyio.run(git, checkout.root, "tag", "mark")

        assert checkout.tip("mark")
        assert not (tmp_path / "ran").exists()

    def test_a_grandchild_that_keeps_the_output_open_delays_nothing(
        self, checkout: Checkout, tmp_path: Path
    ) -> None:
        alias = f"alias.linger=!sleep 60 & echo $! >{tmp_path}/pid; echo done"

        async def bounded() -> bytes:
            with anyio.fail_after(50):
                return await git(checkout.root, "-c", alias, "linger")

        output = anyio.run(bounded)

        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert output == b"done\n"

    def test_a_command_over_its_time_is_killed_with_its_children(
        self, checkout: Checkout, tmp_path: Path
    ) -> None:
        mark = {"TEST_MARK": str(tmp_path)}

        async def too_long() -> None:
            await git(checkout.root, "-c", "alias.hang=!sleep 60; true", "hang", timeout=0.3, extra_env=mark)

        with pytest.raises(GitTimeoutError, match=r"still running after 0\.3 s and was killed"):
            anyio.run(too_long)

        assert all(ends(pid) for pid in marked(f"TEST_MARK={tmp_path}"))

    def test_a_cancelled_caller_leaves_no_process_behind(self, checkout: Checkout, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        alias = f"alias.hang=!echo $$ >{tmp_path}/fifo; sleep 60; true"
        fifo = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)

        async def cancelled() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(git, checkout.root, "-c", alias, "hang")
                with anyio.fail_after(60):
                    await anyio.wait_readable(fifo)
                group.cancel_scope.cancel()

        anyio.run(cancelled)
        shell = int(os.read(fifo, 100))
        os.close(fifo)

        assert ends(shell)


class TestOpening:
    def test_a_checkout_tells_where_it_is_and_what_is_checked_out(self, checkout: Checkout) -> None:
        root = checkout.root

        assert opened(root) == Repository(
            root=root,
            git_dir=root / ".git",
            common_dir=root / ".git",
            branch="main",
            fold_case=False,
            hooks=root / ".git/hooks",
            asked=root,
        )
        assert opened(root).notice == ""

    def test_a_folder_inside_opens_the_whole_and_says_so(self, checkout: Checkout) -> None:
        checkout.write("src/deep/file")

        repo = opened(checkout.root / "src/deep")

        assert repo.root == checkout.root
        assert repo.notice.startswith(f"{checkout.root}/src/deep is inside the repository {checkout.root};")

    def test_a_symbolic_link_opens_the_real_place(self, checkout: Checkout, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(checkout.root)

        assert opened(tmp_path / "link").root == checkout.root

    def test_a_linked_worktree_shares_its_common_folder(self, checkout: Checkout, tmp_path: Path) -> None:
        checkout.git("worktree", "add", "-q", "-b", "topic/x", str(tmp_path / "away"))

        repo = opened(tmp_path / "away")

        assert repo.branch == "topic/x"
        assert repo.git_dir == checkout.root / ".git/worktrees/away"
        assert repo.common_dir == checkout.root / ".git"

    def test_a_detached_head_has_no_branch(self, checkout: Checkout) -> None:
        checkout.git("checkout", "-q", "--detach")

        assert opened(checkout.root).branch is None

    def test_configuration_that_matters_is_read(self, checkout: Checkout) -> None:
        checkout.git("config", "core.hooksPath", ".husky/_")
        checkout.git("config", "core.ignoreCase", "true")

        repo = opened(checkout.root)

        assert repo.hooks == Path(".husky/_")
        assert repo.fold_case

    def test_what_cannot_serve_is_refused_by_name_with_the_way_out(self, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        (tmp_path / "file").touch()
        Checkout.init(tmp_path / "bare", "--bare", commit=False)
        Checkout.init(tmp_path / "empty", commit=False)
        inside = Checkout.init(tmp_path / "full").root / ".git"
        broken = Checkout.init(tmp_path / "li\nne").root
        reasons = {
            tmp_path / "none": "does not exist; correct the path",
            tmp_path / "plain": "is not a git repository; run",
            tmp_path / "file": "is not a folder; name the folder",
            tmp_path / "bare": "is a bare repository; sessions need a checkout",
            tmp_path / "empty": "has no commit yet on its checked-out branch; make the first commit",
            inside: "is inside a .git folder; name the top",
            broken: "has a line break in its path",
        }
        for path, reason in reasons.items():
            with pytest.raises(RepositoryError) as caught:
                opened(path)
            assert reason in str(caught.value)
            assert "\n" not in str(caught.value)

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository to another user")
    def test_a_repository_of_another_user_is_refused_with_the_remedy(self, checkout: Checkout) -> None:
        for path in [checkout.root, *checkout.root.rglob("*")]:
            os.chown(path, 65534, 65534)

        with pytest.raises(RepositoryError, match=r"belongs to another user.*safe\.directory"):
            opened(checkout.root)


class TestDirt:
    def test_each_kind_of_dirt_is_named(self, checkout: Checkout) -> None:
        checkout.commit("modified", "deleted", "removed", "both", content="".join(f"{n}\n" for n in range(9)))
        checkout.commit("old name", content="".join(f"line {n}\n" for n in range(20)))
        checkout.write(".gitignore", "ignored\n")
        checkout.commit(".gitignore", content="ignored\n")
        checkout.write("modified", "x")
        checkout.write("both", "x")
        checkout.git("add", "both")
        checkout.write("both", "y")
        (checkout.root / "deleted").unlink()
        checkout.git("rm", "-q", "removed")
        checkout.git("mv", "old name", "new name")
        checkout.write("added")
        checkout.git("add", "added")
        checkout.write("un/tracked")
        checkout.write("ignored")

        assert set(anyio.run(dirty, opened(checkout.root))) == {
            DirtyFile("modified", Dirt.MODIFIED),
            DirtyFile("both", Dirt.MODIFIED),
            DirtyFile("deleted", Dirt.DELETED),
            DirtyFile("removed", Dirt.DELETED),
            DirtyFile("new name", Dirt.RENAMED),
            DirtyFile("old name", Dirt.DELETED),
            DirtyFile("added", Dirt.STAGED),
            DirtyFile("un/tracked", Dirt.UNTRACKED),
        }

    def test_a_conflict_is_named(self, checkout: Checkout) -> None:
        checkout.commit("file", content="base\n")
        checkout.git("checkout", "-q", "-b", "other")
        checkout.commit("file", content="other\n")
        checkout.git("checkout", "-q", "main")
        checkout.commit("file", content="main\n")
        checkout.run("git", "merge", "other")

        assert anyio.run(dirty, opened(checkout.root)) == (DirtyFile("file", Dirt.CONFLICTED),)

    def test_names_of_any_bytes_survive(self, checkout: Checkout) -> None:
        for name in ODD:
            Path(os.fsdecode(os.fsencode(checkout.root) + b"/" + name)).touch()

        found = anyio.run(dirty, opened(checkout.root))

        assert sorted(os.fsencode(file.path) for file in found) == sorted(ODD)

    def test_looking_takes_no_index_lock(self, checkout: Checkout) -> None:
        checkout.commit("file")
        os.utime(checkout.root / "file", (1, 1))  # a write of the index would be worth git's while
        checkout.write(".git/index.lock")

        assert anyio.run(dirty, opened(checkout.root)) == ()
        assert (checkout.root / ".git/index.lock").exists()


class TestFingerprint:
    def test_it_changes_with_every_kind_of_progress_and_stays_otherwise(self, checkout: Checkout) -> None:
        repo = opened(checkout.root)
        checkout.commit("file")
        steps: list[Callable[[], object]] = [
            lambda: checkout.write("file", "changed"),
            lambda: checkout.write("file", "changed again"),  # the status itself says the same
            lambda: checkout.git("add", "file"),
            lambda: checkout.git("commit", "-q", "-m", "x"),
            lambda: checkout.git("commit", "-q", "--allow-empty", "-m", "y"),
            lambda: checkout.write("new/file"),
            lambda: checkout.git("checkout", "-q", "-b", "elsewhere"),
            (checkout.root / "file").unlink,
        ]
        seen = [anyio.run(fingerprint, repo)]
        for step in steps:
            step()
            seen.append(anyio.run(fingerprint, repo))

        assert len(set(seen)) == len(steps) + 1
        assert anyio.run(fingerprint, repo) == seen[-1]

    def test_twenty_thousand_files_are_looked_at_in_a_second(self, checkout: Checkout) -> None:
        blob = checkout.git("hash-object", "-w", "-t", "blob", "/dev/null")
        index = "".join(f"100644 {blob}\td{n % 200}/f{n}\n" for n in range(20_000))
        checkout.write("../index", index)
        checkout.run("sh", "-c", "git update-index --index-info <../index")
        checkout.git("checkout-index", "-q", "-a")
        checkout.git("update-index", "-q", "--refresh")
        checkout.git("commit", "-q", "-m", "many")
        repo = opened(checkout.root)
        before = os.times()

        anyio.run(fingerprint, repo)

        after = os.times()
        assert after.user + after.children_user - before.user - before.children_user < 1
        assert len(anyio.run(commits_since, repo, 0.0)[0].paths) == 20_000


class TestHistory:
    def test_a_commit_is_told_with_its_session_task_and_paths(self, checkout: Checkout) -> None:
        start = checkout.tip()
        sha = checkout.commit(
            "a", "b/c", message="/subject: first\n\nbody\n\nLeasehold-Session: s-1\nLeasehold-Task: fix"
        )
        repo = opened(checkout.root)

        (commit,) = anyio.run(commits_since, repo, start)

        assert commit.sha == sha
        assert commit.author == "Ada <ada@example.org>"
        assert commit.subject == "/subject: first"
        assert (commit.session, commit.task) == ("s-1", "fix")
        assert commit.paths == ("a", "b/c")
        assert commit.at_wall == float(checkout.git("log", "-1", "--format=%ct"))

    def test_a_commit_by_hand_has_no_session(self, checkout: Checkout) -> None:
        checkout.commit("a", message="Leasehold-Session: in the subject is no trailer")

        commits = anyio.run(commits_since, opened(checkout.root), 0.0)

        assert [commit.session for commit in commits] == [None, None]
        assert commits[1].paths == ()

    def test_the_last_of_several_sessions_counts(self, checkout: Checkout) -> None:
        checkout.commit("a", message="x\n\nLeasehold-Session: first\nLeasehold-Session: second")

        assert anyio.run(commits_since, opened(checkout.root), 0.0)[0].session == "second"

    def test_only_commits_after_the_time_are_told(self, checkout: Checkout) -> None:
        for at, name in ((2_000_000_000, "old"), (2_000_001_000, "new")):
            checkout.commit(name, GIT_COMMITTER_DATE=f"@{at} +0000")

        commits = anyio.run(commits_since, opened(checkout.root), 2_000_000_500.0)

        assert [commit.paths for commit in commits] == [("new",)]

    def test_a_rename_gives_both_names_and_odd_names_survive(self, checkout: Checkout) -> None:
        start = checkout.commit("from")
        checkout.git("mv", "from", "to")
        for name in ODD:
            Path(os.fsdecode(os.fsencode(checkout.root) + b"/" + name)).touch()
        checkout.git("add", "-A")
        checkout.git("commit", "-q", "-m", "odd")

        (commit,) = anyio.run(commits_since, opened(checkout.root), start)

        assert sorted(map(os.fsencode, commit.paths)) == sorted([*ODD, b"from", b"to"])

    def test_a_merge_tells_what_it_brought(self, checkout: Checkout) -> None:
        checkout.git("checkout", "-q", "-b", "side")
        checkout.commit("side")
        checkout.git("checkout", "-q", "main")
        start = checkout.commit("main")
        checkout.git("merge", "-q", "--no-edit", "side")

        commits = anyio.run(commits_since, opened(checkout.root), start)

        assert [commit.paths for commit in commits] == [("side",), ("side",)]
        assert commits[0].subject == "Merge branch 'side'"

    def test_a_start_that_does_not_exist_is_an_error(self, checkout: Checkout) -> None:
        with pytest.raises(GitError, match="git log in"):
            anyio.run(commits_since, opened(checkout.root), "0123456789")

    def test_the_head_is_a_full_name(self, checkout: Checkout) -> None:
        assert anyio.run(head, opened(checkout.root)) == checkout.tip()
