"""Git in a checkout that sessions share, under the guard."""

from __future__ import annotations

import os

import pytest

from tests.process.test_guard_session import AGENT, output, pipes, record, scopes, script

pytestmark = [pytest.mark.guard, pytest.mark.process]


@pytest.mark.parametrize(
    "command",
    [
        "git reset --hard HEAD",
        "git checkout -b other",
        "git stash",
        "git clean -fdx",
        "/usr/bin/env git restore .",
        "git -c alias.up=reset nuke --hard",
        'python3 -c \'import subprocess as s; s.run(["git", "reset", "--hard"])\'',
        "R=$PWD; cd /; git --git-dir=$R/.git --work-tree=$R reset --hard",
        "R=$PWD; cd /; git --git-dir $R/.git reset --hard",
        "R=$PWD; cd /; GIT_DIR=$R/.git GIT_WORK_TREE=$R git reset --hard",
        "export GIT_DIR=$PWD/.git GIT_WORK_TREE=$PWD; cd /; git checkout -f",
        "R=$PWD; cd /; git -C $R --work-tree=. --git-dir=.git clean -fd",
        '"$(git --exec-path)/git-reset" --hard',
        "unshare -Urm sh -c 'mount --bind . /mnt && cd / && git -C /mnt reset --hard'",
        "unshare -Urm sh -c 'mount --bind . /mnt && cd / && GIT_DIR=/mnt/.git GIT_WORK_TREE=/mnt git checkout -f'",
        "git $(printf -- '-c a.b=c %.0s' {1..100}) reset --hard",
        "git checkout -- $(printf 'none-%s ' {1..200}) .",
        "R=$PWD; L=/$(printf './%.0s' {1..1000}); cd /; git -C $L$R reset --hard",
    ],
)
def test_a_git_command_over_the_whole_checkout_is_refused_while_others_hold_files(site, command):
    site.git("config", "alias.nuke", "reset")
    site.configure(AGENT, guard={"wait": "0s"}, retry={"attempts": 1})
    pipes(site, "held", "tried")
    script(site, "first", "echo mine >> README.md; meet held; await tried; git commit -qm One -- README.md")
    script(site, "second", f"await held; ( {command} ); echo code $?; meet tried; exit 75")

    site.start()
    site.wait_for("session.ended", task="first")
    site.wait_for("session.ended", task="second")

    said = output(site, "second")
    assert "others work in: README.md is held by session" in said
    assert "code 0" not in said or "python3" in command
    assert site.git("show", "HEAD:README.md") == "a site\nmine\n"
    assert site.git("branch", "--list", "other") == ""


def test_alone_a_session_may_sweep_and_keeps_what_it_left_dirty(site):
    site.write("a.txt", "a\n")
    site.write("b.txt", "b\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Two files")
    site.configure(AGENT)
    pipes(site, "swept", "seen")
    script(
        site,
        "only",
        "echo x >> a.txt; git stash -q; git stash pop -q; git checkout -q HEAD~1; git checkout -q main; "
        "meet swept; await seen; git commit -qm A -- a.txt",
    )
    site.start()
    (site.root / ".leasehold/swept").read_text()

    def held() -> set[str]:
        return {lease["scope"] for lease in site.ask("lease", "list")["leases"]}

    site.until(lambda: not held() & {"./", "b.txt", "resource:git/site"})  # given back once git has ended
    kept = held()
    (site.root / ".leasehold/seen").write_text("\n")
    ended = site.wait_for("session.ended", task="only")

    assert ended["data"]["outcome"] == "finished"
    assert "a.txt" in kept


def test_sessions_that_commit_at_once_do_not_fail_on_gits_lock(site):
    rounds = 12
    keys = ("a", "b", "c")
    site.configure(AGENT, retry={"attempts": 1})
    for key in keys:
        script(
            site,
            key,
            f"for i in $(seq {rounds}); do echo $i >> {key}.txt && git add {key}.txt && "
            f"git commit -qm {key}$i -- {key}.txt && git status --short > /dev/null || echo FAILED $i; done",
        )

    site.until_idle()

    assert [output(site, key) for key in keys] == ["", "", ""]
    assert site.git("rev-list", "--count", "HEAD").strip() == str(1 + rounds * len(keys))
    assert all(record(site, key)["guard"]["turns_missed"] == 0 for key in keys)
    assert site.git("fsck", "--no-dangling") == ""


