"""What stands against an installation: told in one line each, with the way out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.world.systemd.install import obstacles
from supervisor.world.systemd.install.account import find_account, own_account
from supervisor.world.systemd.install.checkouts import look_at_checkout
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.installed import Foreign, Installation, look_at_installation
from supervisor.world.systemd.install.prepare import refuse_by_hand
from supervisor.world.systemd.install.site import with_runtime
from tests.unit.systemd.host import DEV, installed


def test_a_host_without_systemd_and_a_caller_without_rights_are_told_so(site, tmp_path):
    lines = list(obstacles.of_host(site, booted=tmp_path / "no", uid=1000))

    assert [line.split(";")[0].split("(")[0] for line in lines] == [
        "this host was not booted with systemd ",
        "the system's units are root's: run it with sudo, or install for yourself with --user",
    ]
    assert list(obstacles.of_host(site, booted=tmp_path, uid=0)) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"account": "eve"}, ["the units are installed for account eve"]),
        ({"config": Path("/other.toml")}, ["the units are installed for /other.toml"]),
    ],
)
def test_units_of_another_account_or_configuration_are_not_replaced(changes, told):
    found = replace(Installation("1.0", "dev", Path("/c.toml"), Path("/s"), 90.0), **changes)
    lines = list(obstacles.of_installed(found, DEV, Path("/c.toml")))

    assert [line.split(" (")[0].split(";")[0] for line in lines] == told
    assert all("leasehold systemd uninstall" in line for line in lines)


def test_a_unit_that_somebody_else_wrote_is_not_replaced(site):
    site.units.mkdir(parents=True)
    path = site.units / "leasehold.service"
    path.write_text("[Service]\nExecStart=/bin/true\n")

    assert look_at_installation(site) == Foreign(path)
    assert list(obstacles.of_files(site)) == [
        f"{path} is there and was not written by `leasehold systemd install`; move it away"
    ]


def test_a_file_of_somebody_else_in_the_place_of_one_of_ours_is_not_replaced_nor_a_masked_unit(site, wanted):
    installed(site, wanted)
    assert list(obstacles.of_files(site)) == []
    tmpfiles, socket = site.root / "etc/tmpfiles.d/leasehold.conf", site.units / "leasehold.socket"
    tmpfiles.write_text("d /srv/leases\n")
    socket.unlink()
    socket.symlink_to("/dev/null")

    assert sorted(obstacles.of_files(site)) == [
        f"{socket} is a link to /dev/null: the unit is masked, and would not start; unmask it",
        f"{tmpfiles} is there and was not written by `leasehold systemd install`; move it away",
    ]


def test_a_program_or_configuration_that_the_account_cannot_read_is_named_with_the_closed_folder(
    site, wanted, tmp_path
):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "python").write_text("")
    hidden = replace(wanted, program=replace(wanted.program, python=closed / "python"))
    lines = list(obstacles.of_account(site, hidden))

    assert lines[0].startswith(f"account dev cannot run {closed}/python: ")
    assert "is closed to it; install Leasehold where it can read" in lines[0]


def test_a_repository_of_somebody_else_is_refused_with_its_owner(site, wanted, tmp_path):
    (tmp_path / "app/.git").mkdir(parents=True)
    checkout = look_at_checkout(tmp_path / "app")
    lines = list(obstacles.of_account(site, replace(wanted, checkouts=(checkout,))))
    owner = own_account().name

    assert (
        f"{checkout.root} belongs to {owner}, and sessions would run as dev; add --run-as {owner}"
        in lines[-1]
    )


def test_a_configuration_that_hides_its_socket_from_operators_is_refused(site, wanted):
    (line,) = obstacles.of_places(site, wanted, None)

    assert 'write runtime_dir = "/run/leasehold"' in line
    assert list(obstacles.of_places(site, wanted, "/run/leasehold")) == []


def test_root_and_unknown_accounts_run_no_sessions():
    with pytest.raises(InstallError, match="must not run as root"):
        find_account("root")
    with pytest.raises(InstallError, match='no account "nobody-of-this-name"'):
        find_account("nobody-of-this-name")


def test_a_supervisor_started_by_hand_is_not_run_over(tmp_path, wanted):
    import socket

    settings = wanted.settings.model_copy(
        update={"supervisor": wanted.settings.supervisor.model_copy(update={"runtime_dir": tmp_path})}
    )
    refuse_by_hand(settings)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "ctl.sock"))
        sock.listen()
        with pytest.raises(InstallError, match=rf"runs with this configuration \(pid {os.getpid()}\)"):
            refuse_by_hand(settings)


def test_a_user_without_a_manager_is_told_how_to_have_one(tmp_path):
    with pytest.raises(InstallError, match="loginctl enable-linger"):
        with_runtime({}, base=tmp_path)
    (tmp_path / str(os.getuid()) / "systemd").mkdir(parents=True)

    assert with_runtime({}, base=tmp_path) == {"XDG_RUNTIME_DIR": f"{tmp_path}/{os.getuid()}"}
