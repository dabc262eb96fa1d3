"""What the templates of the units are filled in with, from the configuration, the account and the host."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.config.discover import socket_path
from supervisor.world.config.models import Settings
from supervisor.world.config.stopping import stop_within
from supervisor.world.systemd.install.account import OWN, OWN_HOME, Account, is_shared
from supervisor.world.systemd.install.checkouts import Checkout
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.program import Program
from supervisor.world.systemd.install.quoting import command, value, word

_SHARED_TMP = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  - what PrivateTmp= hides
_MARGIN = 15  # seconds for the supervisor's, or a worker's, own work at an end
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STEPS = 254  # the version of systemd from which restarts can back off


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that decides the units' texts. `path` is the PATH of supervisor and sessions."""

    settings: Settings
    account: Account
    program: Program
    checkouts: tuple[Checkout, ...]
    path: str
    environment_file: Path
    credentials: Path
    systemd: int


def values(wanted: Wanted) -> Mapping[str, str | Sequence[str]]:
    """Return the value of every placeholder: a text, or lines."""
    settings, account = wanted.settings, wanted.account
    state, runtime = settings.supervisor.state_dir, settings.supervisor.runtime_dir
    budget = max((harness.budget for harness in settings.harness.values()), default=0.0)
    grace = max((harness.grace for harness in settings.harness.values()), default=0.0)
    limits = settings.systemd
    git = [folder for checkout in wanted.checkouts for folder in checkout.git]
    trees = [checkout.root for checkout in wanted.checkouts]
    tmp = _uses_shared_tmp(wanted)
    session_places = [state, runtime, *git, *trees, account.home, *(_SHARED_TMP if tmp else ())]
    return {
        "account": account.name,
        "group": account.group,
        "control": value(socket_path(settings)),
        "config_word": command([settings.path]),
        "leasehold": command(wanted.program.command),
        "python": command([wanted.program.python]),
        "workers": command([wanted.program.workers]),
        "session_folder": command([f"{state}/sessions/\0"]).replace("\0", "%i"),
        "installation": [
            f"Version={wanted.program.version}",
            f"Account={account.name}",
            f"Config={value(settings.path)}",
            f"State={value(state)}",
        ],
        "environment": _environment(wanted),
        "credentials": _credentials(wanted),
        "watchdog_seconds": _seconds(limits.watchdog),
        "stop_seconds": _seconds(stop_within(settings) + _MARGIN),
        "session_stop_seconds": _seconds(grace + _MARGIN),
        "session_runtime_seconds": _seconds(budget + grace + limits.overtime),
        "descriptors": str(max(64, settings.supervisor.max_sessions + 16)),
        "restart_backoff": ["RestartSteps=8", "RestartMaxDelaySec=30s"] if wanted.systemd >= _STEPS else [],
        "session_limits": _limits(limits.session_memory, limits.session_processes),
        "slice_limits": _limits(limits.memory, limits.processes),
        "write_paths": _writable([state, runtime, *git]),
        "session_write_paths": _writable(session_places),
        "private_tmp": [] if tmp else ["PrivateTmp=yes"],
        "session_private_tmp": [] if tmp else ["PrivateTmp=yes"],
        "network": _network(settings),
        "setgid": [] if any(is_shared(folder) for folder in git) else ["RestrictSUIDSGID=yes"],
        "sysuser": [f'u {OWN} - "Leasehold" {OWN_HOME} /usr/sbin/nologin'] if account.name == OWN else [],
        "tmpfiles": [
            f"d {word(runtime)} 0755 {account.name} {account.group} -",
            f"d {word(state)} 0700 {account.name} {account.group} -",
        ],
    }


def _environment(wanted: Wanted) -> list[str]:
    account = wanted.account
    lines = [f"Environment={word(f'PATH={wanted.path}')}", "Environment=LANG=C.UTF-8"]
    if not account.can_log_in:
        lines.append("Environment=SHELL=/bin/sh")  # what agents start commands with
    if wanted.settings.supervisor.launcher == "auto":
        # Anything weaker would put sessions into this unit's own cgroup, and they would die at its restart.
        lines.append("Environment=LEASEHOLD__SUPERVISOR__LAUNCHER=systemd")
    return [*lines, f"EnvironmentFile=-{value(wanted.environment_file)}"]


def service_path(account: Account, program: Program, shell: str | None) -> str:
    """Return the PATH of supervisor and sessions: that of the user's `shell`, or what is usual for the account.

    Leasehold's own command is on it, last, because sessions ask for leases with it.
    """
    folders = (shell or f"{account.home}/.local/bin:{_PATH}").split(":")
    own = str(Path(program.command[0]).parent)
    return ":".join(dict.fromkeys(folder for folder in (*folders, own) if folder.startswith("/")))


def _credentials(wanted: Wanted) -> list[str]:
    """Return LoadCredential= for each secret that is there, and how to add the others."""
    names = sorted({name for harness in wanted.settings.harness.values() for name in harness.env_from})
    lines = []
    for name in names:
        file = wanted.credentials / name
        line = f"LoadCredential={name}:{value(file)}"
        lines.append(line if _there(file) else f"# put the secret into {file} and install again: {line}")
    return lines


def _there(file: Path) -> bool:
    try:
        return file.exists()
    except PermissionError as error:
        raise InstallError(f"only root can see which secrets are in {file.parent}; ask with sudo") from error


def _limits(memory: int | None, processes: int | None) -> list[str]:
    lines = [] if memory is None else [f"MemoryMax={memory}"]
    return lines if processes is None else [*lines, f"TasksMax={processes}"]


def _network(settings: Settings) -> list[str]:
    """Return the sandbox's network: none, unless a source is a program, which may need it, and a JIT."""
    if any(source.kind == "command" for source in settings.sources.values()):
        return ["RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"]
    return [
        "PrivateNetwork=yes",
        "IPAddressDeny=any",
        "RestrictAddressFamilies=AF_UNIX",
        "MemoryDenyWriteExecute=yes",
    ]


def _writable(places: Iterable[Path]) -> list[str]:
    """Return ReadWritePaths= for places that are not below another; one that is missing is no fault."""
    unique = sorted({place for place in places if place != Path("/")})
    kept: list[Path] = []
    for place in unique:
        if not any(place.is_relative_to(other) for other in kept):
            kept.append(place)
    return [f"ReadWritePaths={word(f'-{place}')}" for place in kept]


def _uses_shared_tmp(wanted: Wanted) -> bool:
    """Whether something that the units need lies where PrivateTmp= would hide it."""
    supervisor = wanted.settings.supervisor
    places = itertools.chain(
        (supervisor.state_dir, supervisor.runtime_dir, wanted.settings.path, wanted.account.home),
        (checkout.root for checkout in wanted.checkouts),
        (folder for checkout in wanted.checkouts for folder in checkout.git),
        (source.path for source in wanted.settings.sources.values() if source.path is not None),
        wanted.program.places(),
    )
    return any(place.is_relative_to(tmp) for place in places for tmp in _SHARED_TMP)


def _seconds(number: float) -> str:
    return "infinity" if math.isinf(number) else str(math.ceil(number))