@pytest.mark.parametrize(
    "command", ["git reset -q --hard", "git stash -q", "git checkout -q .", "git clean -fdq", "git stash -qu"]
)
def test_promise_10_no_git_command_of_a_session_throws_away_what_a_person_changes_meanwhile(site, command):
    site.configure(AGENT, retry={"attempts": 1})
    pipes(site, "begun", "changed", "tried", "committed")
    script(
        site,
        "only",
        f"echo own > own.txt; chmod +x tasks; meet begun; await changed; {command}; echo code $?; git merge -q HEAD && echo merged; "
        f"meet tried; await committed; {command}; echo code $?",
    )
    site.start()
    (site.root / ".leasehold/begun").read_text()
    site.write("README.md", "a person's\n")
    site.write("new.txt", "a person's too\n")
    (site.root / ".leasehold/changed").write_text("\n")
    (site.root / ".leasehold/tried").read_text()
    kept = (site.root / "README.md").read_text(), (site.root / "new.txt").read_text()
    site.git("add", "README.md", "new.txt")
    site.git("commit", "-qm", "A person's")
    (site.root / ".leasehold/committed").write_text("\n")
    site.wait_for("session.ended", task="only")

    assert kept == ("a person's\n", "a person's too\n")
    said = output(site, "only")
    assert "would throw away uncommitted changes that no session made, maybe a person's: " in said
    assert [line for line in said.splitlines() if line[:4] in ("code", "merg")] == [
        "code 126",
        "merged",
        "code 0",
    ]
    (refused,) = site.events("write.refused")
    assert set(refused["data"]["paths"]) <= {"README.md", "new.txt"}


def test_promise_10_a_git_command_that_waited_throws_nothing_away_that_a_person_changed_while_it_did(site):
    site.configure(AGENT, guard={"wait": "60s"}, retry={"attempts": 1})
    pipes(site, "begun", "go_on")
    script(
        site,
        "first",
        "GIT_EDITOR='echo > .leasehold/begun; read -r _ < .leasehold/go_on; echo One >' git commit -q --allow-empty",
    )
    site.start()
    (site.root / ".leasehold/begun").read_text()
    script(site, "second", "git reset -q --hard; echo code $?; git commit -q --allow-empty -m Two; echo $?")
    site.wait_for("lease.waiting", task="second")

    site.write("README.md", "a person's\n")
    (site.root / ".leasehold/go_on").write_text("\n")
    site.wait_for("session.ended", task="second")

    assert (site.root / "README.md").read_text() == "a person's\n"
    assert [line for line in output(site, "second").splitlines() if line[:4] in {"code", "0"}] == [
        "code 126",
        "0",
    ]
    (refused,) = site.events("write.refused")
    assert refused["data"]["paths"] == ["README.md"]


def test_what_only_tells_and_a_push_wait_for_no_other_sessions_commit(site, tmp_path):
    site.git("init", "-q", "--bare", str(tmp_path / "there"))
    site.configure(AGENT, guard={"git_wait": "30s"}, retry={"attempts": 1})
    pipes(site, "held", "told")
    script(
        site,
        "first",
        "echo 1 >> README.md; GIT_EDITOR='echo > .leasehold/held; read -r _ < .leasehold/told; echo One >' "
        "git commit -q -- README.md",
    )
    script(
        site,
        "second",
        "await held; git branch --show-current; git config core.bare; git worktree list | wc -l; git symbolic-ref HEAD; "
        f"git push -q {tmp_path}/there HEAD:refs/heads/main && git ls-remote {tmp_path}/there | wc -l; meet told",
    )

    site.until_idle(code=None)

    assert output(site, "second").split() == [
        "main",
        "false",
        "1",
        "refs/heads/main",
        "1",
    ]
    assert not site.events("lease.waiting")
    assert site.git("log", "-1", "--format=%s").strip() == "One"


def test_a_lock_that_a_killed_git_left_is_gone_when_the_next_git_has_its_turn(site):
    site.configure(AGENT, retry={"attempts": 1})
    pipes(site, "killed", "done")
    script(
        site,
        "first",
        "echo 1 >> README.md; GIT_EDITOR='kill -9 $PPID #' git commit -- README.md; test -e .git/index.lock && echo locked; "
        "meet killed; await done; git commit -qm One -- README.md; test ! -e .git/index.lock",
    )
    script(
        site,
        "second",
        "await killed; echo 2 > b.txt; git add b.txt && git commit -qm Two -- b.txt; meet done",
    )

    site.until_idle()

    ends = site.events("session.ended")
    assert [end["data"]["outcome"] for end in ends] == ["finished", "finished"], [
        output(site, "second"),
        ends,
    ]
    assert "locked" in output(site, "first")
    (freed,) = site.events("git.unlocked")
    assert (freed["task"], freed["data"]["lock"]) == ("second", "index.lock")
    assert site.git("fsck", "--no-dangling") == ""


