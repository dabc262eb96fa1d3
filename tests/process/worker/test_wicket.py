"""Sessions without a guard: git's hooks ask the session's worker before a branch moves."""

from __future__ import annotations

import signal

import pytest

from tests.process.test_guard_session import AGENT, folder, output, pipes, script

pytestmark = pytest.mark.process

# Here a client of the hook's own would reach nobody.
ALONE = "export LEASEHOLD_SOCKET=/nowhere; "


@pytest.fixture
def unguarded(site):
    site.configure(AGENT, guard={"mode": "off"}, retry={"attempts": 1})
    return site


def test_the_worker_is_asked_and_a_commit_inside_the_leases_lands(unguarded):
    script(
        unguarded,
        "only",
        ALONE + "for i in 1 2 3; do echo $i > a.txt; git add a.txt; git commit -qm $i; done",
    )

    unguarded.until_idle()

    assert unguarded.git("log", "--format=%s", "-3").split() == ["3", "2", "1"]
    assert "Leasehold-Task: only" in unguarded.git("log", "-1", "--format=%B")
    assert not (folder(unguarded, "only") / "gate").exists()  # taken away at the end


def test_promise_5_a_commit_of_anothers_file_is_refused_with_its_holder(unguarded):
    pipes(unguarded, "held", "tried")
    script(unguarded, "first", "meet held; await tried", paths=["README.md"])
    script(
        unguarded,
        "second",
        ALONE
        + "await held; echo x >> README.md; git commit --no-verify -qm Two -- README.md; echo code $?; meet tried",
    )

    unguarded.until_idle(code=None)

    said = output(unguarded, "second")
    assert "README.md: held by session" in said
    assert "(task first, worker pid" in said
    assert "code 128" in said
    assert unguarded.git("log", "--format=%s", "-1").strip() != "Two"


def test_where_all_pipes_are_taken_the_hook_asks_by_itself(unguarded):
    taken = 'touch "$LEASEHOLD_GATE"/1.taken "$LEASEHOLD_GATE"/2.taken "$LEASEHOLD_GATE"/3.taken "$LEASEHOLD_GATE"/4.taken; '
    commit = "git commit -q --allow-empty -m"
    alone = "export LEASEHOLD_SOCKET=/nowhere LEASEHOLD_GATE_WAIT=0;"
    script(unguarded, "only", f"{taken} ({alone} {commit} no); echo code $?; {commit} yes")

    unguarded.until_idle()

    assert "code 128" in output(unguarded, "only")
    assert unguarded.git("log", "--format=%s", "-1").strip() == "yes"


def test_many_branches_at_once_are_all_judged(unguarded):
    made = "for i in $(seq 12); do git branch b$i & done; wait; git branch --list 'b*' | wc -l"
    script(unguarded, "only", made)

    unguarded.until_idle(code=None)

    assert "12" in output(unguarded, "only").split()


def test_a_hook_that_was_killed_while_it_asked_leaves_the_way_free(unguarded):
    killed = (
        'exec 9<>"$LEASEHOLD_GATE/1"; set -C; : > "$LEASEHOLD_GATE/1.taken"; set +C; '
        'printf "1 %s %s refs/heads/main\\n" $(git rev-parse HEAD) $(git rev-parse HEAD) > "$LEASEHOLD_GATE/ask"; '
        'read -r said <&9; echo "said $said"; exec 9>&-; echo x > a.txt; git add a.txt; git commit -qm one'
    )
    script(unguarded, "only", ALONE + killed)

    unguarded.until_idle()

    assert "said ok" in output(unguarded, "only")
    assert unguarded.git("log", "--format=%s", "-1").strip() == "one"


def test_a_refusal_of_the_repositorys_own_hook_still_counts(unguarded):
    own = unguarded.root / ".git/hooks/reference-transaction"
    own.write_text('#!/bin/sh\ncat > /dev/null\n[ "$1" != prepared ] || { echo "not today" >&2; exit 1; }\n')
    own.chmod(0o755)
    script(unguarded, "only", ALONE + "git commit -q --allow-empty -m one; echo code $?")

    unguarded.until_idle(code=None)

    assert "not today" in output(unguarded, "only")
    assert "code 128" in output(unguarded, "only")


def test_a_post_commit_hook_that_is_installed_during_the_session_runs_at_the_next_commit(unguarded):
    hook = "printf '#!/bin/sh\\necho after\\n' > .git/hooks/post-commit; chmod +x .git/hooks/post-commit"
    commit = "git commit -q --allow-empty -m"
    script(unguarded, "only", f"{commit} one; echo then; {hook}; {commit} two; {commit} three")

    unguarded.until_idle()

    assert output(unguarded, "only").split() == ["then", "after", "after"]


def test_a_post_commit_hook_that_was_there_before_runs(unguarded):
    own = unguarded.root / ".git/hooks/post-commit"
    own.write_text("#!/bin/sh\necho after\n")
    own.chmod(0o755)
    script(unguarded, "only", "git commit -q --allow-empty -m one")

    unguarded.until_idle()

    assert output(unguarded, "only").split() == ["after"]


def test_how_long_a_commit_waits_for_a_supervisor_can_be_set_for_a_harness(site):
    waits = {"harness.agent.env": {"LEASEHOLD_GATE_WAIT": "0"}}
    site.configure(AGENT, guard={"mode": "off"}, retry={"attempts": 1}, **waits)
    pipes(site, "begun", "down", "refused")
    commit = "git commit -q --allow-empty -m No; echo code $?"
    script(site, "only", f"meet begun; await down; {commit}; meet refused")
    supervisor = site.start()
    (site.root / ".leasehold/begun").read_text()
    site.end(supervisor, signal.SIGKILL)
    (site.root / ".leasehold/down").write_text("\n")
    (site.root / ".leasehold/refused").read_text()  # while nobody was there
    again = site.start()
    site.wait_for("session.ended", task="only")
    site.end(again)

    assert "code 128" in output(site, "only")


def test_a_session_that_takes_its_own_pipes_away_goes_on(unguarded):
    gone = 'rm "$LEASEHOLD_GATE"/1; touch "$LEASEHOLD_GATE"/1.taken; echo "1 a b refs/heads/x" > "$LEASEHOLD_GATE"/ask; '
    script(unguarded, "only", gone + ALONE + "git commit -q --allow-empty -m on")

    unguarded.until_idle()

    assert unguarded.git("log", "--format=%s", "-1").strip() == "on"
