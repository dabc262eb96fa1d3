"""The fence around a session with a work tree of its own, under each name that the checkout may have."""

from __future__ import annotations

import shutil

import pytest

from tests.process.test_guard_session import AGENT, output, script

pytestmark = [pytest.mark.guard, pytest.mark.process]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")
@pytest.mark.parametrize(
    ("bound", "at", "written"),
    [
        ("", "/mnt", "/mnt/README.md"),
        ("folder", "/mnt", "/mnt/inner"),
        ("README.md", "/tmp/name", "/tmp/name"),
    ],
)
def test_a_bind_of_the_checkout_is_no_way_around_the_fence(site, bound, at, written):
    site.write("folder/inner", "as it was\n")
    site.git("add", "folder")
    site.git("commit", "-qm", "Inner")
    site.configure(AGENT, repo={"isolation": "worktree"}, retry={"attempts": 1})
    script(
        site,
        "only",
        f"bwrap --ro-bind / / --dev /dev --tmpfs /tmp --bind {site.root}/{bound} {at} "
        f"sh -c 'echo x >> {written}'; echo code $?; exit 75",
    )
    site.start()
    site.wait_for("session.ended", task="only")

    assert "Device or resource busy" in output(site, "only")
    assert site.git("status", "--short", "--", "README.md", "folder") == ""


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_a_mount_of_the_checkout_that_is_attached_nowhere_is_a_way_around_the_fence(site):
    site.configure(AGENT, repo={"isolation": "worktree"}, retry={"attempts": 1})
    code = (
        f'import ctypes, os; d = ctypes.CDLL(None).syscall(428, -100, b"{site.root}", 0o2000001); '
        'os.write(os.open("README.md", os.O_WRONLY | os.O_APPEND, dir_fd=d), b"x")'
    )
    script(site, "only", f"unshare -Urm python3 -c '{code}'; echo code $?; exit 75")
    site.start()
    site.wait_for("session.ended", task="only")

    assert "code 0" in output(site, "only")
    assert site.git("status", "--short", "--", "README.md") == " M README.md\n"


def test_a_named_pipe_in_the_place_of_a_rule_file_or_a_reference_stops_no_guard(site):
    site.configure(AGENT, retry={"attempts": 1})
    script(
        site,
        "only",
        "mkdir s; mkfifo s/.gitignore .git/refs/heads/pipe.lock; timeout 30 sh -c 'echo x > s/f'; echo code $?; rm s/.gitignore; "
        "timeout 30 mv .git/refs/heads/pipe.lock .git/refs/heads/pipe; echo code $?; rm .git/refs/heads/pipe.lock; exit 75",
    )
    site.start()
    site.wait_for("session.ended", task="only")

    codes = [line for line in output(site, "only").splitlines() if line.startswith("code ")]
    assert codes == ["code 0", "code 1"]
