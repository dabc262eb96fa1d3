"""What a git command line is about to do to a shared checkout."""

from __future__ import annotations

import shlex

import pytest

from workers.guard.gitline import CHANGES, READS, SWEEPS, CommandLine


def deed(line: str, **aliases: str) -> str:
    words = [word.encode() for word in shlex.split(line)]
    return CommandLine(words, {name.encode(): command.encode() for name, command in aliases.items()}).deed()


@pytest.mark.parametrize(
    "line",
    [
        "git",
        "git --version",
        "git status",
        "git -C sub -c a.b=c log --oneline",
        "git --git-dir=x --work-tree y diff",
        "git show HEAD:file",
        "git stash list",
        "git stash show -p",
        "git clean -n",
        "git clean -dn",
        "git clean --dry-run -d",
        "git bisect log",
        "git push -f origin main",
        "git branch",
        "git branch -vv --sort=-committerdate",
        "git branch --show-current",
        "git branch --contains abc",
        "git branch -a --merged main",
        "git branch --list 'a*'",
        "git tag",
        "git tag -n3",
        "git tag -l 'v*'",
        "git tag --points-at HEAD",
        "git config user.name",
        "git config --global --get user.name",
        "git config --get-regexp ^alias",
        "git config -l",
        "git config get user.name",
        "git remote -v",
        "git remote get-url origin",
        "git worktree list --porcelain",
        "git symbolic-ref --short HEAD",
        "git reflog",
        "git reflog show -3 main",
        "git notes show",
        "git apply --check a.patch",
        "git add -A --dry-run",
        "git commit --dry-run --short",
        "git commit -m m --dry-run",
        "git commit -mC --dry-run",
        "git tag --sort creatordate",
        "git branch --format '%(refname)'",
        "git symbolic-ref -q HEAD",
        "git unknown-command",
    ],
)
def test_reading_passes(line: str) -> None:
    assert deed(line) == READS


@pytest.mark.parametrize(
    "line",
    [
        "git add -A",
        "git -c user.name=x commit -m m",
        "git commit -am m",
        "git --no-pager branch new",
        "git branch -d old",
        "git branch -m other",
        "git branch -u origin/main",
        "git branch --set-upstream-to=origin/main",
        "git branch --unset-upstream",
        "git tag v1",
        "git tag -a -m one v1",
        "git tag -d v1",
        "git config user.name X",
        "git config --unset user.name",
        "git config set user.name X",
        "git config --edit",
        "git remote add origin x",
        "git worktree add x",
        "git symbolic-ref HEAD refs/heads/x",
        "git symbolic-ref -d x",
        "git reflog expire --all",
        "git notes add -m x",
        "git apply a.patch",
        "git apply --stat --apply a.patch",
        "git commit -n -m m",
        "git commit -m --dry-run",
        "git commit -am --dry-run",
        "git commit --message --dry-run",
        "git commit --mess --dry-run",
        "git commit -m m -- --dry-run",
        "git tag -m -l v1",
        "git tag -F --list v1",
        "git add -- --dry-run",
        "git rm -- --dry-run",
        "git notes --ref list add -m x",
        "git branch -- --list",
        "git branch -uorigin/main",
        "git branch -quorigin/main",
        "git branch --unset",
        "git branch --set-up=origin/main",
        "git branch --edit-desc",
        "git replace --convert-graft-file",
        "git replace --conv",
        "git reflog write refs/heads/x a b m",
        "git reflog drop --all",
        "git rm file",
        "git fetch origin",
        "git stash drop",
        "git checkout -- file",
        "git checkout HEAD~1 -- a b",
        "git reset -q -- file",
        "git restore file",
        "git restore -s HEAD~1 --staged file",
        "git stash push -m m -- file",
    ],
)
def test_what_changes_files_one_by_one_or_git_itself_takes_a_turn(line: str) -> None:
    assert deed(line) == CHANGES


