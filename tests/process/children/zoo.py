"""Tiny hostile programs, one function each: `python -I -S zoo.py NAME`."""
# ruff: noqa: PTH109, PTH110, PTH116, PTH123, PTH208  - these programs start fast, without pathlib

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time

LIFE = 300  # seconds after which every animal is dead, whatever the test did


def ready(word: str = "ready") -> None:
    """Tell the test by the FIFO named in READY."""
    fd = os.open(os.environ["READY"], os.O_WRONLY)
    os.write(fd, word.encode() + b"\n")
    os.close(fd)


def ignores_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    time.sleep(LIFE)


def leaves_politely() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(5))
    ready()
    time.sleep(LIFE)


def dies_of_term_while_its_child_tidies() -> None:
    """The leader dies at once of TERM; a child of its group needs a moment more and leaves a file."""
    if os.fork() == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        ready()
        signal.sigwait({signal.SIGTERM})
        time.sleep(0.2)
        with open(os.environ["TIDY"], "w") as file:
            file.write("tidied")
        os._exit(0)
    time.sleep(LIFE)


def ignores_term_with_family() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        if os.fork() == 0:
            ready()
        time.sleep(LIFE)
    time.sleep(LIFE)


def daemonises() -> None:
    """Double fork with setsid; the leader leaves first, cleanly."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            ready()
            time.sleep(LIFE)
        os._exit(0)
    os.wait()
    sys.exit(7)


def daemonises_below_a_leader() -> None:
    """Double fork with setsid; the leader stays."""
    if os.fork() == 0:
        daemonises()
    time.sleep(LIFE)


def holds_stdout() -> None:
    if os.fork() == 0:
        ready()
        time.sleep(LIFE)
    sys.stdout.write("done\n")


def clears_its_environment() -> None:
    ready_fd = os.open(os.environ["READY"], os.O_WRONLY)
    if os.fork() == 0:
        os.setsid()
        os.write(ready_fd, b"%d\n" % os.getpid())
        os.close(ready_fd)
        os.execve("/bin/sleep", ["sleep", str(LIFE)], {})  # noqa: S606  - no shell: it is the animal itself
    time.sleep(LIFE)


def clears_its_environment_beside_another() -> None:
    """The harness's session of processes has a child that cleared its environment and one that did not."""
    ready_fd = os.open(os.environ["READY"], os.O_WRONLY)
    if os.fork() == 0:
        signal.pause()
    if os.fork() == 0:
        os.setpgid(0, 0)
        os.write(ready_fd, b"%d\n" % os.getpid())
        os.close(ready_fd)
        os.execve("/bin/sleep", ["sleep", str(LIFE)], {})  # noqa: S606  - no shell: it is the animal itself
    time.sleep(LIFE)


def forks_for_ever() -> None:
    """A fork bomb in a room: each process forks as long as the kernel lets it."""
    fifo = os.open(os.environ["READY"], os.O_WRONLY)
    if os.getuid() == 0:
        os.setresuid(54321, 54321, 54321)  # a user of its own, for whom the limit holds and who has no others
        room = 40
    else:
        room = _tasks_of(os.getuid()) + 40
    end = time.monotonic() + LIFE
    resource.setrlimit(resource.RLIMIT_NPROC, (room, room))
    full = False
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                os.setsid()  # out of reach of a signal to the group
        except BlockingIOError:
            if not full:
                full = True
                os.write(fifo, b"full\n")
            os.sched_yield()


def _tasks_of(uid: int) -> int:
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and os.path.exists(f"/proc/{name}/task") and os.stat(f"/proc/{name}").st_uid == uid:
            found += len(os.listdir(f"/proc/{name}/task"))
    return found


def hops() -> None:
    """Change pid for ever: each process forks the next one and leaves."""
    end = time.monotonic() + LIFE
    hop = 0
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
        hop += 1
        if hop == 20:
            ready()


def hops_below_a_leader() -> None:
    if os.fork() == 0:
        hops()
    time.sleep(LIFE)


def stops_itself() -> None:
    ready()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(LIFE)


def has_a_stopped_child() -> None:
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    ready()
    time.sleep(LIFE)


def closes_descriptors() -> None:
    ready()
    os.closerange(0, 1024)
    time.sleep(LIFE)


def loses_its_first_thread() -> None:
    """Its main thread ends while another goes on: /proc calls that a zombie, and it is not gone."""
    import ctypes

    threading.Thread(target=_ready_and_stay).start()
    ctypes.CDLL(None).pthread_exit(None)


def _ready_and_stay() -> None:
    ready()
    time.sleep(LIFE)


def has_a_child_without_first_thread() -> None:
    if os.fork() == 0:
        os.setsid()
        loses_its_first_thread()
    time.sleep(LIFE)


def floods() -> None:
    """Write 50 MB in numbered lines of 64 bytes."""
    lines = 50_000_000 // 64
    for start in range(0, lines, 1000):
        os.write(1, b"".join(b"%062d\n\n" % number for number in range(start, start + 1000)))
    os.write(1, b"the end\n")


def floods_until_stopped() -> None:
    piece = b"x" * 16384
    ready()
    end = time.monotonic() + LIFE
    while time.monotonic() < end:
        os.write(1, piece)
        time.sleep(0.001)  # a failing test must not fill the disk


def is_silent() -> None:
    time.sleep(LIFE)


def speaks_and_stays() -> None:
    os.write(1, b"here\n")
    ready()
    time.sleep(LIFE)


def shows_its_surroundings() -> None:
    """Print what was inherited: descriptors, ignored and blocked signals, umask, session."""
    descriptors = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    with open("/proc/self/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    leader = os.getsid(0) == os.getpgrp() == os.getpid()
    sys.stdout.write(
        f"{descriptors[:-1]} {status['SigBlk']} {status['SigIgn']} {status['Umask']} {leader} {os.getcwd()}\n"
    )
    sys.stdout.write(sys.stdin.read())


def operates_its_own_worker() -> None:
    """Connect to the worker's socket from inside the session and print what it says."""
    import socket

    client = socket.socket(socket.AF_UNIX)
    client.connect(os.environ["WORKER_SOCKET"])
    sys.stdout.write(client.recv(65536).decode())


if __name__ == "__main__":
    signal.alarm(LIFE)
    globals()[sys.argv[1]]()
