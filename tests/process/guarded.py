"""Programs under a real filter, with a policy of the test that answers what they would write."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workers.guard.architecture import native
from workers.guard.calls import Target, program_of, targets
from workers.guard.memory import GoneError, Memory, UnreadableError
from workers.guard.program import build
from workers.guard.resolve import Eyes
from workers.guard.seccomp import Listener

LIMIT = 60.0  # seconds

_STARTER = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from workers.guard.seccomp import install
end = socket.socket(fileno=int(sys.argv[2]))
program = bytes.fromhex(sys.argv[3])
command = sys.argv[4:]
listener = install(program)
socket.send_fds(end, [b"l"], [listener])
os.close(listener)
os.execv(command[0], command)
"""


@dataclass
class Guarded:
    """What came of a command: how it ended, what it printed, and every target that it named."""

    code: int = -1
    output: str = ""
    seen: list[Target] = field(default_factory=list)
    programs: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    unreadable: int = 0


def run(
    root: Path,
    command: Sequence[str],
    refuse: Callable[[Target], bool],
    *,
    hold_exec: bool = False,
    keep_dumpable: bool = True,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Guarded:
    """Run a command below the filter; what `refuse` says yes to fails with EBUSY."""
    program = build(native(), hold_exec=hold_exec, keep_dumpable=keep_dumpable)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    source = str(Path(__file__).resolve().parents[2])
    result = Guarded()
    with ours, theirs:
        process = subprocess.Popen(
            [
                *(sys.executable, "-B", "-c", _STARTER, source, str(theirs.fileno()), program.hex()),
                *command,
            ],
            pass_fds=(theirs.fileno(), *pass_fds),
            cwd=cwd or root,
            env=env,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        theirs.close()
        ours.settimeout(LIMIT)
        _, fds, _, _ = socket.recv_fds(ours, 16, 1)
    assert fds, process.communicate(timeout=LIMIT)[0]
    server = threading.Thread(target=_serve, args=(fds[0], Eyes(os.fsencode(root)), refuse, result))
    server.start()
    try:
        result.output, _ = process.communicate(timeout=LIMIT)
        result.code = process.returncode
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    server.join(LIMIT)
    assert not server.is_alive(), "something of the command still runs"
    return result


def _serve(fd: int, eyes: Eyes, refuse: Callable[[Target], bool], result: Guarded) -> None:
    listener = Listener(fd)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while True:
        ((_, mask),) = poll.poll()
        if not mask & select.POLLIN:
            os.close(fd)
            return
        call = listener.receive()
        if call is None:
            continue
        memory = Memory(call.task)
        named: list[Target] = []
        try:
            named = targets(call, memory, eyes)
            if not named and (exec_ := _exec(call, memory, eyes)):
                result.programs.append(exec_)
        except UnreadableError:
            result.unreadable += 1
        except GoneError:
            continue
        finally:
            memory.close()
        if not listener.waits(call):
            continue
        result.seen += named
        if any(refuse(target) for target in named):
            listener.refuse(call, errno.EBUSY)
        else:
            listener.let_pass(call)


def _exec(call: object, memory: Memory, eyes: Eyes) -> tuple[bytes, list[bytes]] | None:
    from workers.guard.calls import NAMES
    from workers.guard.seccomp import Held

    assert isinstance(call, Held)
    if not NAMES[call.arch, call.number].startswith("execve"):
        return None
    return program_of(call, memory, eyes)
