"""Installed for one account, under its own service manager that lingers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.box.box import Box
from tests.system.fleet import ACCOUNT, Fleet, binds


@pytest.fixture(scope="module")
def fleet(bootable: None) -> Iterator[Fleet]:
    """Return an installation under a lingering user manager."""
    with Box(binds=binds(), logind=True) as booted:
        made = Fleet(booted, user=True)
        made.prepare()
        booted.sh(f"loginctl enable-linger {ACCOUNT}")
        booted.wait(
            lambda: made.systemctl("is-system-running", code=None).strip() == "running", "a user manager"
        )
        made.configure()
        made.install()
        yield made
        made.close()


def test_sessions_run_in_units_of_the_user_manager_and_outlive_the_supervisor(fleet: Fleet):
    keys = ["a", "b", "c"]
    for key in keys:
        fleet.task(key)
    found = fleet.running(*keys)
    for unit in (f"leasehold-session@{session['id']}.service" for session in found.values()):
        assert fleet.show(unit, "ActiveState", "Slice") == {
            "ActiveState": "active",
            "Slice": "leasehold-sessions.slice",
        }
    evidence = fleet.evidence()

    fleet.box.sh(f"kill -9 {fleet.main_pid()}")
    fleet.tell("a", "exit 9")
    assert fleet.ended("a")["a"]["evidence"]["code"] == 9
    fleet.systemctl("restart leasehold.service")
    fleet.systemctl("stop leasehold.service")
    fleet.systemctl("start leasehold.service")

    shown = fleet.sessions()
    for task, session, pid, start in evidence:
        if task != "a":
            assert fleet.alive(pid, start)
            assert shown[task]["id"] == session
    for key in ("b", "c"):
        fleet.tell(key, "commit")
    assert {ended["outcome"] for ended in fleet.ended("b", "c").values()} == {"finished"}
    assert len(fleet.evidence()) == 3


def test_signals_reload_and_status_work_under_the_user_manager(fleet: Fleet):
    fleet.systemctl("kill -s USR1 leasehold.service")
    fleet.wait_for("supervisor.signal", signal="SIGUSR1")
    fleet.configure(supervisor={"max_sessions": 11})
    fleet.systemctl("reload leasehold.service")

    assert fleet.ask("status")["slots"]["of"] == 11
    assert fleet.show("leasehold.service", "StatusText")["StatusText"]


def test_uninstall_takes_the_units_of_the_user_out(fleet: Fleet):
    fleet.leasehold("systemd", "uninstall", "--user")

    assert fleet.show("leasehold.service", "LoadState")["LoadState"] == "not-found"
    assert "leasehold" not in fleet.sh("ls ~/.config/systemd/user", code=None)
