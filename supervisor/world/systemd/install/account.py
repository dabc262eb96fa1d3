"""The account that supervisor and sessions run as, and what it can reach."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.systemd.install.errors import InstallError

OWN = "leasehold"  # the account and the group that sysusers makes
OWN_HOME = "/var/lib/leasehold"
_NO_SHELL = {"nologin", "false"}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this host; `uid` is `None` for our own one while it is not made yet."""

    name: str
    group: str
    home: Path
    shell: str
    uid: int | None
    gids: frozenset[int] = frozenset()

    @property
    def can_log_in(self) -> bool:
        """Whether its shell is one."""
        return Path(self.shell).name not in _NO_SHELL

    def may(self, path: Path, wish: int) -> bool:
        """Whether the account has the right `wish` (os.R_OK, os.X_OK …) to `path`, by mode alone."""
        if self.uid == 0:
            return True
        found = path.stat()
        if found.st_uid == self.uid:
            granted = found.st_mode >> 6
        elif found.st_gid in self.gids:
            granted = found.st_mode >> 3
        else:
            granted = found.st_mode
        return granted & wish == wish

    def barrier(self, path: Path) -> Path | None:
        """Return what keeps the account from reading `path`: a folder on the way, or the file itself."""
        for folder in reversed(path.parents):
            try:
                if not self.may(folder, os.X_OK):
                    return folder
            except PermissionError:
                return folder.parent  # closed to us, who ask; to the account as well, as far as we can see
        try:
            readable = os.R_OK | (os.X_OK if path.is_dir() else 0)
            return None if self.may(path, readable) else path
        except PermissionError:
            return path.parent


def find_account(name: str) -> Account:
    """Return the account `name`; our own one may still have to be made.

    Raises:
        InstallError: there is none of that name, or it is root.
    """
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        if name == OWN:
            return Account(OWN, OWN, Path(OWN_HOME), "/usr/sbin/nologin", None)
        raise InstallError(
            f'no account "{name}" on this host; name the one that owns the repositories (--run-as USER)'
        ) from None
    if found.pw_uid == 0:
        raise InstallError(
            "sessions must not run as root; name the account that owns the repositories (--run-as USER)"
        )
    return _account(found)


def own_account() -> Account:
    """Return the account of this process."""
    return _account(pwd.getpwuid(os.getuid()))


def owner_of(path: Path) -> str:
    """Return the name of the account that owns `path`, or its number where it has none."""
    uid = path.stat().st_uid
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def is_shared(folder: Path) -> bool:
    """Whether git shares this folder among a group: then new folders in it get the setgid bit."""
    return bool(folder.stat().st_mode & stat.S_ISGID)


def _account(found: pwd.struct_passwd) -> Account:
    try:
        group = grp.getgrgid(found.pw_gid).gr_name
    except KeyError:
        group = str(found.pw_gid)
    gids = frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
    return Account(found.pw_name, group, Path(found.pw_dir), found.pw_shell or "/bin/sh", found.pw_uid, gids)
