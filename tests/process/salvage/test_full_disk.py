"""A disk without room, or one that cannot be written: said plainly, and nothing is lost or half done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

CHILD = """
import os, subprocess, sys
import anyio
from pathlib import Path
from supervisor.world.git.repository import open_repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.keep import keep
from supervisor.world.git.salvage.message import Label

disk, how = Path(sys.argv[1]), sys.argv[2]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
root = disk / "repo"

def git(*args):
    words = ["git", "-c", "user.name=T", "-c", "user.email=t@e", "-c", "init.templateDir=", *args]
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=root if root.exists() else disk).stdout

git("init", "-q", "-b", "main", str(root))
(root / "a.txt").write_text("a")
git("add", "-A")
git("commit", "-qm", "Begin")
(root / "a.txt").write_text("changed")
(root / "big.bin").write_bytes(os.urandom(600_000))
if how == "full":
    try:
        (disk / "filler").write_bytes(b"x" * (4 << 20))
    except OSError:
        pass
else:
    subprocess.run(["mount", "-o", "remount,ro", "tmpfs", str(disk)], check=True)

async def salvage():
    repo = await open_repository(root)
    await keep(repo, "s1", Label(session="s1", task="t", outcome="failed", paths=("a.txt", "big.bin")))

try:
    anyio.run(salvage)
except GitError as error:
    print(error)
(disk / "filler").unlink(missing_ok=True) if how == "full" else None
print("refs:", git("for-each-ref", "refs/leasehold"))
print("fsck:", git("fsck", "--no-dangling"))
print("file:", (root / "a.txt").read_text())
"""


@pytest.mark.parametrize(
    ("how", "why"), [("full", "No space left on device"), ("read-only", "Read-only file system")]
)
def test_no_work_is_lost_on_a_disk_that_takes_nothing(tmp_path, how, why):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, timeout=30).returncode:
        pytest.skip("this host lets no user make a mount namespace, so no small disk can be made")

    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", CHILD, str(disk), how],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "GIT_CONFIG_NOSYSTEM": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    said, refs, fsck, file = done.stdout.splitlines()[0], *done.stdout.splitlines()[-3:]
    assert why in said
    assert (refs, fsck, file) == ("refs: ", "fsck: ", "file: changed")
