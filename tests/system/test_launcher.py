"""Sessions as units of a real systemd: what is left of them when their worker is killed."""

from __future__ import annotations

import signal

import pytest

from tests.system.fleet import Fleet

HIDES = {
    "a child in another session": "setsid sleep {mark} & sleep 1000",
    "a grandchild whose parent left": "(setsid sh -c 'sleep {mark} & sleep 0.1' &) ; sleep 1000",
    "a child without an environment": "setsid env -i /bin/sleep {mark} & sleep 1000",
    "a child that is stopped": "sh -c 'kill -STOP $$; : sleep {mark}' & sleep 1000",
    "a child that ignores every signal it can": "setsid sh -c 'trap \"\" TERM HUP INT QUIT; sleep {mark}' & sleep 1000",
}


@pytest.mark.parametrize("number", range(len(HIDES)), ids=[name.replace(" ", "-") for name in HIDES])
def test_promise_8_nothing_that_hid_outlives_a_killed_worker(fleet: Fleet, number: int):
    key, mark = f"hides{number}", 7000 + number
    fleet.task(key)
    session = fleet.running(key)[key]
    fleet.tell(key, list(HIDES.values())[number].format(mark=mark))
    hidden = f"sleep {mark}"

    def there() -> bool:
        return any(command.endswith(hidden) for _, command in fleet.box.processes())

    fleet.box.wait(there, hidden)
    fleet.box.sh(f"kill -{signal.SIGKILL.value} {session['worker_pid']}")

    ended = fleet.ended(key)[key]
    assert ended["outcome"] == "lost"
    assert not there()
    unit = f"leasehold-session@{session['id']}.service"
    assert fleet.show(unit, "LoadState", "ActiveState")["ActiveState"] == "inactive"


def test_a_unit_that_could_not_start_is_told_with_its_evidence_and_leaves_nothing(fleet: Fleet):
    drop_in = "/run/systemd/system/leasehold-session@.service.d/50-broken.conf"
    fleet.box.write(drop_in, "[Service]\nExecStart=\nExecStart=/nowhere/python\n")
    fleet.systemctl("daemon-reload")
    try:
        fleet.task("broken", harness="agent")  # which then rests, while another would try again at once
        ended = fleet.ended("broken")["broken"]
    finally:
        fleet.box.sh(f"rm {drop_in}; systemctl daemon-reload")

    assert ended["outcome"] == "unspawned"
    assert "its unit failed (exit-code, exit status 203)" in ended["sentence"]
    fleet.box.wait(
        lambda: "leasehold-session@" not in fleet.systemctl("list-units --all --plain --no-legend --failed"),
        "the failed unit is forgotten",
    )


def test_a_supervisor_of_another_account_does_not_take_units_that_are_not_its_own(fleet: Fleet):
    told = fleet.box.sh("leasehold doctor", code=None)

    assert "leasehold-session@.service runs sessions as dev, and this is root" in told
