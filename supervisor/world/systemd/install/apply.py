"""Doing what a plan says, so that a failure leaves the old version as it was."""

from __future__ import annotations

import contextlib
import shlex

from supervisor.world.systemd.install.cut_short import mark_of
from supervisor.world.systemd.install.errors import InstallError
from supervisor.world.systemd.install.files import Written, installed_paths, write_files
from supervisor.world.systemd.install.plan import Plan, Removal, Step
from supervisor.world.systemd.install.runner import Runner
from supervisor.world.systemd.install.site import CHECK, SERVICE, SESSIONS, Site

_ASK = 20.0  # seconds for a question to systemd
_SHOWN = 20  # lines of a failed check
_AS_BEFORE = "nothing was changed; what runs goes on"
_AS_BEFORE_ALL = "the units are again those from before the installation that was cut short"


def apply_install(plan: Plan, run: Runner) -> None:
    """Write the files, let the new version check itself, and only then put it in the old one's place.

    Raises:
        InstallError: before the check has passed the old files are back; afterwards the units are
            installed, and the message says what does not run.
    """
    goes_on = mark_of(plan.site).exists()
    written = write_files(plan.site, plan.changed)
    try:
        for step in plan.before:
            _must(step, run)
        if plan.changed:
            _pass_gate(plan, run, _AS_BEFORE_ALL if goes_on else _AS_BEFORE)
    except InstallError as error:
        if faults := _put_back(plan, written, run):
            raise InstallError("\n".join((str(error), *faults))) from error
        raise
    except BaseException:  # interrupted: nothing that is unchecked stays for the next start
        _put_back(plan, written, run)
        raise
    for step in plan.after:
        done = run(step.argv, step.seconds)
        if done.code:
            said = run(plan.site.systemctl("show", "--property=StatusText", "--value", SERVICE), _ASK).text
            raise InstallError(
                f"the units are installed, but `{shlex.join(step.argv)}` failed: {_line(said or done.text)}; "
                f"`{shlex.join(plan.site.journalctl('-n', '30', '-u', SERVICE))}` says more"
            )
    written.settle()


def apply_uninstall(site: Site, removal: Removal, run: Runner) -> tuple[str, ...]:
    """Stop the service by its on_stop and take the files out; return the paths that went.

    Raises:
        InstallError: the service cannot be stopped, and then nothing is taken out; or a file cannot be removed.
    """
    for step in removal.stop:
        _must(step, run)
    gone = installed_paths(site)
    for path in (mark_of(site), *gone):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise InstallError(f"{path} cannot be removed: {error.strerror}") from error
    for step in removal.after:
        _must(step, run)
    return tuple(str(path) for path in gone)


def is_active(site: Site, unit: str, run: Runner) -> bool:
    """Whether a unit is active, or about to be."""
    return run(site.systemctl("is-active", unit), _ASK).text.split("\n")[0] in {
        "active",
        "activating",
        "reloading",
    }


def version_of(run: Runner) -> int:
    """Return the version of systemd, 0 if it does not say."""
    words = run(("systemctl", "--version"), _ASK).text.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def living_sessions(site: Site, run: Runner) -> tuple[str, ...]:
    """Return the units of sessions that run."""
    listed = run(site.systemctl("list-units", "--plain", "--no-legend", "--state=active", SESSIONS), _ASK)
    return tuple(
        line.split()[0] for line in listed.text.splitlines() if line.startswith("leasehold-session@")
    )


def _put_back(plan: Plan, written: Written, run: Runner) -> tuple[str, ...]:
    faults = written.undo()
    with contextlib.suppress(InstallError):  # the first reason is the one to tell
        run(plan.site.systemctl("daemon-reload"), _ASK)
    return faults


def _must(step: Step, run: Runner) -> None:
    done = run(step.argv, step.seconds)
    if done.code:
        raise InstallError(
            f"`{shlex.join(step.argv)}` failed: {_line(done.text) or f'exit code {done.code}'}"
        )


def _line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def _pass_gate(plan: Plan, run: Runner, stays: str) -> None:
    done = run(plan.gate.argv, plan.gate.seconds)
    if not done.code:
        return
    shown = run(plan.site.systemctl("show", "--property=InvocationID", "--value", CHECK), _ASK).text
    said = run(
        plan.site.journalctl("-o", "cat", "-n", str(_SHOWN), f"_SYSTEMD_INVOCATION_ID={shown}"), _ASK
    ).text
    reasons = "".join(f"\n  {line}" for line in said.splitlines()) if shown else ""
    raise InstallError(
        f"the new version does not pass its own check, so {stays}" + (reasons or f": {done.text}")
    )
