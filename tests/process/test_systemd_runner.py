"""Tools of the host that are missing, fail or hang."""

from __future__ import annotations

import os

import pytest

from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.runner import Done, HostRunner

pytestmark = pytest.mark.process


def test_a_command_is_run_to_its_end_and_all_that_it_says_is_kept():
    run = HostRunner({"PATH": os.defpath})

    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], 30) == Done(3, "out\nerr")


def test_a_bus_that_hangs_ends_in_one_line_and_in_time():
    with pytest.raises(InstallError, match=r"has not ended within 0.2 s: systemd or its bus hangs"):
        HostRunner({"PATH": os.defpath})(["sleep", "60"], 0.2)


def test_a_tool_that_is_not_there_is_named():
    with pytest.raises(InstallError, match="systemctl-of-nobody is not installed"):
        HostRunner({"PATH": os.defpath})(["systemctl-of-nobody"], 1)


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_a_host_without_systemd_is_told_in_one_line_and_nothing_is_written(site, verb):
    site.configure("")
    home = site.root / "home"
    done = site.run(
        "systemd",
        verb,
        "--user",
        code=1,
        HOME=str(home),
        XDG_CONFIG_HOME=str(home),
        XDG_RUNTIME_DIR=str(site.root),
    )

    assert len(done.stderr.splitlines()) == 1
    assert not (home / "systemd").exists()


def test_a_dry_run_prints_every_file_and_command_and_writes_nothing(site):
    site.configure("")
    home = site.root / "home"
    found = site.run("systemd", "install", "--user", "--dry-run", "--json", XDG_CONFIG_HOME=str(home))
    import json

    document = json.loads(found.stdout)

    assert document["dry_run"]
    assert [file["path"].rpartition("/")[2] for file in document["files"] if file["changed"]] == [
        "leasehold-check.service",
        "leasehold-launch@.service",
        "leasehold-launch@.timer",
        "leasehold-session@.service",
        "leasehold-sessions.slice",
        "leasehold.service",
        "leasehold.socket",
    ]
    assert ["systemctl", "--user", "--no-ask-password", "daemon-reload"] in document["commands"]
    assert not (home / "systemd").exists()


def test_taking_out_an_installation_that_did_not_get_to_its_end_is_refused_with_the_way_out(site):
    units = site.root / "home/systemd/user"
    units.mkdir(parents=True)
    (units / "leasehold-check.service").write_text(
        "# Written by `leasehold systemd install`, which replaces it.\n"
    )
    home = str(site.root / "home")
    told = site.run("systemd", "uninstall", "--user", "--dry-run", code=1, XDG_CONFIG_HOME=home).stderr

    assert told.splitlines()[-1] == (
        f"Error: an installation for the user's service manager did not get to its end ({units}/leasehold-check.service "
        "is there); `leasehold systemd install` goes on with it, then it can be taken out"
    )


def test_what_cannot_be_read_of_an_installation_is_named_in_one_line(site):
    service = site.root / "home/systemd/user/leasehold.service"
    service.mkdir(parents=True)
    home = str(site.root / "home")
    told = site.run("systemd", "uninstall", "--user", "--dry-run", code=1, XDG_CONFIG_HOME=home).stderr

    assert told.splitlines()[-1] == f"Error: {service}: Is a directory"
