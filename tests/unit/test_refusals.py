"""What is refused for another session's sake is refused in the same words, whoever asks in whatever way."""

from __future__ import annotations

import pytest

from supervisor.core.decisions import gate, requests
from supervisor.core.decisions.claims import Claim, claim
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.leases.lease import Want
from supervisor.core.leases.scope import file_scope


def a_commit(house):
    update = gate.Update("refs/heads/main", "0", "1", ("src/x.py",))
    verdict, _ = gate.gate(house.tables, house.session("b"), [update], house.now)
    assert isinstance(verdict, gate.Blocked)
    return verdict.lines[0]


def a_first_write(house):
    verdict, _, _ = claim(house.tables, house.session("b"), Claim(("src/x.py",)), 0.0, house.now)
    assert isinstance(verdict, LeaseRefusal)
    return verdict.sentence


def a_place_in_it(house):
    asked = Claim((), places=("src/x.py",))
    verdict, _, _ = claim(house.tables, house.session("b"), asked, 0.0, house.now)
    assert isinstance(verdict, LeaseRefusal)
    return verdict.sentence


def a_request(house):
    wants = (Want(file_scope("src/x.py", "repo")),)
    verdict, _ = requests.acquire(house.tables, house.session("b").id, wants, 0.0, house.now)
    assert isinstance(verdict, LeaseRefusal)
    return verdict.sentence


@pytest.mark.parametrize("refused", [a_commit, a_first_write, a_place_in_it, a_request])
def test_promise_11_every_refusal_names_what_who_until_when_and_what_to_do_next(house, work, refused):
    house.offer(work("a", "src/"), work("b", "docs/"))
    house.fill()
    house.started("a")
    house.pass_time(60.0)
    session = house.session("a")

    told = refused(house)

    holder = f"held by session {session.id} (task a, worker pid {session.worker().pid}) for 1m"
    assert f"{holder}, 49m more at most" in told
    assert "src/x.py" in told
    assert told.endswith("take other work, or wait for it: `leasehold lease acquire src/x.py --wait 5m`")
