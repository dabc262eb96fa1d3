"""Does the guard bite on this host? A throw-away child tries to write to a file that "somebody else" holds."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import tempfile

from workers.guard.architecture import UnknownMachineError, native
from workers.guard.calls import targets
from workers.guard.memory import GoneError, Memory, UnreadableError
from workers.guard.program import build
from workers.guard.resolve import Eyes
from workers.guard.seccomp import Listener, install
from workers.session.command import guard_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.seccomp import Held

_PATIENCE = 10.0  # seconds
_BIT, _DID_NOT_BITE, _NOT_INSTALLED = 0, 1, 2


def main() -> int:
    """Print in one line what was seen; return 0 if a foreign write was refused and an own one was not."""
    try:
        program = build(native(), hold_exec=True, keep_dumpable=True)
    except UnknownMachineError as error:
        return _say(str(error), 1)
    with tempfile.TemporaryDirectory(prefix="leasehold-guard-") as folder:
        return _try(os.fsencode(os.path.realpath(folder)), program)


def _say(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code


def _try(folder: bytes, program: bytes) -> int:
    held, own = folder + b"/held", folder + b"/own"
    for path in (held, own):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        _write(theirs, program, held, own)
    theirs.close()
    try:
        ours.settimeout(_PATIENCE)
        message, fds, _, _ = socket.recv_fds(ours, 256, 1)
        if not fds:
            return _say(guard_refused(int(message)) if message.isdigit() else "the probe's child died", 1)
        served = serve(Listener(fds[0]), Eyes(folder), held, child)
    except TimeoutError:
        served = False
    finally:
        ours.close()
        _end(child)
    _, status = os.waitpid(child, 0)
    if served and os.WIFEXITED(status) and os.WEXITSTATUS(status) == _BIT:
        return _say("a write to a file that another session holds fails with EBUSY", 0)
    return _say("the filter was taken, but a foreign write was not refused", 1)


def _end(child: int) -> None:
    """End the child if it still runs; it is not reaped yet, so its number is its own."""
    if not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        os.kill(child, signal.SIGKILL)


def _write(line: socket.socket, program: bytes, held: bytes, own: bytes) -> None:
    try:
        listener = install(program)
    except OSError as error:
        line.send(b"%d" % (error.errno or 0))
        os._exit(_NOT_INSTALLED)
    socket.send_fds(line, [b"listener"], [listener])
    os.close(listener)
    code = _DID_NOT_BITE
    try:
        os.close(os.open(own, os.O_WRONLY))
        os.open(held, os.O_WRONLY)
    except OSError as error:
        code = _BIT if error.errno == errno.EBUSY else _DID_NOT_BITE
    finally:
        os._exit(code)


def serve(listener: Listener, eyes: Eyes, held: bytes, child: int) -> bool:
    """Answer until the child has ended; tell whether its memory could be read each time.

    Older kernels (seen: 6.1) say that nobody has the filter any more only once the child was waited for, so its own end counts.

    Raises:
        TimeoutError: nothing was heard of it for too long.
    """
    ended = os.pidfd_open(child)
    waiting = select.poll()
    for fd in (listener.fd, ended):
        waiting.register(fd, select.POLLIN)
    try:
        while True:
            ready = dict(waiting.poll(_PATIENCE * 1000))
            if not ready:
                raise TimeoutError
            if not ready.get(listener.fd, 0) & select.POLLIN:
                return True
            call = listener.receive()
            if call is None:
                continue
            if any(path == held for path in _named(call, eyes)):
                listener.refuse(call, errno.EBUSY)
            else:
                listener.let_pass(call)
    finally:
        os.close(ended)
        os.close(listener.fd)


def _named(call: Held, eyes: Eyes) -> list[bytes]:
    memory = Memory(call.task)
    try:
        return [target.path for target in targets(call, memory, eyes)]
    except (GoneError, UnreadableError):
        return []
    finally:
        memory.close()
