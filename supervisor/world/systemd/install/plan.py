"""An installation as data: the files that change and the commands around them. Nothing is done here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supervisor.world.systemd.install.cut_short import replaced_before
from supervisor.world.systemd.install.files import UnitFile, installed_paths, wanted_files
from supervisor.world.systemd.install.installed import Installation
from supervisor.world.systemd.install.site import CHECK, SERVICE, SOCKET, TIMER, TIMERS, Site
from supervisor.world.systemd.install.values import Wanted

_QUICK = 60.0  # seconds for a command that only writes
_START = 150.0  # seconds; the unit's own TimeoutStartSec is shorter


@dataclass(frozen=True, slots=True)
class Step:
    """A command to run, for at most so many seconds."""

    argv: tuple[str, ...]
    seconds: float = _QUICK


@dataclass(frozen=True, slots=True)
class Plan:
    """`changed` files are written; `before` runs; `gate` must succeed, else the files are put back; then `after`."""

    site: Site
    files: tuple[UnitFile, ...]
    changed: tuple[UnitFile, ...]
    before: tuple[Step, ...]
    gate: Step
    after: tuple[Step, ...]

    def steps(self) -> tuple[Step, ...]:
        """Return every command in its order."""
        return (*self.before, self.gate, *self.after)


def plan_install(site: Site, wanted: Wanted, *, running: bool) -> Plan:
    """Return what an installation does; `running` says whether the service runs now.

    Files that an earlier installation wrote without getting to its end count as changed: nothing has checked
    them, and what runs is older.
    """
    files, begun = wanted_files(site, wanted), replaced_before(site)
    changed = tuple(file for file in files if not file.current or file.path in begun)
    before = [Step(site.systemctl("daemon-reload"))]
    if not site.user:
        before = [
            Step(("systemd-sysusers", str(site.path("/etc/sysusers.d/leasehold.conf")))),
            Step(("systemd-tmpfiles", "--create", str(site.path("/etc/tmpfiles.d/leasehold.conf")))),
            *before,
        ]
    after = [Step(site.systemctl("enable", SOCKET, SERVICE))]
    if not running:
        after.append(Step(site.systemctl("start", SOCKET, SERVICE), _START))
    elif any(file.path.name == SOCKET for file in changed):
        # A socket cannot be made anew below its service; the restart of both is one transaction.
        after.append(Step(site.systemctl("restart", SOCKET, SERVICE), _START))
    elif changed:
        after.append(Step(site.systemctl("try-restart", SERVICE), _START))
    gate = Step(site.systemctl("start", CHECK), _START)
    return Plan(site, files, changed, tuple(before), gate, tuple(after))


@dataclass(frozen=True, slots=True)
class Removal:
    """`stop` runs, then the files go, then `after` runs."""

    stop: tuple[Step, ...]
    after: tuple[Step, ...]


def plan_uninstall(site: Site, installed: Installation, timers: Sequence[str]) -> Removal:
    """Return what taking the units out does; the service ends by its on_stop."""
    patience = installed.stop_seconds + _QUICK
    there = {path.name for path in installed_paths(site)}
    stop = [Step(site.systemctl("disable", "--now", *timers))] if timers else []
    if TIMER in there:  # by the template's name goes also what is enabled and not started
        stop.append(Step(site.systemctl("disable", TIMER)))
    units = [name for name in (SOCKET, SERVICE) if name in there]
    stop.append(Step(site.systemctl("disable", "--now", *units), patience))
    return Removal(tuple(stop), (Step(site.systemctl("daemon-reload")),))


def timers_query(site: Site) -> Step:
    """Return the command that lists the timers in use."""
    return Step(site.systemctl("list-units", "--all", "--plain", "--no-legend", TIMERS))
