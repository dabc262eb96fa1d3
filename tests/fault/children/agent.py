"""An agent that keeps evidence of itself: `python -I -S agent.py`, its kind is the first word of the task's key.

What it writes into $EVIDENCE/log is appended, one line in one write, so that no other program's account is
needed to know what ran. While any process of its tree lives, the tree holds a lock for the task and one for
each of its files: whoever finds one taken has proof that two sessions overlapped.
"""
# ruff: noqa: PTH108, PTH118, PTH123, S606  - these programs start fast, without pathlib and without a shell

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time

LIFE = 600  # seconds after which every process is dead, whatever the test did
SESSION = os.environ["LEASEHOLD_SESSION"]
TASK = os.environ["LEASEHOLD_TASK"]
EVIDENCE = os.environ["EVIDENCE"]
KIND, _, REST = TASK.partition("-")
FILE = "shared.txt" if REST.startswith("shared") else f"{TASK}.txt"


def main() -> None:
    signal.alarm(LIFE)
    # The suite keeps the supervisor away for longer than anybody would.
    os.environ["LEASEHOLD_GATE_WAIT"] = "60"
    say("begin")
    for name in (f"task-{TASK}", f"file-{FILE}"):
        hold(name)
    sys.stdout.write("at work\n")
    sys.stdout.flush()
    globals()[KIND]()


def say(what: str, **more: object) -> None:
    line = {"what": what, "session": SESSION, "task": TASK, "pid": os.getpid(), "start": start(), **more}
    fd = os.open(os.path.join(EVIDENCE, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, json.dumps(line).encode() + b"\n")
    os.close(fd)


def start() -> int:
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def hold(name: str) -> None:
    fd = os.open(os.path.join(EVIDENCE, name), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("doubled", lock=name, holder=os.pread(fd, 100, 0).decode())
        os._exit(99)
    os.ftruncate(fd, 0)
    os.write(fd, f"{SESSION} pid {os.getpid()}".encode())
    os.set_inheritable(fd, True)


def commit(path: str = FILE) -> bool:
    with open(path, "a") as file:
        file.write(f"{TASK} {SESSION}\n")
    if os.spawnlp(os.P_WAIT, "git", "git", "add", "--", path):
        return False
    done = os.spawnlp(os.P_WAIT, "git", "git", "commit", "-q", "-m", f"Do {TASK}", "--", path) == 0
    if done:
        say("committed")
    return done


def leave(code: int) -> None:
    say("end", code=code)
    os._exit(code)


def child(then: str, *, keep_environment: bool = True) -> None:
    """Leave a process behind: double-forked, in a session of its own, holding standard output."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            say("child")
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if then == "sleep":
                os.execve("/bin/sleep", ["sleep", str(LIFE)], dict(os.environ) if keep_environment else {})
            time.sleep(LIFE)
        os._exit(0)
    os.wait()


# --- kinds ------------------------------------------------------------------------------------------


def honest() -> None:
    leave(0 if commit() else 20)


def slow() -> None:
    """Take a while, then commit."""
    time.sleep(0.3 + os.getpid() % 8 / 4)
    leave(0 if commit() else 20)


def fails() -> None:
    leave(7)


def dirties() -> None:
    """Leave work that nobody committed."""
    with open(FILE, "a") as file:
        file.write(f"{TASK} {SESSION}\n")
    leave(7)


def leaves() -> None:
    """Commit, and leave a process behind that cleared its environment."""
    child("sleep", keep_environment=False)
    leave(0 if commit() else 20)


def tagged() -> None:
    """Commit, and leave a process behind that kept its environment."""
    child("sleep")
    leave(0 if commit() else 20)


def forks() -> None:
    """Commit, and leave fifteen children of one group behind."""
    for _ in range(15):
        if os.fork() == 0:
            say("child")
            time.sleep(LIFE)
            os._exit(0)
    leave(0 if commit() else 20)


def outside() -> None:
    """Try a commit outside its scope, which is refused, then do its work."""
    foreign = f"foreign-{TASK}.txt"
    try:
        if commit(foreign):
            leave(0)  # an earlier attempt was killed right here: what it left is this session's to land
        os.spawnlp(os.P_WAIT, "git", "git", "reset", "-q", "--", foreign)
        os.unlink(foreign)
    except OSError as error:
        sys.stderr.write(f"{error}\n")  # such an attempt left the file to nobody: it is kept for the operator
    leave(0 if commit() else 20)


def floods() -> None:
    """Write ten megabytes without an end of line, then commit."""
    for _ in range(640):
        os.write(1, b"x" * 16384)
    leave(0 if commit() else 20)


def deaf() -> None:
    """Commit, ignore TERM, and overrun the budget."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    commit()
    say("overruns")
    while True:
        time.sleep(LIFE)


def frozen() -> None:
    """Stop itself, so that no signal but KILL and CONT is seen."""
    say("overruns")
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(LIFE)


def stays() -> None:
    """Stay until told by USR1, then leave with the code that the key ends with."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    say("ready")
    signal.sigwait({signal.SIGUSR1})
    leave(int(TASK.rpartition("-")[2]))


def brief() -> None:
    """Do a moment's work without a commit."""
    time.sleep(float(os.environ.get("BRIEF", "0.05")))
    leave(int(TASK.rpartition("-")[2]))


if __name__ == "__main__":
    main()
