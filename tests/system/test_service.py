"""Installed as a service of the system: units, sessions, signals, reload, socket, journal, rights."""

from __future__ import annotations

import shlex

import pytest

from tests.system.fleet import ACCOUNT, ROOT, Fleet

SOCKET = "/run/leasehold/ctl.sock"


def test_install_starts_the_service_with_its_socket_for_the_account(fleet: Fleet):
    service = fleet.show("leasehold.service", "ActiveState", "Type", "User", "UnitFileState", "NRestarts")
    socket = fleet.show("leasehold.socket", "ActiveState", "UnitFileState")

    assert service == {
        "ActiveState": "active",
        "Type": "notify",
        "User": ACCOUNT,
        "UnitFileState": "enabled",
        "NRestarts": "0",
    }
    assert socket == {"ActiveState": "active", "UnitFileState": "enabled"}
    assert fleet.ask("status")["pid"] == fleet.main_pid()


def test_the_guard_of_sessions_is_not_held_back_by_the_sandbox_of_their_supervisor(fleet: Fleet):
    here = fleet.ask("doctor")  # of root, without a sandbox
    found = fleet.ask("status")

    assert found["level"] == here["level"], found["level_seen"]


def test_a_write_to_what_another_session_holds_is_refused_in_a_unit_too(fleet: Fleet):
    if fleet.ask("doctor")["level"] != "kernel":
        pytest.skip("the kernel of this computer cannot hold system calls")
    fleet.task("holder")
    fleet.task("intruder")
    fleet.running("holder", "intruder")
    fleet.tell("holder", "echo mine >shared.txt; read -r _ <.leasehold/pipes/holder")
    fleet.wait_for("lease.granted", task="holder")

    fleet.tell("intruder", "echo theirs >shared.txt || exit 7")
    ended = fleet.ended("intruder")["intruder"]

    assert ended["outcome"] == "failed"
    assert "shared.txt is held by session" in fleet.wait_for("write.refused", task="intruder")["why"]
    assert fleet.inside(f"{ROOT}/shared.txt").read_text() == "mine\n"
    fleet.tell("holder", "go on")
    fleet.ended("holder")


def test_doctor_and_check_tell_an_onlooker_what_is_true_of_the_service(fleet: Fleet):
    told = fleet.leasehold("doctor")
    fleet.box.sh("useradd -m onlooker; usermod -aG leasehold onlooker")

    checked = fleet.leasehold("check", user="onlooker", code=1)

    found = fleet.ask("status")
    assert f"ok  supervisor: pid {found['pid']} runs at level {found['level']}" in told
    assert checked.endswith(
        f"leasehold.service reads this file as {ACCOUNT}, and you are onlooker: "
        f"`sudo -u {ACCOUNT} leasehold check` sees what it sees\n"
    )


def test_a_session_runs_in_a_unit_of_its_own_that_says_how_it_ended(fleet: Fleet):
    fleet.task("a")
    fleet.task("b")
    found = fleet.running("a", "b")
    pids = {task: pid for task, _, pid, _ in fleet.evidence()}

    for task, session in found.items():
        unit = f"leasehold-session@{session['id']}.service"
        shown = fleet.show(unit, "ActiveState", "Slice", "User", "ControlGroup")
        group = fleet.box.sh(f"cat /proc/{pids[task]}/cgroup")
        assert shown["ActiveState"] == "active"
        assert shown["Slice"] == "leasehold-sessions.slice"
        assert shown["User"] == ACCOUNT
        assert shown["ControlGroup"] in group

    assert fleet.show("leasehold.service", "StatusText")["StatusText"].startswith("2 running")
    fleet.tell("a", "commit")
    fleet.tell("b", "exit 3")
    ended = fleet.ended("a", "b")
    assert ended["a"]["outcome"] == "finished"
    assert ended["b"]["outcome"] == "failed"
    assert ended["b"]["evidence"]["code"] == 3
    fleet.box.wait(
        lambda: "leasehold-session@" not in fleet.systemctl("list-units --all --plain --no-legend"),
        "no unit of an ended session is left",
    )


