"""Why this host or this account cannot have the installation: one line each, with the way out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from supervisor.world.config.places import SYSTEM, folder_of
from supervisor.world.systemd.install.account import OWN, Account, owner_of
from supervisor.world.systemd.install.files import foreign_paths
from supervisor.world.systemd.install.installed import Foreign, Installation
from supervisor.world.systemd.install.site import Site
from supervisor.world.systemd.install.values import Wanted

_BOOTED = Path("/run/systemd/system")


def of_host(site: Site, *, booted: Path = _BOOTED, uid: int | None = None) -> Iterator[str]:
    """Yield why units cannot be installed at `site` at all."""
    if not booted.is_dir():
        yield (
            f"this host was not booted with systemd ({booted} is not there); "
            "run `leasehold run` under whatever starts services here"
        )
    if not site.user and (os.geteuid() if uid is None else uid) != 0:
        yield "the system's units are root's: run it with sudo, or install for yourself with --user"


def of_installed(found: Installation | Foreign | None, account: Account, config: Path) -> Iterator[str]:
    """Yield why what is installed already must not be replaced."""
    match found:
        case Installation() if found.account != account.name:
            yield (
                f"the units are installed for account {found.account} ({found.config}); "
                f"add --run-as {found.account}, or take them out first: `leasehold systemd uninstall`"
            )
        case Installation() if found.config != config:
            yield (
                f"the units are installed for {found.config}; "
                f"name it (-c {found.config}), or take them out first: `leasehold systemd uninstall`"
            )
        case _:
            pass


def of_files(site: Site) -> Iterator[str]:
    """Yield what is in the place of a file of ours and is somebody else's."""
    for path in foreign_paths(site):
        if path.is_symlink() and os.fspath(path.readlink()) == os.devnull:
            yield f"{path} is a link to {os.devnull}: the unit is masked, and would not start; unmask it"
        else:
            yield f"{path} is there and was not written by `leasehold systemd install`; move it away"


def of_account(site: Site, wanted: Wanted) -> Iterator[str]:
    """Yield what the account cannot reach or must not be used for."""
    account, settings = wanted.account, wanted.settings
    if site.user:
        return
    for place in wanted.program.places():
        barrier = account.barrier(place)
        if barrier is not None:
            yield (
                f"account {account.name} cannot run {place}: {barrier} is closed to it; "
                "install Leasehold where it can read, for instance in /opt/leasehold"
            )
            break
    barrier = account.barrier(settings.path)
    if barrier is not None:
        yield f"account {account.name} cannot read {settings.path}: {barrier} is closed to it"
    for checkout in wanted.checkouts:
        owner = owner_of(checkout.root)
        if owner == account.name:
            continue
        made = "" if account.uid is not None else f"systemd-sysusers --inline 'u {OWN} -' && "
        yield (
            f"{checkout.root} belongs to {owner}, and sessions would run as {account.name}; "
            f"add --run-as {owner}, or give it away: {made}chown -R {account.name}: {checkout.root}"
        )


def of_places(site: Site, wanted: Wanted, chosen: str | None) -> Iterator[str]:
    """Yield why clients would not find the control socket: `chosen` is runtime_dir as the file has it."""
    if site.user or chosen is not None or folder_of(wanted.settings.path) == SYSTEM:
        return
    yield (
        f"{wanted.settings.path} does not say where the control socket is, and the service would use another "
        'place than its operators; write runtime_dir = "/run/leasehold" below [supervisor], '
        f"or keep the configuration as {SYSTEM}/config.toml"
    )
