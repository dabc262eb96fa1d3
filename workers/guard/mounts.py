"""Where a file lies within its file system, whatever part of that is mounted, and under which name."""

from __future__ import annotations

import os


def place_in_file_system(task: int | str, fd: int, name: bytes) -> bytes | None:
    """Return the path of an open file from the root of its file system.

    `fd` is a descriptor of ours, `task` a process that sees the file's mount, and `name` the file's path as
    that process has it. `None` when the mount is not there any more.
    """
    with open(f"/proc/self/fdinfo/{fd}", "rb") as lines:
        mount = next((line.split()[1] for line in lines if line.startswith(b"mnt_id:")), b"")
    with open(f"/proc/{task}/mountinfo", "rb") as lines:
        for line in lines:
            number, _parent, _device, root, point, *_ = line.split(b" ")
            if number == mount:
                return _below(_plain(root), _plain(point), name)
    return None


def _below(root: bytes, point: bytes, name: bytes) -> bytes | None:
    point = point.rstrip(b"/")
    if name != point and not name.startswith(point + b"/"):
        return None
    return os.path.normpath(root.rstrip(b"/") + name[len(point) :])


def _plain(field: bytes) -> bytes:
    """Return a field of mountinfo without its escapes: blanks and backslashes stand there in octal."""
    if b"\\" not in field:
        return field
    first, *rest = field.split(b"\\")
    return first + b"".join(bytes([int(piece[:3], 8)]) + piece[3:] for piece in rest)
