"""A real worker knows exactly the leases that the supervisor has, however they came and went, and over a restart."""

from __future__ import annotations

import json

import pytest

from tests.process.children.session import Connection
from tests.process.test_guard_session import AGENT, leasehold_in, pipes, script

pytestmark = pytest.mark.process


def known(site, session: str) -> list[tuple[str, int]]:
    """Return the scopes and tokens that a session's worker shows to whoever greets it."""
    described = site.root / ".leasehold/state/sessions" / session / "worker.json"
    line = Connection(json.loads(described.read_text())["socket"])
    try:
        leases = line.next()["leases"]
    finally:
        line.close()
    return sorted((lease[1]["text"], lease[3]) for lease in leases or [])


def held(site) -> list[tuple[str, int]]:
    """Return the same of what the supervisor has."""
    return sorted((lease["scope"], lease["token"]) for lease in site.ask("lease", "list")["leases"])


@pytest.mark.parametrize("guard", ["auto", "off"])
def test_a_worker_knows_the_leases_that_its_supervisor_has_and_the_next_one_takes_them_up(site, guard):
    site.configure(AGENT, guard={"mode": guard})
    pipes(site, "first", "second", "third")
    script(
        site,
        "only",
        "leasehold lease acquire --shared s.txt; leasehold lease acquire d/ e.txt ü.txt s.txt; "
        "echo x > w.txt; git add w.txt; git commit -qm W; leasehold lease release e.txt; await first; "
        "leasehold lease acquire e.txt; leasehold lease release d/; await second; "
        "leasehold lease acquire late.txt; await third",
    )
    leasehold_in(site)
    process = site.start()
    site.wait_for("lease.released", task="only")
    (session,) = [one["id"] for one in site.ask("ps")["sessions"]]

    site.until(lambda: known(site, session) == held(site))
    assert [scope for scope, _ in held(site)] == ["d/", "s.txt", "w.txt", "ü.txt"]
    (site.root / ".leasehold/first").write_text("\n")
    site.wait_for("lease.released", task="only", count=2)
    site.until(lambda: known(site, session) == held(site))
    before = held(site)
    assert [scope for scope, _ in before] == ["e.txt", "s.txt", "w.txt", "ü.txt"]

    process.kill()
    process.wait()
    site.start()
    site.wait_for("session.running", count=2)
    assert held(site) == before
    (site.root / ".leasehold/second").write_text("\n")
    site.until(lambda: "late.txt" in {scope for scope, _ in held(site)})
    site.until(lambda: known(site, session) == held(site))
    assert [one for one in held(site) if one[0] != "late.txt"] == before
    (site.root / ".leasehold/third").write_text("\n")
    site.wait_for("session.ended", task="only")
