"""From what the operator asked for to what the units need, with every reason against it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.config.checkout import CheckoutError
from supervisor.world.config.discover import socket_path
from supervisor.world.config.load import ConfigError, load, parse, read_text
from supervisor.world.config.models import PREFIX, Settings
from supervisor.world.config.places import NAME, SYSTEM, home
from supervisor.world.control.access import peer_credentials
from supervisor.world.systemd.install import obstacles
from supervisor.world.systemd.install.account import OWN, Account, find_account, own_account
from supervisor.world.systemd.install.checkouts import Checkout, look_at_checkout
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.installed import look_at_installation
from supervisor.world.systemd.install.program import this_program
from supervisor.world.systemd.install.site import Site
from supervisor.world.systemd.install.values import Wanted, service_path


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be installed; `against` says why it cannot be, in one line each, and `notes` what to know."""

    wanted: Wanted
    against: tuple[str, ...]
    notes: tuple[str, ...]


def system_config(named: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the configuration of the host's installation.

    Raises:
        InstallError: it is not there.
    """
    given = named or environ.get("LEASEHOLD_CONFIG")
    path = Path(cwd, given) if given else SYSTEM / NAME
    if not path.is_file():
        raise InstallError(f"{path}: no such file; write it, or name another with -c FILE")
    return path


def prepare(
    site: Site, config: Path, run_as: str | None, environ: Mapping[str, str], systemd: int
) -> Prepared:
    """Look at configuration, account, program and host.

    Raises:
        InstallError: one of them is such that nothing can be said of the others.
    """
    # The service does not have the variables of this shell, so they must not decide what it is given.
    bare = {name: text for name, text in environ.items() if not name.upper().startswith(PREFIX)}
    try:
        settings = load(config, bare)
        chosen = parse(config, read_text(config)).get("supervisor", {}).get("runtime_dir")
    except ConfigError as error:
        raise InstallError(str(error)) from error
    account = own_account() if site.user else find_account(run_as or OWN)
    program = this_program()
    own_folder = Path(environ.get("XDG_CONFIG_HOME") or home(environ) / ".config", "leasehold")
    wanted = Wanted(
        settings=settings,
        account=account,
        program=program,
        checkouts=_checkouts(settings),
        path=service_path(account, program, environ.get("PATH") if site.user else None),
        environment_file=(own_folder if site.user else SYSTEM) / "environment",
        credentials=SYSTEM / "credentials",
        systemd=systemd,
    )
    against = [
        *obstacles.of_host(site),
        *obstacles.of_installed(look_at_installation(site), account, settings.path),
        *obstacles.of_files(site),
        *obstacles.of_account(site, wanted),
        *obstacles.of_places(site, wanted, chosen),
    ]
    return Prepared(wanted, tuple(against), tuple(_notes(site, account)))


def by_hand(settings: Settings) -> int | None:
    """Return the pid of a supervisor that answers on the control socket, whoever started it."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(socket_path(settings)))
        except OSError:
            return None
        return peer_credentials(probe).pid


def refuse_by_hand(settings: Settings) -> None:
    """Refuse to start the service beside a supervisor that was started by hand.

    Raises:
        InstallError: it names it.
    """
    pid = by_hand(settings)
    if pid is not None:
        raise InstallError(
            f"a supervisor that is no service runs with this configuration (pid {pid}); end it first, with "
            f"`kill -s RTMIN {pid}`: its sessions go on, and the service takes them over"
        )


def _checkouts(settings: Settings) -> tuple[Checkout, ...]:
    found = []
    for name, repo in settings.repos.items():
        try:
            found.append(look_at_checkout(repo.path))
        except CheckoutError as error:
            raise InstallError(f"repos.{name}.path: {repo.path} {error}") from error
    return tuple(found)


def _notes(site: Site, account: Account) -> list[str]:
    if site.user and not Path("/var/lib/systemd/linger", account.name).exists():
        keep = f"`loginctl enable-linger {account.name}` keeps it"
        return [f"your service manager, and every session with it, ends when you log out; {keep}"]
    if not site.user and not any(map(Path.exists, map(Path, _POLKIT))):
        return [
            "polkitd is not installed: only it lets the supervisor start session units; install polkitd (or polkit)"
        ]
    return []


_POLKIT = ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd", "/usr/lib/policykit-1/polkitd")
