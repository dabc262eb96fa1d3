"""What guards ask, and the answer in few words, as they travel over the control socket."""

from __future__ import annotations

from typing import Literal

import msgspec

from supervisor.world.control.methods import Params


class GuardClaim(Params, kw_only=True):
    """Paths relative to the session's repository, as `core.decisions.claims.Claim`; `wait` in seconds.

    `inodes` are (device, inode) of files with several names: each name that another session holds is a place.
    """

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    inodes: tuple[tuple[int, int], ...] = ()
    git: Literal["", "changes", "sweeps"] = ""
    wait: float = 0.0


class GuardWrite(Params, kw_only=True):
    """A file to write for the first time, relative to the session's repository; `wait` in seconds."""

    path: str
    wait: float = 0.0


class Leased(msgspec.Struct, gc=False):
    """The file is the session's, by a lease on its path as it was asked for; nothing else is to be said.

    `granted_at` are seconds of CLOCK_BOOTTIME.
    """

    token: int
    granted_at: float


class GiveBack(Params, kw_only=True):
    """Leases of a git command that has ended, by token, and the files that were written meanwhile.

    `written` is `None` where they are more than a line can hold.
    """

    tokens: tuple[int, ...]
    written: tuple[str, ...] | None = ()
