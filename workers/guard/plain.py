"""Opening a path without any link that means another file to another process: openat2(2).

`/proc/self` and what it leads to (`/dev/fd`, `/dev/stdin`) are the reader's own, so a look at them for somebody else
would find the wrong file. The kernel can be told to follow none of them, wherever in a path they stand.
"""

from __future__ import annotations

import ctypes
import os
import struct

_OPENAT2 = 437  # the same number on every architecture since Linux 5.6
_NO_MAGICLINKS = 0x02
_IN_ROOT = 0x10

# struct open_how: flags, mode, resolve. A path that starts with a slash starts from the descriptor that is given.
_RELATIVE = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _NO_MAGICLINKS)
_ABSOLUTE = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _NO_MAGICLINKS | _IN_ROOT)

_call = ctypes.CDLL(None, use_errno=True).syscall
_call.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
_call.restype = ctypes.c_long


def open_plain(at: int, path: bytes, *, absolute: bool) -> int:
    """Open `path` from the folder `at`, links followed, for its place alone (O_PATH).

    `absolute`: `at` is the root that the task has, beyond which neither links nor ".." lead.

    Raises:
        OSError: as the kernel says; ELOOP for such a link, EAGAIN for ".." while something was renamed, ENOSYS or
            EPERM where the call is not to be had. It may be there all the same.
    """
    fd = _call(_OPENAT2, at, path, _ABSOLUTE if absolute else _RELATIVE, len(_RELATIVE))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(fd)
