"""A confined session: what is outside its folders cannot be written, whatever program tries it."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import workers
from tests.process.children.session import Session
from workers.guard.landlock import abi

pytestmark = pytest.mark.process

REFUSE = Path(__file__).with_name("children") / "refuse_landlock.py"

# $F is a file that is not the session's, $D the folder that it is in; the session starts in its own folder.
ROUTES = {
    "shell >": 'echo new > "$F"',
    "shell >>": 'echo new >> "$F"',
    "a new file": 'echo new > "$D/new"',
    "cp": 'echo new > own; cp own "$F"',
    "mv over it": 'echo new > own; mv own "$F"',
    "mv away": 'mv "$F" taken',
    "mv within": 'mv "$F" "$D/other"',
    "rm": 'rm -f "$F"; test ! -e "$F"',
    "rm -r": 'rm -rf "$D"; test ! -e "$D"',
    "truncate": 'truncate -s 0 "$F"',
    "dd": 'echo new | dd of="$F" conv=notrunc status=none',
    "sed -i": 'sed -i s/old/new/ "$F"',
    "hard link, then write": 'ln "$F" alias && echo new > alias',
    "symbolic link, then write": 'ln -s "$F" link && echo new > link',
    "symbolic link over it": 'ln -sf own "$F"',
    "mkdir": 'mkdir "$D/folder"',
    "mkfifo": 'mkfifo "$D/pipe"',
    "tee": 'echo new | tee "$F"',
    "python open": """python3 -c 'open(__import__("os").environ["F"], "w").write("new")'""",
    "python truncate(2)": """python3 -c 'import os; os.truncate(os.environ["F"], 0)'""",
    "python rename": """python3 -c 'import os; open("own", "w"); os.rename("own", os.environ["F"])'""",
    "python dir_fd": """python3 -c '
import os
at = os.open(os.environ["D"], os.O_RDONLY)
os.open("file", os.O_WRONLY | os.O_TRUNC, dir_fd=at)'""",
    "python unix socket": """python3 -c '
import os, socket
socket.socket(socket.AF_UNIX).bind(os.environ["D"] + "/s")'""",
    "a daemon of its own session": 'setsid sh -c "echo new > \\"$F\\""',
    "git apply": """printf -- '--- a/file\\n+++ b/file\\n@@ -1 +1 @@\\n-old\\n+new\\n' | git -C "$D" apply -""",
    "git config": 'git config --file "$D/config" a.b c',
}

SINCE = {"python truncate(2)": 3}  # the ABI that holds it; documented in the explanation of the guard
LIMIT = 120.0  # seconds


@pytest.fixture(autouse=True, scope="module")
def landlock() -> int:
    """Skip where the kernel cannot confine anybody."""
    try:
        return abi()
    except OSError as error:
        pytest.skip(f"this kernel offers no Landlock: {error.strerror}")


def confined(tmp_path: Path, script: str, **env: str) -> Session:
    """Return a session that may write in `tmp_path/own` and its temporary folder, and runs a script there."""
    for name in ("own", "tmp"):
        (tmp_path / name).mkdir()
    return Session(
        tmp_path,
        ["bash", "-c", script],
        cwd=str(tmp_path / "own"),
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), **env},
        confine=[str(tmp_path / name) for name in ("own", "tmp", "session", "nowhere")],
    )


def tree(folder: Path) -> dict[str, str | None]:
    """Return every path below a folder, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def test_no_route_changes_what_is_outside_a_confined_sessions_folders(tmp_path: Path, landlock: int) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "file").write_text("old\n")
    attempts = tmp_path / "attempts.json"
    tried = {name: attempt for name, attempt in ROUTES.items() if landlock >= SINCE.get(name, 1)}
    attempts.write_text(json.dumps(tried))
    program = """
import json, os, subprocess, sys, tempfile
told = {}
for name, attempt in json.load(open(sys.argv[1])).items():
    done = subprocess.run(["bash", "-c", attempt], cwd=tempfile.mkdtemp(dir="."), capture_output=True, text=True)
    told[name] = [done.returncode, done.stderr]
