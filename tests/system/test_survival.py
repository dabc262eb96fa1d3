"""What happens to sessions when their supervisor dies, restarts, stops, hangs, or is replaced."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.system.fleet import ACCOUNT, ROOT, Fleet

numbers = itertools.count()


@pytest.fixture
def keys(fleet: Fleet):
    """Return what makes tasks with sessions that run; whatever is left of them is ended after the test."""
    made: list[str] = []

    def make(count: int) -> list[str]:
        new = [f"t{next(numbers)}" for _ in range(count)]
        for key in new:
            fleet.task(key)
        made.extend(new)
        fleet.running(*new)
        return new

    yield make
    for key in fleet.sessions():
        fleet.leasehold("session", "kill", key)


def identities(fleet: Fleet, keys: list[str]) -> dict[str, tuple[str, ...]]:
    """Return session, process id and start time that each task's agent wrote, and that it began once."""
    found: dict[str, tuple[str, ...]] = {}
    for task, *identity in fleet.evidence():
        if task in keys:
            assert task not in found, f"{task} began twice"
            found[task] = tuple(identity)
    return found


def assert_alive(fleet: Fleet, before: dict[str, tuple[str, ...]]) -> None:
    """Check that the same processes are there, and that `ps` shows the same sessions."""
    shown = fleet.sessions()
    for task, (session, pid, start) in before.items():
        assert fleet.alive(pid, start), f"{task} is gone"
        assert shown[task]["id"] == session
        assert shown[task]["pid"] == int(pid)


def back(fleet: Fleet, pid: int) -> None:
    """Return once a supervisor other than `pid` is ready."""

    def ready() -> bool:
        shown = fleet.show("leasehold.service", "MainPID", "ActiveState", "SubState")
        return shown["SubState"] == "running" and int(shown["MainPID"]) not in {0, pid}

    fleet.box.wait(ready, "the supervisor is back", 10)


def test_promise_7_kill_9_of_the_supervisor_ten_times_loses_and_doubles_nothing(fleet: Fleet, keys):
    running = keys(6)
    for turn in range(10):
        before = identities(fleet, running)
        pid = fleet.main_pid()
        leaving = running.pop(0)
        # One ends while nobody watches, with a code of its own; another begins as the supervisor comes back.
        fleet.box.sh(
            f"kill -9 {pid}; echo 'exit {40 + turn}' >{ROOT}/.leasehold/pipes/{leaving}"
            if turn % 2
            else f"echo 'exit {40 + turn}' >{ROOT}/.leasehold/pipes/{leaving}; kill -9 {pid}"
        )
        back(fleet, pid)

        ended = fleet.ended(leaving)[leaving]
        del before[leaving]
        assert ended["evidence"]["code"] == 40 + turn
        assert ended["evidence"]["cause"] == "exited"
        assert_alive(fleet, before)
        running += keys(1)
    assert len(fleet.events("session.lost")) == 0
    started = [event["task"] for event in fleet.events("session.intended")]
    assert len(started) == len(set(started))


def test_promise_7_random_kills_during_continuous_launches_lose_and_double_nothing(fleet: Fleet):
    seed = random.randrange(10**6)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    keys = [f"load{number}" for number in range(24)]
    for key in keys:
        fleet.task(key, harness="quick")
    for _ in range(12):
        pause = chance.uniform(0.2, 1.0)
        fleet.box.sh(
            f"sleep {pause:.3f}; kill -9 $(systemctl show -p MainPID --value leasehold.service)", code=None
        )

    ended = fleet.ended(*keys)
    assert {key: end["outcome"] for key, end in ended.items()} == dict.fromkeys(keys, "finished"), seed
    began = [task for task, *_ in fleet.evidence() if task in ended]
    assert sorted(began) == sorted(keys), seed
    log = fleet.sh("git log --format=%s").splitlines()
    assert sorted(line for line in log if "load" in line) == sorted(f"Do {key}" for key in keys), seed


def test_systemctl_restart_keeps_sessions_whatever_on_stop_says(fleet: Fleet, keys):
    running = keys(3)
    before = identities(fleet, running)
    for on_stop in ("leave", "stop", "drain"):
        fleet.configure(supervisor={"on_stop": on_stop})
        fleet.systemctl("reload leasehold.service")
        pid = fleet.main_pid()
        fleet.systemctl("restart leasehold.service")
        assert fleet.main_pid() != pid
        assert_alive(fleet, before)
    fleet.configure()
    fleet.systemctl("reload leasehold.service")


def test_systemctl_stop_leaves_sessions_and_start_adopts_them(fleet: Fleet, keys):
    (kept, leaving) = running = keys(2)
    before = identities(fleet, running)
    fleet.systemctl("stop leasehold.service")

    assert fleet.show("leasehold.service", "ActiveState")["ActiveState"] == "inactive"
    assert all(fleet.alive(pid, start) for _, pid, start in before.values())
    fleet.tell(leaving, "exit 7")
    fleet.systemctl("start leasehold.service")
    assert fleet.ended(leaving)[leaving]["evidence"]["code"] == 7
    del before[leaving]
    assert_alive(fleet, before)
    assert fleet.sessions()[kept]["state"] == "running"


def test_systemctl_stop_with_on_stop_stop_leaves_no_process(fleet: Fleet, keys):
    running = keys(3)
    before = identities(fleet, running)
    fleet.configure(supervisor={"on_stop": "stop"})
    fleet.systemctl("reload leasehold.service")
    fleet.systemctl("stop leasehold.service")

    assert not any(fleet.alive(pid, start) for _, pid, start in before.values())
    assert fleet.box.sh(f"pgrep -a -u {ACCOUNT}", code=1) == ""
    assert fleet.show("leasehold.service", "Result")["Result"] == "success"
    assert {fleet.ended(key)[key]["outcome"] for key in running} == {"stopped"}
    fleet.configure()
    fleet.systemctl("start leasehold.service")