def test_a_lock_of_a_git_that_lives_is_left_alone(site):
    site.configure(AGENT, retry={"attempts": 1})
    site.write(
        ".git/hooks/pre-commit",
        "#!/bin/sh\ntest -e .git/index.lock && git branch -f seen HEAD && test -e .git/index.lock\n",
    )
    (site.root / ".git/hooks/pre-commit").chmod(0o755)
    script(site, "only", "echo 1 >> README.md; git commit -qam One")

    site.until_idle()

    assert site.events("session.ended")[-1]["data"]["outcome"] == "finished", output(site, "only")
    assert site.git("rev-parse", "seen") == site.git("rev-parse", "HEAD~1")
    assert site.events("git.unlocked") == []


def test_a_checkout_whose_files_were_only_touched_is_noted_so_before_a_session_reads_it(site):
    """Sessions may not take git's optional locks, so each `git status` of theirs would read such files anew."""
    for number in range(3):
        site.write(f"f{number}.txt", "same\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Files")
    for number in range(3):
        os.utime(site.root / f"f{number}.txt", (1_000_000_000, 1_000_000_000))
    site.configure(AGENT, retry={"attempts": 1})
    script(site, "only", "git diff-files --name-only; echo seen; exit 75")

    site.start()
    site.wait_for("session.ended", task="only")

    assert output(site, "only") == "seen\n"


def test_the_index_is_left_alone_while_a_git_command_of_another_session_is_at_it(site):
    site.configure(AGENT, retry={"attempts": 1})
    site.write(
        ".git/hooks/pre-commit", "#!/bin/sh\necho > .leasehold/held; read -r _ < .leasehold/tried\n"
    ).chmod(0o755)
    pipes(site, "held", "tried")
    os.utime(site.root / "README.md", (1_000_000_000, 1_000_000_000))
    script(
        site, "first", "echo mine >> new.txt; git add new.txt; git commit -qm One -- new.txt || echo FAILED"
    )
    site.start()
    (site.root / ".leasehold/held").read_text()

    script(site, "second", "echo ran; exit 75")
    site.wait_for("session.ended", task="second")
    (site.root / ".leasehold/tried").write_text("\n")
    first = site.wait_for("session.ended", task="first")

    assert first["data"]["outcome"] == "finished"
    assert output(site, "first") == ""
    assert "ran" in output(site, "second")


def test_git_in_another_repository_is_no_business_of_the_guard(site):
    site.configure(AGENT, guard={"wait": "0s"}, retry={"attempts": 1})
    site.write(".git/info/exclude", "inner/\n")
    pipes(site, "held", "tried")
    script(site, "first", "echo mine >> README.md; meet held; await tried; git commit -qm One -- README.md")
    script(
        site,
        "second",
        "await held; git init -q inner && cd inner && git commit -q --allow-empty -m x && git reset -q --hard && "
        "echo fine; cd ..; meet tried; exit 75",
    )

    site.start()
    site.wait_for("session.ended", task="second")
    site.wait_for("session.ended", task="first")

    assert "fine" in output(site, "second")


@pytest.mark.parametrize(
    "commit",
    [
        "git commit -qm No -- stolen.txt",
        "git commit --no-verify -qm No -- stolen.txt",
        "git -c core.hooksPath=/nonexistent commit -qm No -- stolen.txt",
        'id=$(git commit-tree -p HEAD -m No "$(git write-tree)"); git update-ref refs/heads/main $id',
        'id=$(git commit-tree -p HEAD -m No "$(git write-tree)"); git -c core.hooksPath=/x update-ref refs/heads/main $id',
        'id=$(git commit-tree -p HEAD -m No "$(git write-tree)"); git -c core.hooksPath=/x push -q . $id:refs/heads/main',
    ],
)
def test_promise_6_no_branch_moves_over_a_path_that_the_session_may_not_change_hooks_or_not(site, commit):
    site.write("stolen.txt", "theirs\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Theirs")
    site.write("stolen.txt", "changed by a human\n")  # an orphan: held, and so not the session's to commit
    site.git("add", "stolen.txt")
    site.git("config", "receive.denyCurrentBranch", "ignore")
    before = site.git("rev-parse", "HEAD")
    site.configure(AGENT, retry={"attempts": 1})
    script(site, "only", f"{commit}; echo code $?", paths=["own.txt"])

    site.until_idle(code=None)

    said = output(site, "only")
    assert site.git("rev-parse", "HEAD") == before, said
    assert "code 0" not in said
    assert "stolen.txt" in said
    assert site.events("commit.refused")