def test_usr1_reaches_the_supervisor_only_and_is_acknowledged_in_the_status_line(fleet: Fleet):
    fleet.task("usr1")
    session = fleet.running("usr1")["usr1"]
    fleet.systemctl("kill -s USR1 leasehold.service")

    fleet.wait_for("supervisor.signal", signal="SIGUSR1")
    fleet.box.wait(
        lambda: "SIGUSR1" in fleet.show("leasehold.service", "StatusText")["StatusText"],
        "the status line names the signal",
    )
    assert fleet.ask("status")["last_signal"]["signal"] == "SIGUSR1"
    assert fleet.sessions()["usr1"]["id"] == session["id"]
    fleet.tell("usr1", "commit")
    fleet.ended("usr1")


def test_reload_returns_when_it_is_done_twenty_times_of_twenty(fleet: Fleet):
    done = 0
    for slots in range(20, 40):
        fleet.configure(supervisor={"max_sessions": slots})
        fleet.systemctl("reload leasehold.service")
        done += fleet.ask("status")["slots"]["of"] == slots

    assert done == 20


def test_reload_of_a_faulty_configuration_fails_and_the_old_one_goes_on(fleet: Fleet):
    fleet.configure(supervisor={"max_sessions": 8})
    fleet.systemctl("reload leasehold.service")
    pid = fleet.main_pid()
    fleet.configure(supervisor={"max_session": 9})

    assert fleet.box.run(["systemctl", "reload", "leasehold.service"]).returncode != 0
    told = "\n".join(entry["MESSAGE"] for entry in fleet.box.journal("-u", "leasehold.service"))
    assert "max_session" in told
    assert fleet.main_pid() == pid
    assert fleet.ask("status")["slots"]["of"] == 8
    assert fleet.show("leasehold.service", "ActiveState")["ActiveState"] == "active"
    fleet.configure()
    fleet.systemctl("reload leasehold.service")


def test_members_of_the_group_are_operators_and_others_are_not(fleet: Fleet):
    fleet.box.sh("useradd -m -G leasehold member; useradd -m stranger")

    fleet.leasehold("pause", user="member")
    assert fleet.ask("status")["admission"] == "paused"
    fleet.leasehold("resume", user="member")
    refused = fleet.leasehold("status", user="stranger", code=3)
    assert refused == (
        f"leasehold: the supervisor on {SOCKET} cannot be reached: this account may not use it; "
        f"{ACCOUNT} and members of the group leasehold may (`usermod -aG leasehold NAME` makes one)\n"
    )
    assert fleet.box.sh(f"stat -c '%a %U %G' {SOCKET}").split() == ["660", ACCOUNT, "leasehold"]


def test_a_member_is_told_whose_the_logs_are(fleet: Fleet):
    fleet.box.sh("useradd -m -G leasehold reader")
    fleet.task("private")
    session = fleet.running("private")["private"]["id"]

    said = fleet.leasehold("session", "logs", "private", user="reader", code=1)

    log = f"/var/lib/leasehold/sessions/{session}/out.log"
    assert said == f"Error: {log}: this account may not read it; ask as {ACCOUNT} or as root\n"
    fleet.tell("private", "commit")


def test_a_verb_that_finds_the_service_stopped_names_the_command_that_starts_it(fleet: Fleet):
    fleet.task("unseen")
    session = fleet.running("unseen")["unseen"]["id"]
    fleet.systemctl("stop leasehold.socket leasehold.service")
    try:
        said = fleet.leasehold("status", code=3)
        listed = fleet.leasehold("session", "list")
    finally:
        fleet.systemctl("start leasehold.socket leasehold.service")

    assert said.endswith("`sudo systemctl start leasehold.socket leasehold.service` starts it\n")
    assert f"{session}   running" in listed
    fleet.tell("unseen", "commit")


def test_clients_that_call_during_a_restart_wait_and_none_is_refused(fleet: Fleet):
    told = fleet.box.sh("""
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do leasehold status >/dev/null && echo ok || echo refused; done >/tmp/one &
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do leasehold status >/dev/null && echo ok || echo refused; done >/tmp/two &
        for n in 1 2 3; do systemctl restart leasehold.service; done
        wait; cat /tmp/one /tmp/two""")

    assert told.split() == ["ok"] * 24