@pytest.mark.parametrize(
    "line",
    [
        "git checkout other",
        "git checkout -b new",
        "git checkout -- .",
        "git checkout HEAD -- src/",
        "git checkout -- '*.py'",
        "git switch main",
        "git reset",
        "git reset --hard HEAD~1",
        "git stash",
        "git stash push",
        "git stash pop",
        "git merge topic",
        "git rebase --abort",
        "git -C . pull",
        "git clean -fd",
        "git restore .",
        "git restore :/",
        "git restore --staged -- ':(top)*'",
        "git cherry-pick abc",
        "git revert HEAD",
        "git am patch",
        "git read-tree -u HEAD",
        "git bisect start",
        "git sparse-checkout set src",
    ],
)
def test_what_writes_over_the_work_tree_sweeps(line: str) -> None:
    assert deed(line) == SWEEPS


def test_an_alias_does_what_it_stands_for() -> None:
    assert deed("git co main", co="checkout") == SWEEPS
    assert deed("git ci -m m", ci="commit") == CHANGES
    assert deed("git st", st="status") == READS


def test_the_folders_of_each_option_are_kept_in_order() -> None:
    line = CommandLine([b"git", b"-C", b"a", b"-C", b"b", b"commit"], {})

    assert line.folders == [b"a", b"b"]
    assert line.command == b"commit"


@pytest.mark.parametrize("words", ["--git-dir=x --work-tree=y", "--git-dir x -c a=b --work-tree y"])
def test_the_repository_and_the_work_tree_that_options_name_are_kept(words: str) -> None:
    line = CommandLine([b"git", *words.encode().split(), b"reset"], {})

    assert (line.git_dir, line.work_tree, line.command) == (b"x", b"y", b"reset")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("git reset --hard", "tracked"),
        ("git reset -q --hard HEAD~1", "tracked"),
        ("git checkout -f", "tracked"),
        ("git checkout .", "tracked"),
        ("git checkout HEAD -- '*.py'", "tracked"),
        ("git switch --discard-changes main", "tracked"),
        ("git restore .", "tracked"),
        ("git restore -SW .", "tracked"),
        ("git read-tree --reset -u HEAD", "tracked"),
        ("git stash", "tracked"),
        ("git stash push -q", "tracked"),
        ("git stash -k -u", "both"),
        ("git stash push --all", "both"),
        ("git clean -fd", "untracked"),
        ("git checkout -qf main", "tracked"),
        ("git checkout -fq", "tracked"),
        ("git checkout -fB x", "tracked"),
        ("git checkout -b x -f", "tracked"),
        ("git checkout --for", "tracked"),
        ("git switch -qf main", "tracked"),
        ("git switch --disc main", "tracked"),
        ("git checkout-index -afq", "tracked"),
        ("git reset --har", "tracked"),
        ("git read-tree --res -u HEAD", "tracked"),
        ("git stash --incl", "both"),
        ("git clean -fd -enode_modules", "untracked"),
        ("git clean -fd -e -n", "untracked"),
        ("git clean -fd -- -n", "untracked"),
        ("git clean --dry", ""),
        ("git checkout -bfix", ""),
        ("git checkout -qbfix", ""),
        ("git switch -cfix", ""),
        ("git stash -mbug", "tracked"),
        ("git reset", ""),
        ("git reset --keep HEAD~1", ""),
        ("git checkout main", ""),
        ("git switch main", ""),
        ("git restore --staged .", ""),
        ("git restore -- file", ""),
        ("git stash pop", ""),
        ("git stash list", ""),
        ("git clean -n", ""),
        ("git merge --abort", ""),
        ("git rebase main", ""),
        ("git commit -am m", ""),
    ],
)
def test_what_of_the_uncommitted_changes_a_command_throws_away(line: str, what: str) -> None:
    assert CommandLine([word.encode() for word in shlex.split(line)], {}).discards() == what
