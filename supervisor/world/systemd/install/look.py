"""What doctor says of systemd: whether it runs here, and whether our units are what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from supervisor.world.level import Finding
from supervisor.world.systemd.install.apply import is_active, version_of
from supervisor.world.systemd.install.cut_short import replaced_before
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.files import wanted_files
from supervisor.world.systemd.install.installed import Foreign, Installation, look_at_installation
from supervisor.world.systemd.install.prepare import prepare
from supervisor.world.systemd.install.runner import HostRunner, Runner
from supervisor.world.systemd.install.site import SERVICE, SOCKET, Site, system_site, user_site, with_runtime

_BOOTED = Path("/run/systemd/system")


def look_at_systemd(environ: Mapping[str, str]) -> list[Finding]:
    """Return what this host's service managers offer, and what is installed for them."""
    if not _BOOTED.is_dir():
        return [
            Finding(
                "systemd",
                good=False,
                told="this host was not booted with systemd; nothing restarts the supervisor, sessions have no units",
                way_out="start `leasehold run` from what starts services here",
            )
        ]
    run = HostRunner(environ)
    try:
        version = version_of(run)
    except InstallError as error:
        return [Finding("systemd", good=False, told=str(error))]
    found = [Finding("systemd", good=True, told=f"version {version} runs this host")]
    installed = [finding for site in _sites(environ) for finding in look_at_site(site, environ, version, run)]
    return found + (
        installed
        or [
            Finding(
                "units",
                good=False,
                told="not installed: nothing restarts the supervisor",
                way_out="`leasehold systemd install --user`, or `sudo leasehold systemd install --run-as USER`",
            )
        ]
    )


def start_of(socket: str, environ: Mapping[str, str]) -> str | None:
    """Return the command that starts the installation which listens on `socket`, `None` when there is none."""
    for site in (system_site(), user_site(environ)):
        try:
            unit = (site.units / SOCKET).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if f"ListenStream={socket}" in unit.replace("%%", "%").splitlines():
            rights = "" if site.user else "sudo "
            return rights + " ".join(site.systemctl("start", SOCKET, SERVICE)).replace(
                " --no-ask-password", ""
            )
    return None


def account_of(config: Path) -> str | None:
    """Return the account that the host's service reads this configuration as, `None` when it reads another."""
    try:
        installed = look_at_installation(system_site())
    except OSError:
        return None
    return installed.account if isinstance(installed, Installation) and installed.config == config else None


def look_at_site(site: Site, environ: Mapping[str, str], version: int, run: Runner) -> list[Finding]:
    """Return what is to be said of the units of one manager, nothing when there are none."""
    name = f"{site.name} units"
    try:
        installed = look_at_installation(site)
    except OSError as error:
        return [Finding(name, good=False, told=f"cannot be read: {error}")]
    match installed:
        case None:
            return []
        case Foreign(path):
            return [Finding(name, good=False, told=f"{path} is not ours", way_out="move it away")]
        case Installation():
            return [_state(site, name, installed, run), _currency(site, name, installed, environ, version)]


def _state(site: Site, name: str, installed: Installation, run: Runner) -> Finding:
    told = f"{SERVICE} for account {installed.account}, {installed.config}"
    try:
        active = is_active(site, SERVICE, run)
    except InstallError as error:
        return Finding(name, good=False, told=str(error))
    if active:
        return Finding(name, good=True, told=f"{told}, runs")
    start = " ".join(site.systemctl("start", SERVICE)).replace(" --no-ask-password", "")
    return Finding(name, good=False, told=f"{told}, does not run", way_out=f"`{start}`")


def _currency(
    site: Site, name: str, installed: Installation, environ: Mapping[str, str], version: int
) -> Finding:
    again = "`leasehold systemd install --user`" if site.user else "`sudo leasehold systemd install`"
    try:
        prepared = prepare(site, installed.config, installed.account, environ, version)
        stale = [str(file.path) for file in wanted_files(site, prepared.wanted) if not file.current]
        begun = replaced_before(site)
    except (InstallError, OSError) as error:
        first = str(error).splitlines()[0]
        return Finding(name, good=False, told=f"cannot be compared with the configuration: {first}")
    if begun:
        told = "an installation did not get to its end: what runs may be older than the units"
        return Finding(name, good=False, told=told, way_out=f"{again} goes on with it")
    if stale:
        told = f"are not what version and configuration ask for now: {', '.join(stale)}"
        return Finding(name, good=False, told=told, way_out=f"{again} writes them anew; sessions go on")
    return Finding(name, good=True, told="are what version and configuration ask for")


def _sites(environ: Mapping[str, str]) -> list[Site]:
    try:
        return [system_site(), user_site(with_runtime(environ))]
    except InstallError:
        return [system_site()]