def test_the_journal_finds_what_happened_by_session(fleet: Fleet):
    fleet.task("fields")
    session = fleet.running("fields")["fields"]["id"]
    fleet.tell("fields", "commit")
    fleet.ended("fields")

    entries = fleet.box.journal(f"LEASEHOLD_SESSION={session}")
    assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {"leasehold.service"}
    assert {"session.running", "session.ended"} <= {entry["LEASEHOLD_EVENT"] for entry in entries}
    assert {entry["LEASEHOLD_TASK"] for entry in entries} == {"fields"}


ALLOWED = [
    "systemctl start leasehold-session@probe.service",
    "systemctl kill -s CONT leasehold-session@probe.service",
    "systemctl set-property --runtime leasehold-session@probe.service TasksMax=100",
    "systemctl stop leasehold-session@probe.service",
    "systemctl reset-failed leasehold-session@probe.service",
]
REFUSED = [
    "systemctl restart leasehold-session@probe.service",
    "systemctl reload leasehold-session@probe.service",
    "systemctl stop dbus.service",
    "systemctl start leasehold-session@probe.service.d.service",
    "systemctl stop leasehold.service",
    "systemctl kill leasehold.service",
    "systemctl stop leasehold-sessions.slice",
    "systemctl set-property --runtime leasehold-sessions.slice TasksMax=1",
    "systemctl daemon-reload",
    "systemctl enable leasehold-session@probe.service",
    "systemd-run --wait id",
    "systemd-run --wait --unit=leasehold-session@evil.service id",
]
DENIED = ("Access denied", "authentication required", "Interactive authentication required")


def as_user(fleet: Fleet, command: str, user: str) -> str:
    verb, rest = command.split(" ", 1)
    return fleet.box.sh(f"{verb} --no-ask-password {rest}", code=None, user=user)


@pytest.fixture
def probe(fleet: Fleet):
    """Give the account's verbs a unit of a session that does not exist, which runs all the same."""
    place = "/run/systemd/system/leasehold-session@probe.service.d/50-probe.conf"
    text = "[Service]\nType=exec\nExecStart=\nExecStart=sleep infinity\n"
    fleet.box.write(place, text)
    fleet.systemctl("daemon-reload")
    yield
    fleet.box.sh(
        f"systemctl stop leasehold-session@probe.service; rm {shlex.quote(place)}; systemctl daemon-reload"
    )


def test_polkit_allows_the_account_five_verbs_on_session_units(fleet: Fleet, probe):
    unit = "leasehold-session@probe.service"
    told = {}
    seen = []
    for command in ALLOWED:
        told[command] = as_user(fleet, command, ACCOUNT)
        shown = fleet.show(unit, "ActiveState", "TasksMax")
        seen.append((shown["ActiveState"], shown["TasksMax"] == "100"))

    assert {c: t for c, t in told.items() if any(d.lower() in t.lower() for d in DENIED)} == {}
    assert [state for state, _ in seen] == ["active", "active", "active", "inactive", "inactive"]
    assert seen[2][1]


def test_polkit_refuses_the_account_everything_else_and_others_all(fleet: Fleet, probe):
    fleet.box.sh("id other || useradd -m other")
    fleet.systemctl("start leasehold-session@probe.service")
    told = {command: as_user(fleet, command, ACCOUNT) for command in REFUSED}
    told |= {f"other: {command}": as_user(fleet, command, "other") for command in ALLOWED[:4]}

    assert {c: t for c, t in told.items() if not any(d.lower() in t.lower() for d in DENIED)} == {}
    assert fleet.show("leasehold-session@probe.service", "ActiveState")["ActiveState"] == "active"
    assert fleet.show("leasehold.service", "ActiveState")["ActiveState"] == "active"


def test_doctor_says_that_units_hold_the_sessions(fleet: Fleet):
    told = fleet.box.sh(f"cd {ROOT}; leasehold doctor", code=None, user=ACCOUNT)

    assert "launcher.unseen" not in told  # the manager answered, also when strays were looked for

    assert "leasehold-session@" in told or "system units" in told, told
