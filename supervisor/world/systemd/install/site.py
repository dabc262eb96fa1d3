"""Where units go: to the system's manager, or to that of one user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.config.places import home
from supervisor.world.systemd.install.errors import InstallError

SERVICE = "leasehold.service"
SOCKET = "leasehold.socket"
CHECK = "leasehold-check.service"
SESSIONS = "leasehold-session@*.service"
TIMER = "leasehold-launch@.timer"
TIMERS = "leasehold-launch@*.timer"


@dataclass(frozen=True, slots=True)
class Site:
    """The folders and the command line of one manager; `root` is the file system, "/" but in tests."""

    user: bool
    units: Path
    root: Path = Path("/")

    @property
    def name(self) -> str:
        """The word for people: "system" or "user"."""
        return "user" if self.user else "system"

    def systemctl(self, *words: str) -> tuple[str, ...]:
        """Return a command line of systemctl for this manager."""
        return ("systemctl", *(["--user"] if self.user else []), "--no-ask-password", *words)

    def journalctl(self, *words: str) -> tuple[str, ...]:
        """Return a command line of journalctl for what this manager's units said."""
        return ("journalctl", *(["--user"] if self.user else []), "--no-pager", *words)

    def path(self, absolute: str) -> Path:
        """Return a path of the file system that units are installed in."""
        return self.root / absolute.lstrip("/")


def system_site(root: Path = Path("/")) -> Site:
    """Return the system's manager."""
    return Site(user=False, units=root / "etc/systemd/system", root=root)


def user_site(environ: Mapping[str, str]) -> Site:
    """Return the manager of the user who asks."""
    config = Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config")
    return Site(user=True, units=config / "systemd" / "user")


def with_runtime(environ: Mapping[str, str], *, base: Path = Path("/run/user")) -> dict[str, str]:
    """Return the environment with what the user's manager is reached by, also in a shell without a login.

    Raises:
        InstallError: no manager runs for this user.
    """
    runtime = environ.get("XDG_RUNTIME_DIR") or os.fspath(base / str(os.getuid()))
    if not Path(runtime, "systemd").is_dir():
        raise InstallError(
            f"no systemd manager runs for uid {os.getuid()} ({runtime}/systemd is not there); "
            "log in, or have one run always: loginctl enable-linger"
        )
    return {**environ, "XDG_RUNTIME_DIR": runtime}
