"""May commits be integrated? Paths against leases, and what an ending says of commits that stay on their branch."""

from __future__ import annotations

from supervisor.core.decisions.integration import Admitted, Forbidden, Wanting, admit
from supervisor.core.decisions.policy import Leases, Policy, Repo, Undeclared
from supervisor.core.decisions.tables import Tables
from supervisor.core.history.recent import Recent
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Mode, Want
from supervisor.core.leases.scope import file_scope, parse_scopes
from supervisor.core.moment import Moment
from supervisor.core.sessions.exit_record import ExitRecord
from supervisor.core.sessions.integration import Hitch, Integrated, Unintegrated
from supervisor.core.sessions.outcome import Outcome, judge
from supervisor.core.sessions.remains import Landed, Remains
from supervisor.core.tasks.backlog import Backlog
from supervisor.core.tasks.task import Expects

NOW = Moment(100.0, 1000.0)


def tables(undeclared: Undeclared = Undeclared.GRANT) -> Tables:
    repo = Repo("app", exclude=tuple(parse_scopes("locked/", "app")))
    policy = Policy(repos={"app": repo}, leases=Leases(undeclared=undeclared))
    tokens = Tokens(0)
    tokens.reserve(100)
    return Tables(
        policy=policy,
        broker=Broker(tokens),
        backlog=Backlog([]),
        mint=lambda: ("x", "y"),
        recent=Recent(1.0),
    )


def hold(made: Tables, holder: str, path: str) -> None:
    made.broker.acquire(holder, (Want(file_scope(path, "app"), Mode.EXCLUSIVE),), NOW.mono)


def test_paths_that_are_held_are_admitted():
    made = tables()
    hold(made, "s", "a.py")

    assert admit(made, "s", "app", ["a.py"], NOW) == Admitted()


def test_paths_without_a_lease_are_asked_for_whoever_has_them():
    made = tables()
    hold(made, "other", "b.py")

    found = admit(made, "s", "app", ["a.py", "b.py"], NOW)

    assert isinstance(found, Wanting)
    assert [want.scope.key for want in found.wants] == ["a.py", "b.py"]


def test_paths_without_a_lease_are_refused_where_the_configuration_says_so():
    found = admit(tables(Undeclared.REFUSE), "s", "app", ["a.py"], NOW)

    assert found == Forbidden('a.py: outside the session\'s leases (leases.undeclared is "refuse")')


def test_excluded_paths_are_refused_by_name():
    found = admit(tables(), "s", "app", ["a.py", "locked/b.py"], NOW)

    assert found == Forbidden("locked/b.py: no session may change it (repos.app.exclude)")


def test_nothing_stale_lands_a_path_whose_lease_has_ended_meanwhile_is_refused_with_its_token():
    made = tables()
    hold(made, "s", "a.py")
    (lease,) = made.broker.held("s")
    made.broker.expire(lease.token, NOW.mono)
    hold(made, "other", "a.py")

    found = admit(made, "s", "app", ["a.py"], NOW)

    assert isinstance(found, Forbidden)
    assert f"a.py: stale fencing token {lease.token}" in found.why
    assert "held by other" in found.why


def ending(integration: Integrated | Unintegrated | None, cause: str = "exited"):
    commits = (Landed("c" * 40, "Do it", 1.0),)
    return judge(ExitRecord(cause, code=0), Remains(commits=commits, integration=integration), Expects.COMMIT)


def test_a_session_has_finished_only_once_its_commits_are_in_the_target():
    outcomes = {hitch: ending(Unintegrated(hitch, "leasehold/s", "main", "why")).outcome for hitch in Hitch}

    assert ending(Integrated("main", "c" * 40)).outcome is Outcome.FINISHED
    assert outcomes == {
        Hitch.UNFINISHED: Outcome.FAILED,
        Hitch.CONFLICT: Outcome.UNINTEGRATED,
        Hitch.UNRESOLVED: Outcome.FAILED,
        Hitch.CHECK: Outcome.FAILED,
        Hitch.REFUSED: Outcome.FAILED,
        Hitch.LEASED: Outcome.UNINTEGRATED,
        Hitch.HELD: Outcome.UNINTEGRATED,
        Hitch.FAULT: Outcome.UNINTEGRATED,
    }


def test_an_ending_says_on_which_branch_the_commits_stay_and_why():
    found = ending(Unintegrated(Hitch.CONFLICT, "leasehold/s", "main", "they conflict with it in a.py"))

    assert "1 commit kept on branch leasehold/s, not in main: they conflict with it in a.py" in found.sentence
    assert found.evidence["branch"]["hitch"] == "conflict"


def test_an_end_that_somebody_else_brought_about_keeps_its_name():
    assert (
        ending(Unintegrated(Hitch.UNFINISHED, "leasehold/s", "main", "w"), "stop").outcome is Outcome.STOPPED
    )
