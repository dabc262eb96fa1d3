"""Every kind of uncommitted change that a session may leave."""

from __future__ import annotations

import os

from tests.process.salvage.checkout import Checkout


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
