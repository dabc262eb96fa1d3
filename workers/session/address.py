"""Reaching a unix socket however deep it lies: the kernel takes addresses of 107 bytes, and paths may be longer."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

ROOM = 108  # bytes of sun_path with its NUL: unix(7)


def connect(sock: socket.socket, path: str) -> None:
    """Connect to the socket at a path, a long one by way of its folder's descriptor.

    Raises:
        OSError: as the kernel says.
    """
    if len(os.fsencode(path)) < ROOM:
        sock.connect(path)
        return
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