def test_a_commit_under_the_guard_is_judged_without_starting_a_client(site):
    site.configure(AGENT)
    script(
        site,
        "only",
        "echo x > own.txt; git add own.txt; GIT_TRACE=1 git commit -qm Own -- own.txt",
        paths=["own.txt"],
    )

    site.until_idle()

    assert "Own" in site.git("log", "--format=%s")
    assert "diff-tree" not in output(site, "only")
    assert len(site.events("commit.allowed")) == 1


def test_hooks_that_a_session_installs_run_at_its_next_commit(site):
    site.configure(AGENT)
    hook = "#!/bin/sh\\necho hooked >> $(git rev-parse --git-dir)/hooked"
    script(
        site,
        "only",
        f"printf '{hook}\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; "
        "echo x > own.txt; git add own.txt; git commit -qm Own -- own.txt",
        paths=["own.txt"],
    )

    site.until_idle()

    assert (site.root / ".git/hooked").read_text() == "hooked\n"
    assert site.git("log", "-1", "--format=%(trailers:key=Leasehold-Task,valueonly)").strip() == "only"


@pytest.mark.parametrize("isolation", ["shared", "worktree"])
def test_a_hook_added_during_the_session_to_the_folder_that_is_configured_runs(site, isolation):
    site.write(".husky/README", "hooks\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Hooks of the team")
    site.git("config", "core.hooksPath", ".husky")
    site.configure(AGENT, repo={"isolation": isolation})
    hook = "printf '#!/bin/sh\\necho hook of the team ran\\n' > .husky/pre-commit; chmod +x .husky/pre-commit"
    script(site, "only", f"{hook}; git add -A; git commit -qm One")

    site.until_idle()

    assert "hook of the team ran" in output(site, "only")


def test_a_sweep_over_more_files_than_can_be_named_gives_the_checkout_back_and_keeps_what_it_changed(site):
    folder = "/".join(["a-folder-with-a-name-of-some-length"] * 5)
    names = {f"{folder}/{number}.txt" for number in range(3_500)}
    for name in names:
        site.write(name, "")
    site.git("add", "-A")
    site.git("commit", "-qm", "Many")
    site.git("branch", "many")
    site.git("reset", "-q", "--hard", "HEAD~1")
    site.configure(AGENT, guard={"git_wait": "5m"}, retry={"attempts": 1})
    pipes(site, "swept", "seen")
    script(
        site, "first", "git read-tree -m -u HEAD many; meet swept; await seen; echo x > after.txt; exit 75"
    )
    site.start()
    (site.root / ".leasehold/swept").read_text()

    site.until(lambda: "./" not in scopes(site))
    assert scopes(site) == names
    script(site, "second", "echo x > b.txt; git add b.txt; git commit -qm B -- b.txt")
    ended = site.wait_for("session.ended", task="second")
    (site.root / ".leasehold/seen").write_text("\n")
    site.wait_for("session.ended", task="first")

    assert ended["data"]["outcome"] == "finished"
    assert (site.root / "after.txt").exists()
    assert record(site, "second")["guard"]["turns_missed"] == 0


def test_a_sweep_that_is_killed_while_it_waits_for_its_turn_leaves_the_session_no_more_than_it_had(site):
    site.configure(AGENT, guard={"git_wait": "5m", "wait": "5m"}, retry={"attempts": 1})
    site.write(
        ".git/hooks/pre-commit", "#!/bin/sh\necho > .leasehold/held; read -r _ < .leasehold/killed\n"
    ).chmod(0o755)
    pipes(site, "held", "waits", "killed", "ended", "written", "over")
    script(site, "first", "git commit -q --allow-empty -m Empty; exit 75")
    script(
        site,
        "second",
        "await held; git checkout -q HEAD & await waits; kill -9 $!; wait; meet killed; await ended; "
        "echo x > new.txt; meet written; await over; exit 75",
    )
    site.start()
    site.wait_for("lease.waiting", session=site.wait_for("session.running", task="second")["session"])
    (site.root / ".leasehold/waits").write_text("\n")
    site.wait_for("session.ended", task="first")
    site.until(lambda: not scopes(site))  # what the dead one was granted has been given back
    (site.root / ".leasehold/ended").write_text("\n")
    (site.root / ".leasehold/written").read_text()

    assert scopes(site) == {"new.txt"}  # it was asked for

    (site.root / ".leasehold/over").write_text("\n")
    site.wait_for("session.ended", task="second")
