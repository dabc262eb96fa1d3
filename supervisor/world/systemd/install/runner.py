"""Running the tools of the host, always with an end."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from supervisor.world.systemd.install.errors import InstallError


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and all that it printed."""

    code: int
    text: str


class Runner(Protocol):
    """Runs a command to its end."""

    def __call__(self, argv: Sequence[str], seconds: float) -> Done:
        """Run `argv` for at most `seconds`.

        Raises:
            InstallError: it is not installed, or did not end in time.
        """


@dataclass(frozen=True, slots=True)
class HostRunner:
    """Runs commands on this host with `environ`."""

    environ: Mapping[str, str]

    def __call__(self, argv: Sequence[str], seconds: float) -> Done:
        """Run a command to its end; see `Runner`."""
        try:
            done = subprocess.run(
                argv,
                env={**self.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=None if math.isinf(seconds) else seconds,
                check=False,
            )
        except FileNotFoundError:
            raise InstallError(f"{argv[0]} is not installed on this host") from None
        except OSError as error:
            raise InstallError(f"`{shlex.join(argv)}` cannot be run: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise InstallError(
                f"`{shlex.join(argv)}` has not ended within {seconds:g} s: "
                "systemd or its bus hangs (`systemctl status dbus.service`)"
            ) from None
        return Done(done.returncode, os.fsdecode(done.stdout).strip())
