"""Promise 10 in the repository: every kind of uncommitted change is kept, and nothing else is touched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.world.git.facts import dirty
from supervisor.world.git.repository import open_repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.clean import clean
from supervisor.world.git.salvage.keep import REFS, contains, find, is_landed, keep, store
from supervisor.world.git.salvage.message import Label
from supervisor.world.git.salvage.snapshot import Snapshot, tree_of

pytestmark = pytest.mark.process


SETTINGS = [
    word
    for setting in (
        "user.name=T",
        "user.email=t@e",
        "protocol.file.allow=always",
        "core.hooksPath=/dev/null",
        "commit.gpgSign=false",
    )
    for word in ("-c", setting)
]


class Checkout:
    """A repository with a few files, and what is asked of git about it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        for name in ("a.txt", "b.txt", "c.txt", "dir/x.txt", "dir/y.txt"):
            self.write(name, f"{name}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "Begin")

    def git(self, *args: str, ok: bool = True) -> bytes:
        done = subprocess.run(
            ["git", *SETTINGS, *args],
            cwd=self.root,
            capture_output=True,
            timeout=30,
        )
        assert not ok or done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str, content: str | bytes) -> None:
        path = os.path.join(os.fsencode(self.root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def seen(self) -> dict[str, object]:
        """Return everything that salvaging must leave as it is."""
        git_dir = self.root / ".git"
        logs = {str(p): p.read_bytes() for p in (git_dir / "logs").rglob("*") if p.is_file()}
        refs = [line for line in self.git("for-each-ref").splitlines() if b"refs/leasehold/" not in line]
        return {
            "status": self.git("--no-optional-locks", "status", "--porcelain=v2", "-z", "-uall"),
            "index": (git_dir / "index").read_bytes() if (git_dir / "index").exists() else b"",
            "HEAD": (git_dir / "HEAD").read_bytes(),
            "refs": refs,
            "logs": logs,
            "stash": self.git("stash", "list"),
            "files": files_of(self.root),
        }

    def version(self, commit: str, path: str) -> bytes:
        return self.git("cat-file", "blob", f"{commit}:{path}")


def files_of(root: Path) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        if b".git" in folders and folder == os.fsencode(root):
            folders.remove(b".git")
        for name in names:
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            found[path] = (
                seen.st_mode,
                os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes(),
            )
    return found


def label(*paths: str, session: str = "s1") -> Label:
    return Label(session=session, task="t", outcome="failed", paths=tuple(paths))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")


def modified(at: Checkout) -> None:
    at.write("a.txt", "changed\n")


def deleted(at: Checkout) -> None:
    (at.root / "b.txt").unlink()


def untracked(at: Checkout) -> None:
    at.write("new/deep/file.txt", "new\n")
    at.write("empty", "")


def staged(at: Checkout) -> None:
    at.write("a.txt", "staged\n")
    at.git("add", "a.txt")


def staged_and_changed_again(at: Checkout) -> None:
    staged(at)
    at.write("a.txt", "and again\n")


def staged_and_deleted(at: Checkout) -> None:
    at.write("new.txt", "staged\n")
    at.git("add", "new.txt")
    (at.root / "new.txt").unlink()


def staged_and_taken_back(at: Checkout) -> None:
    staged(at)
    at.write("a.txt", "a.txt\n")


def removed_from_the_index_only(at: Checkout) -> None:
    at.git("rm", "-q", "--cached", "c.txt")


def intended_to_add(at: Checkout) -> None:
    at.write("new.txt", "new\n")
    at.git("add", "-N", "new.txt")


def renamed(at: Checkout) -> None:
    at.git("mv", "a.txt", "renamed.txt")


def executable(at: Checkout) -> None:
    (at.root / "a.txt").chmod(0o755)


def links(at: Checkout) -> None:
    (at.root / "link").symlink_to("a.txt")
    (at.root / "dangling").symlink_to("/nowhere/at all")
    (at.root / "b.txt").unlink()
    (at.root / "b.txt").symlink_to("dir")


def a_folder_became_a_file(at: Checkout) -> None:
    (at.root / "dir/x.txt").unlink()
    (at.root / "dir/y.txt").unlink()
    (at.root / "dir").rmdir()
    at.write("dir", "a file now\n")


def a_file_became_a_folder(at: Checkout) -> None:
    (at.root / "a.txt").unlink()
    at.write("a.txt/inside", "a folder now\n")


def a_folder_became_a_link(at: Checkout) -> None:
    (at.root / "dir").rename(at.root / "moved")
    (at.root / "dir").symlink_to("moved")


def a_folder_became_a_link_to_itself(at: Checkout) -> None:
    (at.root / "dir/x.txt").unlink()
    (at.root / "dir/y.txt").unlink()
    (at.root / "dir").rmdir()
    (at.root / "dir").symlink_to("dir")


def odd_names(at: Checkout) -> None:
    for name in (
        "new\nline",
        'quo"te',
        "back\\slash",
        " space ",
        "-dash",
        ":(glob)*",
        "colon: x",
        "tab\t",
        "ü",
    ):
        at.write(name, f"{name!r}\n")
    at.write(os.fsdecode(b"latin-\xe9\xff"), "not UTF-8\n")


def a_very_long_name(at: Checkout) -> None:
    folder = "/".join(["f" * 200] * 19)
    room = 4095 - len(str(at.root)) - len(folder) - 2
    fd = os.open(at.root, os.O_RDONLY)
    for part in folder.split("/"):
        os.mkdir(part, dir_fd=fd)
        fd = os.open(part, os.O_RDONLY, dir_fd=fd)
    os.close(os.open("n" * min(room, 250), os.O_CREAT | os.O_WRONLY, dir_fd=fd))


def line_endings_by_attribute(at: Checkout) -> None:
    at.write(".gitattributes", "*.crlf text eol=crlf\n")
    at.write("win.crlf", b"one\r\ntwo\r\n")
    at.git("config", "core.safecrlf", "true")


def a_filter_that_fails(at: Checkout) -> None:
    at.write(".gitattributes", "*.big filter=lost\n")
    at.git("config", "filter.lost.clean", "false")
    at.git("config", "filter.lost.smudge", "cat")
    at.git("config", "filter.lost.required", "true")
    at.write("model.big", b"\0\1\2")


def a_filter_that_works(at: Checkout) -> None:
    at.write(".gitattributes", "*.big filter=rot\n")
    at.git("config", "filter.rot.clean", "tr a-m n-z")
    at.git("config", "filter.rot.smudge", "tr n-z a-m")
    at.write("model.big", "abc\n")


def a_merge_with_conflicts(at: Checkout) -> None:
    at.git("checkout", "-q", "-b", "other")
    at.write("a.txt", "theirs\n")
    at.git("commit", "-qam", "Theirs")
    at.git("checkout", "-q", "main")
    at.write("a.txt", "ours\n")
    at.git("commit", "-qam", "Ours")
    at.git("merge", "-q", "other", ok=False)


def a_detached_head(at: Checkout) -> None:
    at.git("checkout", "-q", "--detach")
    modified(at)


def no_commit_on_this_branch(at: Checkout) -> None:
    at.git("checkout", "-q", "--orphan", "fresh")


def no_commit_and_nothing_staged(at: Checkout) -> None:
    at.git("checkout", "-q", "--orphan", "fresh")
    at.git("rm", "-rq", "--cached", ".")


def a_sparse_checkout(at: Checkout) -> None:
    at.git("sparse-checkout", "set", "--cone", "--sparse-index", "elsewhere")
    modified(at)


def a_split_index(at: Checkout) -> None:
    at.git("update-index", "--split-index")
    at.git("config", "core.splitIndex", "true")
    staged_and_changed_again(at)


def hooks_that_refuse(at: Checkout) -> None:
    for name in ("pre-commit", "commit-msg", "reference-transaction", "post-index-change", "post-commit"):
        at.write(f".git/hooks/{name}", "#!/bin/sh\ntouch hook-ran; exit 1\n")
        (at.root / ".git/hooks" / name).chmod(0o755)
    modified(at)


def everything_logged(at: Checkout) -> None:
    at.git("config", "core.logAllRefUpdates", "always")
    at.git("config", "commit.gpgSign", "true")
    modified(at)


def a_stash_of_the_user(at: Checkout) -> None:
    modified(at)
    at.git("stash")
    at.write("a.txt", "later\n")


KINDS = [
    modified,
    deleted,
    untracked,
    staged,
    staged_and_changed_again,
    staged_and_deleted,
    staged_and_taken_back,
    removed_from_the_index_only,
    intended_to_add,
    renamed,
    executable,
    links,
    a_folder_became_a_file,
    a_file_became_a_folder,
    a_folder_became_a_link,
    a_folder_became_a_link_to_itself,
    odd_names,
    a_very_long_name,
    line_endings_by_attribute,
    a_filter_that_fails,
    a_filter_that_works,
    a_merge_with_conflicts,
    a_detached_head,
    no_commit_on_this_branch,
    no_commit_and_nothing_staged,
    a_sparse_checkout,
    a_split_index,
    hooks_that_refuse,
    everything_logged,
    a_stash_of_the_user,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.asyncio
async def test_no_work_is_lost_whatever_its_kind_and_the_checkout_stays_as_it_was(
    checkout: Checkout, kind: Callable[[Checkout], None], tmp_path: Path
) -> None:
    kind(checkout)
    repo = await open_repository_of(checkout)
    paths = [file.path for file in await dirty(repo)]
    before = checkout.seen()

    kept, snapshot = await keep(repo, "s1", label(*paths))

    assert checkout.seen() == before
    assert kept is not None
    assert snapshot.unkept == {}
    assert await find(repo, "s1") == kept
    assert checkout.git("fsck", "--strict", "--no-dangling") == b""
    restored = tmp_path / "copy"  # as long a path as the checkout has
    checkout.git("worktree", "add", "-q", "--no-checkout", "--detach", str(restored), kept.commit)
    subprocess.run(
        ["git", "-c", "core.hooksPath=/dev/null", "checkout", "-q", "-f", "--detach", kept.commit],
        cwd=restored,
        check=True,
    )
    for path in paths:
        here, there = os.path.join(checkout.root, path), os.path.join(restored, path)
        assert os.path.lexists(here) == os.path.lexists(there) or behind_link(checkout.root, path), path
        if os.path.islink(here):
            assert os.readlink(there) == os.readlink(here)
        elif os.path.isfile(here) and not behind_link(checkout.root, path):
            assert Path(there).read_bytes() == Path(here).read_bytes(), path
            assert os.access(there, os.X_OK) == os.access(here, os.X_OK)


async def open_repository_of(checkout: Checkout):
    """Return the repository; a branch without a commit is opened from one that has some."""
    head = (checkout.root / ".git/HEAD").read_bytes()
    try:
        (checkout.root / ".git/HEAD").write_text("ref: refs/heads/main\n")
        return await open_repository(checkout.root)
    finally:
        (checkout.root / ".git/HEAD").write_bytes(head)  # and never the index: git goes by its time


def behind_link(root: Path, path: str) -> bool:
    return any((root / parent).is_symlink() for parent in Path(path).parents)


@pytest.mark.asyncio
async def test_staged_versions_that_differ_from_the_work_tree_are_the_second_parent(checkout):
    staged_and_changed_again(checkout)
    repo = await open_repository(checkout.root)

    kept, _ = await keep(repo, "s1", label("a.txt"))

    assert kept is not None
    assert checkout.version(kept.commit, "a.txt") == b"and again\n"
    assert checkout.version(f"{kept.commit}^2", "a.txt") == b"staged\n"
    assert checkout.git("rev-parse", f"{kept.commit}^1", f"{kept.commit}^2^") == checkout.git(
        "rev-parse", "HEAD", "HEAD"
    )


@pytest.mark.asyncio
async def test_salvaging_the_same_again_leaves_the_reference_where_it_is(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    checkout.git("commit", "-q", "--allow-empty", "-m", "Another session went on")

    again, _ = await keep(repo, "s1", label("a.txt"))

    assert again == first


@pytest.mark.asyncio
async def test_other_versions_under_the_same_name_do_not_replace_what_was_kept(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    checkout.write("a.txt", "changed once more\n")

    second, _ = await keep(repo, "s1", label("a.txt"))

    assert first is not None
    assert second is not None
    assert (first.id, second.id) == ("s1", "s1-2")
    assert checkout.version(f"{REFS}s1", "a.txt") == b"changed\n"
    assert checkout.version(f"{REFS}s1-2", "a.txt") == b"changed once more\n"


@pytest.mark.asyncio
async def test_a_locked_reference_is_a_refusal_and_changes_nothing(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    checkout.write(f".git/{REFS}s1.lock", "")
    before = checkout.seen()

    with pytest.raises(GitError, match=r"s1\.lock"):
        await keep(repo, "s1", label("a.txt"))

    assert checkout.seen() == before


@pytest.mark.asyncio
async def test_what_no_commit_can_hold_is_named_and_the_rest_is_kept(checkout, tmp_path):
    modified(checkout)
    checkout.write("big.bin", b"x" * 5000)
    (checkout.root / "nested").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=checkout.root / "nested", check=True)
    (checkout.root / "nested/file").write_text("x")
    (checkout.root / "b.txt").unlink()
    os.mkfifo(checkout.root / "b.txt")
    repo = await open_repository(checkout.root)

    kept, snapshot = await keep(repo, "s1", label("a.txt", "b.txt", "big.bin", "nested/"), limit=4096)

    assert kept is not None
    assert kept.label.paths == ("a.txt",)
    assert dict(kept.label.unkept) == {
        "b.txt": "neither a file nor a symbolic link",
        "big.bin": "5000 bytes, over the salvage_limit of 4096",
        "nested/": "a git repository of its own; its files stay where they are",
    }
    found = await find(repo, "s1")
    assert found is not None
    assert found.label == kept.label
    assert snapshot.unkept == kept.label.unkept


@pytest.mark.asyncio
async def test_of_a_submodule_the_commit_is_kept_and_its_own_changes_are_named(checkout, tmp_path):
    inner = Checkout(tmp_path / "inner")
    checkout.git("submodule", "--quiet", "add", str(inner.root), "sub")
    checkout.git("commit", "-qm", "Add a submodule")
    sub = checkout.root / "sub"
    (sub / "a.txt").write_text("moved on\n")
    subprocess.run(
        ["git", "-c", "user.name=T", "-c", "user.email=t@e", "commit", "-qam", "x"], cwd=sub, check=True
    )
    tip = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=sub, capture_output=True, check=True
    ).stdout.strip()
    (sub / "b.txt").write_text("uncommitted\n")
    repo = await open_repository(checkout.root)

    kept, _ = await keep(repo, "s1", label("sub"))

    assert kept is not None
    assert checkout.git("ls-tree", kept.commit, "sub").split()[2] == tip
    assert "inside this submodule" in kept.label.unkept["sub"]
    cleaned, left = await clean(repo, kept, ["sub"])
    assert cleaned == ()
    assert list(left) == ["sub"]
    assert (sub / "b.txt").read_text() == "uncommitted\n"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.asyncio
async def test_cleaning_restores_exactly_the_salvaged_paths_to_the_commit(checkout, kind):
    kind(checkout)
    checkout.write("somebody-elses.txt", "not salvaged\n")
    repo = await open_repository_of(checkout)
    paths = [file.path for file in await dirty(repo) if file.path != "somebody-elses.txt"]
    kept, _ = await keep(repo, "s1", label(*paths))
    assert kept is not None

    cleaned, left = await clean(repo, kept, paths)

    assert (set(cleaned), left) == (set(paths), {})
    assert [file.path for file in await dirty(repo)] == ["somebody-elses.txt"]
    assert checkout.git("fsck", "--strict", "--no-dangling") == b""


@pytest.mark.asyncio
async def test_a_file_that_changed_after_it_was_salvaged_is_not_cleaned(checkout):
    modified(checkout)
    deleted(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt", "b.txt"))
    assert kept is not None
    checkout.write("a.txt", "changed meanwhile\n")

    cleaned, left = await clean(repo, kept, ["a.txt", "b.txt"])

    assert cleaned == ("b.txt",)
    assert left == {"a.txt": "it changed after it was salvaged"}
    assert (checkout.root / "a.txt").read_text() == "changed meanwhile\n"


@pytest.mark.asyncio
async def test_what_is_staged_is_not_cleaned_while_somebody_has_the_index_locked(checkout, monkeypatch):
    monkeypatch.setattr("supervisor.world.git.index_lock._WAITS", (0.01,))
    staged(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt"))
    assert kept is not None
    checkout.write(".git/index.lock", "")

    cleaned, left = await clean(repo, kept, ["a.txt"])

    assert cleaned == ()
    assert "index.lock" in left["a.txt"]
    assert (checkout.root / "a.txt").read_text() == "staged\n"


@pytest.mark.asyncio
async def test_a_salvage_has_landed_when_the_commit_has_all_of_it(checkout):
    modified(checkout)
    untracked(checkout)
    repo = await open_repository(checkout.root)
    kept, _ = await keep(repo, "s1", label("a.txt", "empty", "new/deep/file.txt"))
    assert kept is not None
    assert not await is_landed(repo, kept)

    checkout.git("add", "-A")
    checkout.git("commit", "-qm", "Land it")

    assert await is_landed(repo, kept)


@pytest.mark.asyncio
async def test_a_later_salvage_that_has_all_of_an_earlier_one_contains_it(checkout):
    modified(checkout)
    repo = await open_repository(checkout.root)
    first, _ = await keep(repo, "s1", label("a.txt"))
    deleted(checkout)
    second, _ = await keep(repo, "s2", label("a.txt", "b.txt", session="s2"))
    assert first is not None
    assert second is not None

    assert await contains(repo, second, first)
    assert not await contains(repo, first, second)


@pytest.mark.asyncio
async def test_more_paths_than_a_message_lists_are_read_from_the_commit(checkout):
    names = [f"many/{number:04}" for number in range(1200)]
    for name in names:
        checkout.write(name, name)
    repo = await open_repository(checkout.root)
    await keep(repo, "s1", label(*names))

    found = await find(repo, "s1")

    assert found is not None
    assert list(found.label.paths) == names


@pytest.mark.asyncio
async def test_a_salvage_of_which_git_pruned_something_meanwhile_is_none(checkout: Checkout) -> None:
    repo = await open_repository(checkout.root)
    base = checkout.git("rev-parse", "HEAD").decode().strip()
    gone = f"100644 blob {'1' * 40}\tgone.txt\n".encode()
    tree = subprocess.run(
        ["git", "mktree", "--missing"], cwd=checkout.root, input=gone, capture_output=True, check=True
    )
    label = Label(session="s1", task="a", outcome="failed")
    snapshot = Snapshot(base, await tree_of(repo, base), tree.stdout.decode().strip(), None, (), {})

    with pytest.raises(GitError, match="not all there"):
        await store(repo, "s1", label, snapshot)

    assert await find(repo, "s1") is None


@pytest.mark.asyncio
async def test_a_partial_clone_whose_remote_is_away_keeps_work_all_the_same(tmp_path: Path) -> None:
    origin, clone = Checkout(tmp_path / "origin"), tmp_path / "clone"
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{origin.root}", str(clone))
    for command in (["sparse-checkout", "set", "none"], ["checkout", "-q", "main"]):
        subprocess.run(["git", *command], cwd=clone, check=True, timeout=30)
    origin.root.rename(tmp_path / "away")
    (clone / "dir").mkdir()
    (clone / "dir/new.txt").write_text("new\n")
    repo = await open_repository(clone)
    label = Label(session="s1", task="a", outcome="failed", paths=("dir/new.txt",))

    kept, _ = await keep(repo, "s1", label)

    assert kept is not None
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", kept.commit, "dir"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["dir/new.txt", "dir/x.txt", "dir/y.txt"]