json.dump(told, open("told", "w"))
"""
    (tmp_path / "program.py").write_text(program)
    before = tree(foreign)

    command = f"exec {sys.executable} -I {tmp_path}/program.py {attempts}"
    with confined(tmp_path, command, F=str(foreign / "file"), D=str(foreign)) as session:
        assert session.worker is not None
        session.worker.wait(LIMIT)  # it starts a hundred programs
        record = session.wait()

    assert record["code"] == 0, session.read("err.log")
    assert record["confined"] is True
    assert tree(foreign) == before
    told: dict[str, tuple[int, str]] = json.loads((tmp_path / "own" / "told").read_text())
    assert [name for name, (code, _) in told.items() if code == 0] == []
    silent = [
        name
        for name, (_, said) in told.items()
        if "Permission denied" not in said and "cross-device link" not in said and "lock" not in said
    ]
    assert silent == [], told


def test_a_confined_session_writes_in_its_own_folders_and_reads_everywhere(tmp_path: Path) -> None:
    (tmp_path / "read").write_text("to be read\n")
    script = """
        set -e
        cat ../read > copy; mkdir a b; echo x > a/f; mv a/f b/g; ln b/g b/h; ln -s h b/l; rm b/g
        echo quiet > /dev/null; echo out > /proc/self/fd/1; mktemp > temporary
        echo 0 > /proc/self/oom_score_adj
        (echo x > ../denied) 2> /dev/null || echo denied
    """

    with confined(tmp_path, script) as session:
        record = session.wait()

    assert record["code"] == 0, session.read("err.log")
    assert session.read("out.log") == "out\ndenied\n"
    assert tree(tmp_path / "own")["copy"] == "to be read\n"
    assert Path((tmp_path / "own/temporary").read_text().strip()).parent == tmp_path / "tmp"


def test_a_session_that_is_not_confined_says_so(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"]) as session:
        assert session.wait()["confined"] is False


def test_a_path_that_is_no_absolute_one_ends_as_unspawned(tmp_path: Path) -> None:
    with Session(tmp_path, ["true"], confine=["own"]) as session:
        record = session.wait()

    assert record["cause"] == "unspawned"
    assert "confine must be null or a list of absolute paths" in record["why"]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSYS, "this kernel was built without Landlock"),
        (errno.EOPNOTSUPP, "this kernel was started without Landlock (landlock is not in its lsm= list)"),
        (errno.EPERM, "a sandbox around the worker forbids it"),
    ],
)
def test_without_landlock_a_session_that_is_to_be_confined_does_not_run(
    tmp_path: Path, number: int, reason: str
) -> None:
    record = without_landlock(tmp_path, number, confine=[str(tmp_path)])

    assert (record["cause"], record["harness_pid"], record["confined"]) == ("unspawned", None, False)
    assert record["why"] == (
        f"the session cannot be confined, which its repository's confine asks for: {reason}"
    )


def test_without_landlock_a_session_that_is_not_confined_runs(tmp_path: Path) -> None:
    assert without_landlock(tmp_path, errno.ENOSYS, confine=None)["code"] == 0


def probe(*before: str) -> tuple[int, str]:
    """Run the probe that doctor runs, below a command, and return its exit code and its line."""
    command = [*before, sys.executable, "-I", "-S", str(Path(workers.__file__).parent), "confine-probe"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout


def test_the_probe_tells_which_abi_holds_and_what_is_not_held(landlock: int) -> None:
    code, told = probe()

    assert code == 0
    assert told.startswith(f"Landlock ABI {landlock}: a write outside a confined session's folders fails")
    assert "bwrap" in told


def test_the_probe_tells_why_nothing_can_be_confined() -> None:
    code, told = probe(sys.executable, str(REFUSE), str(errno.ENOSYS))

    assert (code, told) == (1, "no session can be confined: this kernel was built without Landlock\n")


def without_landlock(tmp_path: Path, number: int, **spec: Any) -> dict[str, Any]:
    """Run a session where the kernel answers every question about Landlock with an errno."""
    session = Session(tmp_path, ["true"], **spec)
    command = [sys.executable, str(REFUSE), str(number), *session.command()]
    session.worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        return session.wait()
    finally:
        session.__exit__()
