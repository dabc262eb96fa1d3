"""What is read before anything is done: configuration, program, systemd, and what is installed already."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.world.systemd.install.apply import version_of
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.installed import Installation, look_at_installation
from supervisor.world.systemd.install.look import look_at_site
from supervisor.world.systemd.install.prepare import prepare, system_config
from supervisor.world.systemd.install.program import this_program
from supervisor.world.systemd.install.runner import Done
from tests.unit.systemd.host import CONFIG, Host, installed


def test_what_is_installed_is_read_from_the_unit(site, wanted):
    assert look_at_installation(site) is None
    installed(site, wanted)

    assert look_at_installation(site) == Installation(
        "1.0", "dev", wanted.settings.path, Path("/var/lib/leasehold"), 25.0
    )


def test_the_configuration_of_the_host_is_the_one_that_is_named_or_that_in_etc(tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)

    assert system_config("c.toml", {}, tmp_path) == tmp_path / "c.toml"
    with pytest.raises(InstallError, match=r"other\.toml: no such file"):
        system_config("other.toml", {}, tmp_path)


def test_variables_of_the_shell_do_not_decide_what_the_service_is_given(site, tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    environ = {"LEASEHOLD__SUPERVISOR__STATE_DIR": "/elsewhere", "HOME": "/root"}
    found = prepare(site, tmp_path / "c.toml", "nobody", environ, 252)

    assert found.wanted.settings.supervisor.state_dir == Path("/var/lib/leasehold")


def test_a_faulty_configuration_is_told_with_its_line(site, tmp_path):
    (tmp_path / "c.toml").write_text("[supervisor]\nmax_sesions = 1\n")
    with pytest.raises(InstallError, match=r"c.toml:2: unknown key"):
        prepare(site, tmp_path / "c.toml", "nobody", {}, 252)


@pytest.mark.parametrize(
    ("text", "version"), [("systemd 252 (252.38-1~deb12u1)", 252), ("what?", 0), ("", 0)]
)
def test_the_version_of_systemd_is_read_from_what_it_says(text, version):
    assert version_of(Host({"--version": Done(0, text)})) == version


def test_doctor_says_whether_the_units_are_what_the_configuration_asks_for(site, tmp_path):
    (tmp_path / "c.toml").write_text(CONFIG)
    found = prepare(site, tmp_path / "c.toml", "nobody", {}, 252)
    installed(site, found.wanted)
    active = Host({"is-active": Done(0, "active")})
    good = look_at_site(site, {}, 252, active)
    (site.units / "leasehold.socket").write_text("changed\n")
    bad = look_at_site(site, {}, 252, Host({"is-active": Done(3, "failed")}))

    assert [finding.good for finding in good] == [True, True]
    assert [finding.good for finding in bad] == [False, False]
    assert bad[0].way_out == "`systemctl start leasehold.service`"
    assert "leasehold.socket" in bad[1].told


def test_doctor_says_nothing_of_a_manager_without_units(site):
    assert look_at_site(site, {}, 252, Host()) == []


def test_the_program_that_runs_can_say_where_it_is():
    program = this_program()

    assert program.python.exists()
    assert (program.workers / "__main__.py").is_file()
