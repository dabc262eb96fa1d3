"""Installing units and taking them out: what is done in which order, and what a failure leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.world.systemd.install.apply import apply_install, apply_uninstall, living_sessions
from supervisor.world.systemd.install.cut_short import replaced_before
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.files import UnitFile, installed_paths, write_files
from supervisor.world.systemd.install.installed import Installation, look_at_installation
from supervisor.world.systemd.install.plan import plan_install, plan_uninstall
from supervisor.world.systemd.install.runner import Done
from tests.unit.systemd.host import Host, installed


def test_a_first_installation_makes_the_account_checks_and_only_then_starts(site, wanted):
    host = Host()
    apply_install(plan_install(site, wanted, running=False), host)

    assert host.ran == [
        f"systemd-sysusers {site.root}/etc/sysusers.d/leasehold.conf",
        f"systemd-tmpfiles --create {site.root}/etc/tmpfiles.d/leasehold.conf",
        "systemctl daemon-reload",
        "systemctl start leasehold-check.service",
        "systemctl enable leasehold.socket leasehold.service",
        "systemctl start leasehold.socket leasehold.service",
    ]
    assert (site.units / "leasehold.service").stat().st_mode & 0o777 == 0o644


def test_a_second_installation_of_the_same_restarts_nothing(site, wanted):
    installed(site, wanted)
    host = Host()
    plan = plan_install(site, wanted, running=True)
    apply_install(plan, host)

    assert plan.changed == ()
    assert [line for line in host.ran if "start" in line] == []


def test_an_upgrade_checks_the_new_version_and_restarts_the_service_never_stops_it(site, wanted):
    installed(site, wanted)
    newer = replace(wanted, program=replace(wanted.program, version="2.0"))
    host = Host()
    apply_install(plan_install(site, newer, running=True), host)

    assert host.ran[-3:] == [
        "systemctl start leasehold-check.service",
        "systemctl enable leasehold.socket leasehold.service",
        "systemctl try-restart leasehold.service",
    ]
    assert [line for line in host.ran if "stop" in line] == []


def test_a_socket_that_changes_is_restarted_together_with_its_service(site, wanted):
    installed(site, wanted)
    settings = wanted.settings.supervisor.model_copy(update={"runtime_dir": Path("/run/other")})
    moved = replace(wanted, settings=wanted.settings.model_copy(update={"supervisor": settings}))
    host = Host()
    apply_install(plan_install(site, moved, running=True), host)

    assert host.ran[-1] == "systemctl restart leasehold.socket leasehold.service"


def test_a_version_that_fails_its_own_check_is_not_left_behind(site, wanted):
    installed(site, wanted)
    before = {path: path.read_text() for path in installed_paths(site)}
    newer = replace(wanted, program=replace(wanted.program, version="2.0"))
    host = Host(
        {
            "start leasehold-check": Done(1, "Job failed"),
            "InvocationID": Done(0, "abc"),
            "journalctl": Done(0, "config.toml:3: no"),
        }
    )
    with pytest.raises(InstallError, match=r"what runs goes on\n  config.toml:3: no"):
        apply_install(plan_install(site, newer, running=True), host)

    assert {path: path.read_text() for path in installed_paths(site)} == before
    assert host.ran[-1] == "systemctl daemon-reload"
    assert [line for line in host.ran if "restart" in line or "enable" in line] == []


def test_a_first_installation_that_fails_leaves_no_file(site, wanted):
    host = Host({"daemon-reload": Done(1, "Failed to connect to bus\nNo such file")})
    with pytest.raises(InstallError, match="daemon-reload` failed: Failed to connect to bus; No such file"):
        apply_install(plan_install(site, wanted, running=False), host)

    assert installed_paths(site) == ()


def test_a_service_that_does_not_start_is_told_with_its_own_words(site, wanted):
    host = Host(
        {
            "start leasehold.socket": Done(1, "Job failed.\nSee journalctl"),
            "StatusText": Done(0, "cannot run: the journal is locked by pid 7"),
        }
    )
    with pytest.raises(InstallError) as caught:
        apply_install(plan_install(site, wanted, running=False), host)

    assert "failed: cannot run: the journal is locked by pid 7; " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_written_puts_those_before_it_back(site, tmp_path):
    first, other = UnitFile(tmp_path / "a", "new"), tmp_path / "b"
    first.path.write_text("old")
    other.mkdir()
    (site.units / "there").mkdir(parents=True)
    with pytest.raises(InstallError, match=f"^{other} cannot be written: Is a directory$"):
        write_files(site, [first, UnitFile(other, "x")])
    (tmp_path / "c").write_text("a file where a folder is needed")
    with pytest.raises(InstallError, match=r"c/d cannot be written: Not a directory$"):
        write_files(site, [first, UnitFile(tmp_path / "c/d", "x")])

    assert first.path.read_text() == "old"
    assert replaced_before(site) == {}


def test_uninstalling_stops_timers_and_service_and_removes_the_files_and_nothing_else(site, wanted):
    installed(site, wanted)
    (site.units / "leasehold.service.d").mkdir()
    found = look_at_installation(site)
    assert isinstance(found, Installation)
    host = Host()
    gone = apply_uninstall(site, plan_uninstall(site, found, ["leasehold-launch@a.timer"]), host)

    assert host.ran == [
        "systemctl disable --now leasehold-launch@a.timer",
        "systemctl disable leasehold-launch@.timer",
        "systemctl disable --now leasehold.socket leasehold.service",
        "systemctl daemon-reload",
    ]
    assert len(gone) == 10
    assert [path.name for path in site.units.iterdir()] == ["leasehold.service.d"]


def test_a_service_that_cannot_be_stopped_stays_installed(site, wanted):
    installed(site, wanted)
    found = look_at_installation(site)
    assert isinstance(found, Installation)
    with pytest.raises(InstallError, match="timed out"):
        apply_uninstall(site, plan_uninstall(site, found, []), Host({"disable": Done(1, "timed out")}))

    assert look_at_installation(site) == found


def test_the_sessions_that_go_on_are_listed(site):
    listed = "leasehold-session@a1.service loaded active running Leasehold: session a1\n"

    assert living_sessions(site, Host({"list-units": Done(0, listed)})) == ("leasehold-session@a1.service",)
