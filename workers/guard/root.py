"""A folder that matters to the guard, as it is known again wherever a task sees it."""

from __future__ import annotations

import os

from workers.guard.mounts import place_in_file_system


class Root:
    """A folder that is known again under whatever name it is mounted; `path` is absolute and free of links."""

    __slots__ = ("device", "identity", "path", "place")

    def __init__(self, path: bytes) -> None:
        self.path = path
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            self.device = status.st_dev
            self.identity = (status.st_dev, status.st_ino)
            self.place = place_in_file_system("self", fd, path)  # from the root of its file system
        finally:
            os.close(fd)

    def has(self, path: bytes) -> bool:
        """Tell whether a path is this folder or lies in it."""
        return path.startswith(self.path) and (len(path) == len(self.path) or path[len(self.path)] == 47)

    def path_of(self, place: bytes) -> bytes | None:
        """Return the path of a place in the file system if it is this folder, lies in it, or around it."""
        if self.place is None:
            return None
        if place == self.place or place.startswith(self.place.rstrip(b"/") + b"/"):
            return self.path + place[len(self.place.rstrip(b"/")) :]
        below = self.place[len(place.rstrip(b"/")) :]
        if self.place.startswith(place.rstrip(b"/") + b"/") and self.path.endswith(below):
            return self.path[: -len(below)] or b"/"
        return None
