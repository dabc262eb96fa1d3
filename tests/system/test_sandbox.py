"""What sessions and supervisor may do inside their units, and what they are given."""

from __future__ import annotations

import json
from shlex import quote

import pytest

from tests.system.fleet import ACCOUNT, PREFIX, ROOT, Fleet

# What harnesses were seen to need: each a shell command that must work inside a session's unit.
NEEDED = {
    "a user namespace": "unshare --user --map-root-user true",
    "a mount namespace in it": "unshare --user --map-root-user --mount true",
    "a pseudo-terminal": f"{PREFIX}/bin/python -c 'import pty; pty.spawn([\"true\"])'",
    "memory that is written, then run": "! command -v node || node -e 'for (let i = 0; i < 1e6; i++) Math.sqrt(i)'",
    "tracing a child": "! command -v strace || strace -o /dev/null true",
    "the network's addresses": "ip address show lo",
    "a socket on loopback": f"{PREFIX}/bin/python -c 'import socket; socket.create_server((\"127.0.0.1\", 0))'",
    "its home": "echo x >~/.cache-of-a-harness && rm ~/.cache-of-a-harness",
    "a place for temporary files": "mktemp",
    "its repository": "git status --porcelain && echo x >scratch && rm scratch",
    "being nice": "nice -n 5 true",
}
REFUSED = {
    "the system's files": "echo x >/etc/leasehold-was-here",
    "the units": "echo x >/etc/systemd/system/leasehold-was-here",
    "sudo and the like": "test ! -u /bin/su || su root -c true",
    "the kernel's settings": "echo 1 >/proc/sys/kernel/printk",
}


@pytest.fixture(scope="module")
def found(fleet: Fleet) -> dict[str, str]:
    """Return what each command said inside a session's unit, empty when it worked."""
    probe = "\n".join(
        f"({command}) >/tmp/said 2>&1 </dev/null && echo {quote(json.dumps([name, '']))} >>.leasehold/probed "
        f"|| echo {quote(json.dumps([name, 'failed']))} >>.leasehold/probed"
        for name, command in (NEEDED | REFUSED).items()
    )
    fleet.write(".leasehold/probe.sh", probe)
    fleet.task("probe")
    fleet.running("probe")
    fleet.tell("probe", ". ./.leasehold/probe.sh")
    fleet.ended("probe")
    lines = fleet.sh("cat .leasehold/probed").splitlines()
    return dict(json.loads(line) for line in lines)


def test_a_session_can_do_what_harnesses_need(found):
    assert {name: found.get(name) for name in NEEDED} == dict.fromkeys(NEEDED, "")


def test_a_session_cannot_reach_the_system(found):
    assert {name: found.get(name) for name in REFUSED} == dict.fromkeys(REFUSED, "failed")


def test_the_exposure_of_both_is_low(fleet: Fleet):
    for unit, limit in (("leasehold.service", 1.5), ("leasehold-session@any.service", 3.5)):
        said = fleet.box.sh(f"systemd-analyze security --no-pager {unit}").splitlines()[-1]
        assert float(said.split(":", 1)[1].split()[0]) <= limit, said


def test_a_secret_reaches_a_session_as_a_credential_and_lies_nowhere_else(fleet: Fleet):
    fleet.box.write("/etc/leasehold/credentials/API_KEY", "hush-4711", mode=0o600)
    fleet.configure(harness={"env_from": ["API_KEY"]})
    fleet.install()
    fleet.task("secret")
    fleet.running("secret")
    fleet.tell("secret", 'test "$API_KEY" = hush-4711 && exit 42')

    assert fleet.ended("secret")["secret"]["evidence"]["code"] == 42
    left = fleet.box.sh("grep -rl hush-4711 /var/lib/leasehold /etc/systemd /run/systemd/system", code=None)
    assert left.splitlines() == []
    modes = fleet.box.sh("stat -c %a /var/lib/leasehold/sessions/*/spec.json").split()
    assert set(modes) == {"600"}
    assert "hush" not in fleet.box.sh("systemctl show leasehold.service; systemctl cat leasehold.service")


def test_units_of_another_account_are_not_replaced(fleet: Fleet):
    fleet.box.sh("useradd -m another")
    pid = fleet.main_pid()
    refused = fleet.leasehold("systemd", "install", "--run-as", "another", code=1)

    assert ACCOUNT in refused
    assert "another" in refused
    assert "Traceback" not in refused
    assert fleet.main_pid() == pid
    assert fleet.show("leasehold.service", "User")["User"] == ACCOUNT
    assert fleet.sh(f"ls {ROOT}")


def test_root_is_told_whose_repository_it_is_instead_of_its_salvages(fleet: Fleet):
    refused = fleet.leasehold("salvage", "list", code=1)

    assert refused == (
        f"Error: {ROOT} belongs to {ACCOUNT}, and git refuses it to others; run this as {ACCOUNT}\n"
    )
