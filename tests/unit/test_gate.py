"""The commit gate in the core: who may land what."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core.decisions import gate
from supervisor.core.decisions.git_turn import turn
from supervisor.core.decisions.policy import Leases, Repo, Undeclared
from supervisor.core.leases.lease import Want
from supervisor.core.leases.scope import parse_scopes
from supervisor.core.sessions.lifecycle import Run


def judge(house, key, *paths):
    update = gate.Update("refs/heads/main", "0", "1", paths)
    verdict, effects = gate.gate(house.tables, house.session(key), [update], house.now)
    house.take(effects)
    return verdict


def test_a_commit_inside_the_leases_lands(house, work):
    house.offer(work("a", "src/"))
    house.fill()

    assert judge(house, "a", "src/x.py") == gate.Passed()
    assert house.tables.collisions.commits_allowed == 1


def test_promise_5_a_commit_of_anothers_path_is_refused_and_names_the_holder(house, work):
    house.offer(work("a", "src/"), work("b", "docs/"))
    house.fill()
    house.started("b")

    verdict = judge(house, "a", "src/x.py", "docs/y.md")

    assert isinstance(verdict, gate.Blocked)
    assert verdict.paths == ("docs/y.md",)
    assert "held by session s2 (task b, worker pid" in verdict.lines[0]


def test_a_task_that_declares_paths_may_not_commit_outside_them(house, work):
    house.offer(work("a", "src/"))
    house.fill()

    verdict = judge(house, "a", "free.txt")

    assert isinstance(verdict, gate.Blocked)
    assert "leasehold lease acquire free.txt" in verdict.lines[0]


def test_a_task_without_paths_leases_free_ones_as_it_commits_them(house, work):
    house.offer(work("a"))
    house.fill()

    assert judge(house, "a", "x", "y") == gate.Passed(("x", "y"))
    assert {lease.scope.text for lease in house.tables.broker.held("s1")} == {"x", "y"}


def test_discovery_can_be_switched_off(new_house, work):
    house = new_house(leases=Leases(undeclared=Undeclared.REFUSE))
    house.offer(work("a"))
    house.fill()

    assert isinstance(judge(house, "a", "x"), gate.Blocked)


def test_discovered_paths_are_leased_all_or_none(house, work):
    house.offer(work("a"), work("b", "taken"))
    house.fill()

    assert isinstance(judge(house, "a", "free", "taken"), gate.Blocked)
    assert house.tables.broker.held("s1") == ()


def test_promise_6_a_stale_token_does_not_land(house, work):
    house.offer(work("a", "x"), work("b", "y"))
    house.fill()
    (lease,) = house.tables.broker.held("s1")
    house.tables.broker.expire(lease.token, house.now.mono)

    verdict = judge(house, "a", "x")

    assert isinstance(verdict, gate.Blocked)
    assert f"stale fencing token {lease.token}" in verdict.lines[0]
    assert house.tables.collisions.stale_refused == 1


def test_excluded_paths_are_nobodys(new_house, work):
    house = new_house(repos={"repo": Repo("repo", exclude=parse_scopes("secret/", "repo"))})
    house.offer(work("a", "."))
    house.fill()

    verdict = judge(house, "a", "secret/key")

    assert isinstance(verdict, gate.Blocked)
    assert "repos.repo.exclude" in verdict.lines[0]


def test_many_refused_paths_are_counted(house, work):
    house.offer(work("a", "src/"))
    house.fill()

    verdict = judge(house, "a", *(f"f{n}" for n in range(25)))

    assert isinstance(verdict, gate.Blocked)
    assert len(verdict.lines) == 11
    assert verdict.lines[-1] == "and 15 more paths"


def test_a_passed_commit_is_a_turn_after_which_a_preempted_session_stops(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.started("a")
    session = house.session("a")
    session.after_turn = "something better came"

    judge(house, "a", "a")

    assert session.life.wish == Run()  # git has not moved the branch yet
    house.pass_time(gate.TURN_OVER)
    assert session.after_turn is None
    assert session.life.wish.cause == "preempt"


def test_a_policy_can_be_replaced_while_sessions_run(house, work):
    house.offer(work("a", "a"))
    house.fill()
    house.tables.policy = replace(house.tables.policy, repos={})

    assert judge(house, "a", "a") == gate.Passed()


def take_away(house, branch):
    update = gate.Update(f"refs/heads/{branch}", "1" * 40, "0" * 40, ())
    return judged(house, update)


TREES = {
    "main": gate.WorkTree("/srv/app", checkout=True),
    "theirs": gate.WorkTree("/home/me/theirs"),
    "committing": gate.WorkTree("/home/me/committing", commits=True),
}


def judged(house, update):
    verdict, _ = gate.gate(house.tables, house.session("a"), [update], house.now, checked_out=TREES)
    return verdict


def test_promise_6_the_branch_of_the_checkout_and_those_of_sessions_are_not_deleted(house, work):
    house.offer(work("a"))
    house.fill()

    main, others = take_away(house, "main"), take_away(house, "leasehold/s9")

    assert isinstance(main, gate.Blocked)
    assert main.told == "commit refused: 1 branch that session s1 may not move"
    assert main.lines == ("main: the checkout is on this branch, so no session deletes or renames it",)
    assert isinstance(others, gate.Blocked)
    assert others.lines == ("leasehold/s9: the branch of another session",)
    assert take_away(house, "topic") == gate.Passed()


def test_promise_6_the_branch_of_a_linked_work_tree_is_neither_deleted_nor_moved_from_elsewhere(house, work):
    house.offer(work("a"))
    house.fill()

    gone = take_away(house, "theirs")
    moved, committed = (
        judged(house, gate.Update(f"refs/heads/{name}", "1" * 40, "2" * 40, ("a",)))
        for name in ("theirs", "committing")
    )

    assert isinstance(gone, gate.Blocked)
    assert gone.lines == (
        "theirs: the work tree /home/me/theirs is on this branch, so no session deletes or renames it",
    )
    assert isinstance(moved, gate.Blocked)
    assert moved.lines == (
        "theirs: the work tree /home/me/theirs is on this branch, so it moves by commits that are made there only",
    )
    assert isinstance(committed, gate.Passed)
    assert isinstance(take_away(house, "committing"), gate.Blocked)


def test_what_another_held_when_the_git_command_began_does_not_land_with_it(house, work):
    house.offer(work("a"), work("b"))
    house.fill()
    broker = house.tables.broker
    theirs, ours = house.session("b").id, house.session("a").id
    (scope,) = parse_scopes("shared.txt", "repo")
    broker.acquire(theirs, [Want(scope)], house.now.mono)
    broker.acquire(ours, [turn("repo")], house.now.mono)  # its git reads the file now
    broker.release(theirs, [scope], house.now.mono)

    verdict = judge(house, "a", "shared.txt")

    assert isinstance(verdict, gate.Blocked)
    assert verdict.lines == (
        (
            f"shared.txt: held by {theirs} when this git command began, and may have that one's changes; "
            "run the command again"
        ),
    )
    broker.release(ours, [turn("repo").scope], house.now.mono)
    broker.acquire(ours, [turn("repo")], house.now.mono)
    assert judge(house, "a", "shared.txt") == gate.Passed(("shared.txt",))


def test_what_the_session_itself_released_meanwhile_lands(house, work):
    house.offer(work("a"))
    house.fill()
    broker, ours = house.tables.broker, house.session("a").id
    (scope,) = parse_scopes("mine.txt", "repo")
    broker.acquire(ours, [turn("repo")], house.now.mono)
    broker.acquire(ours, [Want(scope)], house.now.mono)
    broker.release(ours, [scope], house.now.mono)

    assert judge(house, "a", "mine.txt") == gate.Passed(("mine.txt",))
