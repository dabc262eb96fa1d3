"""Installing units: what stands against it, what is done in which order, and what a failure leaves behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from supervisor.world.config.load import load
from supervisor.world.systemd.install import obstacles
from supervisor.world.systemd.install.account import Account, find_account, own_account
from supervisor.world.systemd.install.apply import apply_install, apply_uninstall, living_sessions, version_of
from supervisor.world.systemd.install.checkouts import look_at_checkout
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.files import UnitFile, installed_paths, write_files
from supervisor.world.systemd.install.installed import Foreign, Installation, look_at_installation
from supervisor.world.systemd.install.look import look_at_site
from supervisor.world.systemd.install.plan import plan_install, plan_uninstall
from supervisor.world.systemd.install.prepare import prepare, refuse_by_hand, system_config
from supervisor.world.systemd.install.program import Program, this_program
from supervisor.world.systemd.install.runner import Done
from supervisor.world.systemd.install.site import system_site, with_runtime
from supervisor.world.systemd.install.values import Wanted

CONFIG = '[supervisor]\nruntime_dir = "/run/leasehold"\nstate_dir = "/var/lib/leasehold"\n[harness.a]\ncommand = "true"\n'
DEV = Account("dev", "dev", Path("/home/dev"), "/bin/bash", 4242, frozenset({4242}))


@dataclass
class Host:
    """A host on which commands succeed, but for those that a test gives another end."""

    ends: dict[str, Done] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], seconds: float) -> Done:
        line = " ".join(argv).replace(" --no-ask-password", "")
        assert seconds > 0
        self.ran.append(line)
        return next((done for part, done in self.ends.items() if part in line), Done(0, ""))


@pytest.fixture
def site(tmp_path):
    return system_site(tmp_path / "root")


@pytest.fixture
def wanted(tmp_path) -> Wanted:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return Wanted(
        settings=load(file, {}),
        account=DEV,
        program=Program("1.0", ("/bin/sh",), Path("/bin/sh"), Path("/opt"), Path("/opt")),
        checkouts=(),
        path="/bin",
        environment_file=Path("/etc/leasehold/environment"),
        credentials=Path("/etc/leasehold/credentials"),
        systemd=252,
    )


def installed(site, wanted) -> None:
    apply_install(plan_install(site, wanted, running=False), Host())


# --- the order of things ----------------------------------------------------------------------------


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


def test_a_file_that_cannot_be_written_puts_those_before_it_back(tmp_path):
    first = UnitFile(tmp_path / "a", "new")
    first.path.write_text("old")
    (tmp_path / "b").write_text("a file where a folder is needed")
    with pytest.raises(InstallError, match="cannot be written"):
        write_files([first, UnitFile(tmp_path / "b/c", "x")])

    assert first.path.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


# --- taking it out ----------------------------------------------------------------------------------


def test_uninstalling_stops_timers_and_service_and_removes_the_files_and_nothing_else(site, wanted):
    installed(site, wanted)
    (site.units / "leasehold.service.d").mkdir()
    found = look_at_installation(site)
    assert isinstance(found, Installation)
    host = Host()
    gone = apply_uninstall(site, plan_uninstall(site, found, ["leasehold-launch@a.timer"]), host)

    assert host.ran == [
        "systemctl disable --now leasehold-launch@a.timer",
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


# --- what stands against it -------------------------------------------------------------------------


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
    assert list(obstacles.of_installed(Foreign(path), DEV, Path("/c"))) == [
        f"{path} is there and was not written by `leasehold systemd install`; move it away"
    ]


def test_what_is_installed_is_read_from_the_unit(site, wanted):
    assert look_at_installation(site) is None
    installed(site, wanted)

    assert look_at_installation(site) == Installation(
        "1.0", "dev", wanted.settings.path, Path("/var/lib/leasehold"), 25.0
    )


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


def test_a_user_without_a_manager_is_told_how_to_have_one(tmp_path):
    with pytest.raises(InstallError, match="loginctl enable-linger"):
        with_runtime({}, base=tmp_path)
    (tmp_path / str(os.getuid()) / "systemd").mkdir(parents=True)

    assert with_runtime({}, base=tmp_path) == {"XDG_RUNTIME_DIR": f"{tmp_path}/{os.getuid()}"}


@pytest.mark.parametrize(
    ("text", "version"), [("systemd 252 (252.38-1~deb12u1)", 252), ("what?", 0), ("", 0)]
)
def test_the_version_of_systemd_is_read_from_what_it_says(text, version):
    assert version_of(Host({"--version": Done(0, text)})) == version


# --- what doctor says -------------------------------------------------------------------------------


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