def test_systemctl_stop_with_on_stop_drain_waits_for_the_sessions(fleet: Fleet, keys):
    running = keys(2)
    before = identities(fleet, running)
    fleet.configure(supervisor={"on_stop": "drain"})
    fleet.box.sh("systemctl reload leasehold.service; systemctl stop --no-block leasehold.service")
    fleet.wait_for("supervisor.signal", signal="SIGTERM")
    assert fleet.show("leasehold.service", "ActiveState")["ActiveState"] == "deactivating"
    assert all(fleet.alive(pid, start) for _, pid, start in before.values())
    for key in running:
        fleet.tell(key, "commit")

    fleet.box.wait(
        lambda: fleet.show("leasehold.service", "ActiveState")["ActiveState"] == "inactive", "drained"
    )
    assert {ended["outcome"] for ended in fleet.ended(*running).values()} == {"finished"}
    fleet.configure()
    fleet.systemctl("start leasehold.service")


def test_a_supervisor_whose_loop_hangs_is_restarted_by_the_watchdog_and_sessions_go_on(fleet: Fleet, keys):
    running = keys(2)
    before = identities(fleet, running)
    fleet.box.write("/run/systemd/system/leasehold.service.d/watchdog.conf", "[Service]\nWatchdogSec=1s\n")
    fleet.box.sh("systemctl daemon-reload; systemctl restart leasehold.service")
    pid = fleet.main_pid()
    fleet.box.sh(f"kill -STOP {pid}")
    back(fleet, pid)

    told = "\n".join(entry["MESSAGE"] for entry in fleet.box.journal("-u", "leasehold.service", "_PID=1"))
    assert "atchdog" in told
    assert_alive(fleet, before)
    fleet.box.sh("rm -r /run/systemd/system/leasehold.service.d; systemctl daemon-reload")
    fleet.systemctl("restart leasehold.service")


def test_stopping_the_slice_ends_all_sessions_and_their_tasks_start_again_after_a_pause(fleet: Fleet, keys):
    running = keys(2)
    before = identities(fleet, running)
    pid = fleet.main_pid()
    fleet.leasehold("pause")
    fleet.systemctl("stop leasehold-sessions.slice")

    assert not any(fleet.alive(pid, start) for _, pid, start in before.values())
    assert fleet.main_pid() == pid
    ended = fleet.ended(*running)
    assert {end["outcome"] for end in ended.values()} == {"stopped"}
    assert all("stopped by service manager" in end["sentence"] for end in ended.values()), ended
    assert fleet.sessions() == {}
    fleet.leasehold("resume")
    for key in running:
        fleet.wait_for("session.running", 2, task=key)


def test_a_supervisor_that_finds_the_bus_hanging_says_so_touches_no_session_and_comes_back(
    fleet: Fleet, keys
):
    running = keys(2)
    before = identities(fleet, running)
    fleet.box.sh(f"pkill -STOP -x dbus-daemon; kill -9 {fleet.main_pid()}")
    try:
        fleet.box.wait(
            lambda: "did not answer" in fleet.show("leasehold.service", "StatusText")["StatusText"],
            "the status line names the bus",
        )
        assert all(fleet.alive(pid, start) for _, pid, start in before.values())
    finally:
        fleet.box.sh("pkill -CONT -x dbus-daemon")
    assert_alive(fleet, before)
    fleet.tell(running[0], "exit 5")
    assert fleet.ended(running[0])[running[0]]["evidence"]["code"] == 5


def test_an_upgrade_keeps_sessions_and_a_failing_check_keeps_the_old_supervisor(fleet: Fleet, keys):
    running = keys(2)
    before = identities(fleet, running)
    pid = fleet.main_pid()
    fleet.configure(supervisor={"max_session": 3})

    assert "max_session" in fleet.install(code=1)
    assert fleet.main_pid() == pid
    assert_alive(fleet, before)

    fleet.configure(harness={"budget": "3h"})
    place = "/opt/leasehold/lib/python3*/site-packages/supervisor/__init__.py"
    fleet.box.sh(f"sed -i 's/^__version__ = .*/__version__ = \"99.0.0\"/' {place}")
    fleet.install()
    assert fleet.main_pid() != pid
    assert fleet.ask("status")["version"] == "99.0.0"
    assert_alive(fleet, before)
    again = fleet.main_pid()
    fleet.install()
    assert_alive(fleet, before)
    assert fleet.main_pid() == again, "an installation that changes nothing restarts nothing"


def test_uninstall_takes_the_units_out_and_says_what_it_leaves(fleet: Fleet, keys):
    running = keys(1)
    before = identities(fleet, running)
    fleet.systemctl("enable leasehold-launch@agent.timer")  # and not started
    told = fleet.leasehold("systemd", "uninstall")

    assert "/var/lib/leasehold" in told
    left = fleet.box.sh(
        "ls -R /etc/systemd/system /etc/polkit-1/rules.d /usr/lib/sysusers.d /etc/sysusers.d", code=None
    )
    assert "leasehold" not in left
    assert fleet.show("leasehold.service", "LoadState")["LoadState"] == "not-found"
    assert all(fleet.alive(pid, start) for _, pid, start in before.values())
    fleet.configure()
    fleet.install()
    assert_alive(fleet, before)
