"""Sessions that a timer of systemd starts."""

from __future__ import annotations

from tests.system.fleet import Fleet


def test_a_launch_timer_starts_a_session_of_its_harness(fleet: Fleet):
    fleet.configure(supervisor={"pool": False})
    fleet.systemctl("reload leasehold.service")
    fleet.task("nightly")
    assert fleet.ask("ps")["sessions"] == []
    soon = "[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:00/1\nRandomizedDelaySec=0\nAccuracySec=10ms\n"
    fleet.box.write("/etc/systemd/system/leasehold-launch@agent.timer.d/soon.conf", soon)
    fleet.systemctl("daemon-reload")
    fleet.systemctl("start leasehold-launch@agent.timer")

    assert fleet.wait_for("session.running", task="nightly")
    fleet.systemctl("stop leasehold-launch@agent.timer")
    fleet.tell("nightly", "commit")
    assert fleet.ended("nightly")["nightly"]["outcome"] == "finished"
