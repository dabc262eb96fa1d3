"""The floor of a first write: the same exchange among three Python processes that do nothing else.

A program opens a file, the kernel holds the call and tells a second process, which sends a third one a question of the usual
length, waits for an answer of the usual length, and lets the call go on. No path is read, and nothing is decided.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable

from benchmarks.guard_runner import opens
from workers.guard.architecture import native
from workers.guard.program import build
from workers.guard.seccomp import Listener, install

_QUESTION = b"?" * 139 + b"\n"
_ANSWER = b"!" * 79 + b"\n"


def first_writes(paths: list[str]) -> dict[str, float]:
    """Open each file for writing; microseconds that each took."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answering = _fork(lambda: _answer(theirs, ours))
        theirs.close()
        said, results = os.pipe()
        line, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with line, its:
            opening = _fork(lambda: _open(its, results, paths))
            os.close(results)
            _, (listener, *_), _, _ = socket.recv_fds(line, 16, 1)
        _hold(Listener(listener), ours)
        os.close(listener)
    with os.fdopen(said, "rb") as file:
        found: dict[str, float] = json.load(file)
    for child in (opening, answering):
        os.waitpid(child, 0)
    return found


def _fork(deed: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            deed()
        finally:
            os._exit(0)
    return child


def _answer(line: socket.socket, other: socket.socket) -> None:
    other.close()
    poll = select.epoll()
    poll.register(line.fileno(), select.EPOLLIN)
    while poll.poll() and line.recv(65536):
        line.send(_ANSWER)


def _open(line: socket.socket, results: int, paths: list[str]) -> None:
    listener = install(build(native(), hold_exec=False, keep_dumpable=False))
    socket.send_fds(line, [b"."], [listener])
    os.close(listener)
    os.write(results, json.dumps(opens(paths)).encode())


def _hold(listener: Listener, line: socket.socket) -> None:
    poll = select.poll()
    poll.register(listener.fd, select.POLLIN)
    while poll.poll()[0][1] & select.POLLIN:
        call = listener.receive()
        if call is not None:
            line.send(_QUESTION)
            line.recv(65536)
            listener.let_pass(call)
