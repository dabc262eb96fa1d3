"""First writes that a guard asks about, judged by the core."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core.decisions.claims import Claim, claim, give_back, timed_out
from supervisor.core.decisions.first_write import first_write
from supervisor.core.decisions.policy import Leases, Repo, Undeclared
from supervisor.core.decisions.requests import LeaseRefusal, refuse
from supervisor.core.leases.lease import Granted, TimedOut, Waiting
from supervisor.core.leases.scope import file_scope, parse_scopes


def start(house, work, *keys: tuple[str, tuple[str, ...]]) -> None:
    house.offer(*(work(key, *paths) for key, paths in keys))
    house.fill()
    for key, _ in keys:
        house.started(key)


def ask(house, key: str, *files: str, wait: float = 0.0, **more: tuple[str, ...]):
    asked = Claim(files, more.get("folders", ()), more.get("places", ()))
    verdict, _, effects = claim(house.tables, house.session(key), asked, wait, house.now)
    house.take(effects)
    return verdict


def test_a_free_path_is_leased_at_its_first_write(house, work) -> None:
    start(house, work, ("a", ("one",)))

    verdict = ask(house, "a", "two")

    assert isinstance(verdict, Granted)
    assert {lease.scope.text for lease in house.tables.broker.held(house.session("a").id)} == {"one", "two"}
    (note,) = house.notes("lease.granted")
    assert note.data["discovered"] is True


def test_a_path_of_another_session_is_refused_and_its_holder_named(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    verdict = ask(house, "b", "one")

    assert isinstance(verdict, LeaseRefusal)
    assert house.session("a").id in verdict.sentence
    assert house.tables.collisions.writes_refused == 1
    (note,) = house.notes("write.refused")
    assert note.task == "b"


def test_a_program_that_tries_the_same_without_a_rest_is_one_event_a_second(house, work) -> None:
    start(house, work, ("a", ("src/",)), ("b", ("docs/",)))
    for _ in range(5):
        ask(house, "b", "src/x")
    ask(house, "b", "src/y")
    house.pass_time(1.5)
    ask(house, "b", "src/y")

    assert len(house.notes("write.refused")) == 3
    assert house.tables.collisions.writes_refused == 7


def test_a_claim_of_two_paths_is_granted_whole_or_not_at_all(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    verdict = ask(house, "b", "free", "one")

    assert isinstance(verdict, LeaseRefusal)
    assert {lease.scope.text for lease in house.tables.broker.held(house.session("b").id)} == {"two"}


def test_a_folder_with_a_foreign_file_below_cannot_be_moved(house, work) -> None:
    start(house, work, ("a", ("src/deep/one",)), ("b", ("two",)))

    assert isinstance(ask(house, "b", folders=("src", "lib")), LeaseRefusal)
    assert isinstance(ask(house, "b", folders=("other", "lib")), Granted)


def test_a_folder_may_be_made_beside_foreign_files_but_not_inside_a_foreign_tree(house, work) -> None:
    start(house, work, ("a", ("src/new/one", "lib/")), ("b", ("two",)))

    assert isinstance(ask(house, "b", places=("src/new",)), Granted)
    assert isinstance(ask(house, "b", places=("lib/inner",)), LeaseRefusal)


def test_a_second_name_for_a_foreign_file_is_refused(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    assert isinstance(ask(house, "b", "alias", places=("one",)), LeaseRefusal)


def test_a_write_may_wait_for_the_holder_to_end(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    verdict = ask(house, "b", "one", wait=2.0)
    assert isinstance(verdict, Waiting)
    house.end("a", commits=["c1"])

    assert "one" in {lease.scope.text for lease in house.tables.broker.held(house.session("b").id)}
    assert house.tables.collisions.writes_waited == 1


def test_who_waits_for_whom_and_how_long_at_most_is_an_event(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    ask(house, "b", "one", wait=2.0)

    (note,) = house.notes("lease.waiting")
    assert (note.session, note.data["behind"]) == (house.session("b").id, [house.session("a").id])
    assert note.data["why"].startswith(f"one is held by session {house.session('a').id} (task a")
    assert note.data["why"].endswith("; waits 2s at most")


def test_a_refusal_of_one_path_names_it_once(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))

    verdict = ask(house, "b", "one")

    assert isinstance(verdict, LeaseRefusal)
    assert verdict.sentence.startswith("one is held by session ")


def test_excluded_paths_are_nobodys(new_house, work) -> None:
    house = new_house(repos={"repo": Repo("repo", exclude=tuple(parse_scopes("*.lock", "repo")))})
    start(house, work, ("a", ("one",)))

    verdict = ask(house, "a", "uv.lock")

    assert isinstance(verdict, LeaseRefusal)
    assert "repos.repo.exclude" in verdict.sentence


def test_a_task_without_paths_takes_none_where_the_operator_says_so(new_house, work) -> None:
    house = new_house(leases=replace(Leases(), undeclared=Undeclared.REFUSE))
    start(house, work, ("a", ()))

    verdict = ask(house, "a", "one")

    assert isinstance(verdict, LeaseRefusal)
    assert "leases.undeclared" in verdict.sentence


def test_nothing_is_granted_before_living_workers_have_reported(house, work) -> None:
    start(house, work, ("a", ("one",)))
    house.tables.wait_for_reports.add("other")

    verdict = ask(house, "a", "two")

    assert isinstance(verdict, LeaseRefusal)
    assert verdict.data["reason"] == "recovering"
    assert house.tables.collisions.writes_refused == 0


def test_what_a_session_was_started_with_is_never_given_back_with_a_git_command(house, work) -> None:
    start(house, work, ("a", ("src/",)))
    session = house.session("a")
    (declared,) = house.tables.broker.held(session.id)
    written = [file_scope("src/new.txt", "repo")]

    kept, _ = give_back(house.tables, session, [declared.token], written, house.now)

    assert kept == ()  # nothing that might be let go of later because git finds it clean
    assert house.tables.broker.held(session.id) == (declared,)


def test_a_refused_write_is_told_the_whole_command_that_waits_for_the_file(house, work) -> None:
    start(house, work, ("a", ("one file",)), ("b", ("two",)))

    verdict = ask(house, "b", "one file")

    assert isinstance(verdict, LeaseRefusal)
    assert verdict.sentence.endswith("or wait for it: `leasehold lease acquire 'one file' --wait 5m`")


def test_a_git_command_over_the_checkout_is_told_the_same_at_once_and_after_a_wait(house, work) -> None:
    start(house, work, ("a", ("one",)), ("b", ("two",)))
    session = house.session("b")
    asked = Claim((), (), (), "sweeps")
    at_once, wants, _ = claim(house.tables, session, asked, 0.0, house.now)
    assert isinstance(at_once, LeaseRefusal)

    conflict = house.tables.broker.first_conflict(session.id, wants)
    waited = TimedOut(1, session.id, (conflict,))
    late, effects = timed_out(house.tables, session, asked, refuse(house.tables, wants, waited, house.now))

    for told in (at_once.sentence, late.sentence):
        assert told.startswith("this git command writes over the whole checkout, which others work in: ")
        assert told.endswith("; name the files it is to touch, as in `git restore -- FILE`")
        assert "lease acquire" not in told
        assert f"one is held by session {house.session('a').id}" in told
    house.take(effects)
    assert house.notes("write.refused")[-1].data["why"] == late.sentence


def test_the_short_way_of_a_first_write_leases_the_same_as_the_long_one(house, work) -> None:
    start(house, work, ("a", ("one", "src/")), ("b", ("two",)))
    session = house.session("a")

    new = first_write(house.tables, session, "three", house.now.mono)
    held = first_write(house.tables, session, "src/deep", house.now.mono)

    assert new is not None
    assert new.scope == file_scope("three", "repo")
    assert new in house.tables.broker.held(session.id)
    assert held is not None
    assert held.scope.text == "src/"


def test_the_short_way_of_a_first_write_changes_nothing_where_more_is_to_be_said(new_house, work) -> None:
    rules = {
        "repos": {"repo": Repo("repo", exclude=tuple(parse_scopes("*.lock", "repo")))},
        "leases": replace(Leases(), undeclared=Undeclared.REFUSE),
    }
    house = new_house(**rules)
    start(house, work, ("a", ("one",)), ("b", ("two",)), ("c", ()))
    a, c = house.session("a"), house.session("c")
    before = list(house.tables.broker.leases())

    assert first_write(house.tables, a, "two", house.now.mono) is None  # another's
    assert first_write(house.tables, a, "uv.lock", house.now.mono) is None  # nobody may
    assert first_write(house.tables, c, "new", house.now.mono) is None  # its task declares nothing
    house.tables.wait_for_reports.add("other")
    assert first_write(house.tables, a, "new", house.now.mono) is None  # it is not known yet who holds what
    assert list(house.tables.broker.leases()) == before
