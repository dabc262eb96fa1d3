"""Installations that did not get to their end: the next one goes on with them, or puts back what ran before them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.world.systemd.install.apply import apply_install, apply_uninstall
from supervisor.world.systemd.install.cut_short import mark_of, replaced_before
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.files import installed_paths, write_files
from supervisor.world.systemd.install.installed import Installation, look_at_installation
from supervisor.world.systemd.install.look import look_at_site
from supervisor.world.systemd.install.plan import plan_install, plan_uninstall
from supervisor.world.systemd.install.prepare import prepare
from supervisor.world.systemd.install.runner import Done
from tests.unit.systemd.host import CONFIG, Host, installed

FAILS = {"start leasehold-check": Done(1, "Job failed")}


@pytest.fixture
def newer(wanted):
    """Return what an upgrade installs."""
    return replace(wanted, program=replace(wanted.program, version="2.0"))


def texts(site):
    return {path: path.read_text() for path in installed_paths(site)}


def test_one_that_is_interrupted_during_the_check_leaves_the_old_units(site, wanted, newer):
    def interrupted(argv, seconds):
        if "leasehold-check.service" in argv:
            raise KeyboardInterrupt
        return Done(0, "")

    installed(site, wanted)
    before = texts(site)
    with pytest.raises(KeyboardInterrupt):
        apply_install(plan_install(site, newer, running=True), interrupted)

    assert texts(site) == before
    assert not mark_of(site).exists()


def test_one_that_was_killed_is_checked_and_takes_effect_when_it_is_asked_for_again(site, wanted, newer):
    installed(site, wanted)
    write_files(site, plan_install(site, newer, running=True).changed)  # and it came no further
    host = Host()
    plan = plan_install(site, newer, running=True)
    apply_install(plan, host)

    assert [file.path.name for file in plan.changed] == ["leasehold.service"]
    assert "systemctl start leasehold-check.service" in host.ran
    assert host.ran[-1] == "systemctl try-restart leasehold.service"
    assert replaced_before(site) == {}


def test_one_that_was_killed_and_fails_the_check_the_next_time_gives_way_to_what_ran_before_it(
    site, wanted, newer
):
    installed(site, wanted)
    before = texts(site)
    write_files(site, plan_install(site, newer, running=True).changed)
    with pytest.raises(InstallError, match="does not pass its own check"):
        apply_install(plan_install(site, newer, running=True), Host(FAILS))

    assert texts(site) == before
    assert plan_install(site, wanted, running=True).changed == ()


def test_one_whose_units_could_not_be_enabled_restarts_the_service_the_next_time(site, wanted, newer):
    installed(site, wanted)
    with pytest.raises(InstallError, match="the units are installed, but"):
        apply_install(plan_install(site, newer, running=True), Host({"enable": Done(1, "no")}))
    host = Host()
    apply_install(plan_install(site, newer, running=True), host)

    assert host.ran[-1] == "systemctl try-restart leasehold.service"
    assert plan_install(site, newer, running=True).changed == ()


def test_a_failed_check_says_to_which_installation_the_units_went_back(site, wanted, newer):
    installed(site, wanted)
    with pytest.raises(InstallError, match="so nothing was changed; what runs goes on"):
        apply_install(plan_install(site, newer, running=True), Host(FAILS))
    with pytest.raises(InstallError, match="the units are installed, but"):
        apply_install(plan_install(site, newer, running=True), Host({"enable": Done(1, "no")}))
    before_all = "the units are again those from before the installation that was cut short"
    with pytest.raises(InstallError, match=before_all) as refused:
        apply_install(plan_install(site, newer, running=True), Host(FAILS))

    assert "nothing was changed" not in str(refused.value)


def test_what_cannot_be_put_back_is_named_and_stays_noted(site, wanted, newer):
    installed(site, wanted)
    service = site.units / "leasehold.service"
    old = service.read_text()

    def in_the_way(argv, seconds):
        if "leasehold-check.service" in argv and "start" in argv:
            service.unlink()
            (service / "folder").mkdir(parents=True)
            return Done(1, "Job failed")
        return Done(0, "")

    with pytest.raises(InstallError, match=rf"own check.*\n{service} cannot be put back: Is a directory"):
        apply_install(plan_install(site, newer, running=True), in_the_way)

    assert replaced_before(site) == {service: old}


def test_doctor_says_that_one_did_not_get_to_its_end(site, tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    found = prepare(site, tmp_path / "c.toml", "nobody", {}, 252)
    write_files(site, plan_install(site, found.wanted, running=False).changed)
    told = look_at_site(site, {}, 252, Host({"is-active": Done(0, "active")}))[1]

    assert (told.good, told.way_out) == (False, "`sudo leasehold systemd install` goes on with it")
    assert "did not get to its end" in told.told


def test_taking_out_what_was_half_taken_out_goes_on_with_what_is_there(site, wanted):
    installed(site, wanted)
    for name in ("leasehold.socket", "leasehold-launch@.timer"):
        (site.units / name).unlink()
    (site.root / "etc/sysusers.d/leasehold.conf").write_text("u somebody -\n")
    found = look_at_installation(site)
    assert isinstance(found, Installation)
    host = Host()
    gone = apply_uninstall(site, plan_uninstall(site, found, []), host)

    assert host.ran == ["systemctl disable --now leasehold.service", "systemctl daemon-reload"]
    assert gone[-1].endswith("/leasehold.service")
    assert installed_paths(site) == ()
    assert (site.root / "etc/sysusers.d/leasehold.conf").exists()


def test_a_file_that_cannot_be_removed_is_named_and_the_service_is_still_known(site, wanted):
    installed(site, wanted)
    found = look_at_installation(site)
    assert isinstance(found, Installation)
    mark_of(site).mkdir()
    with pytest.raises(InstallError, match=f"^{mark_of(site)} cannot be removed: Is a directory"):
        apply_uninstall(site, plan_uninstall(site, found, []), Host())

    assert look_at_installation(site) == found
