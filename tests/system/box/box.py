"""A real systemd, booted beside the computer's own in namespaces, for the tests of one file."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, Self

from tests.system.box import cgroups

Hierarchy = Literal["unified", "hybrid"]
BOOT = 30.0  # seconds; some hundred times what a quiet computer takes
POWER_OFF = 10.0
_numbers = itertools.count(1)


class BoxError(Exception):
    """A box did not boot, or did not end as it should."""


class Box:
    """A booted systemd: `with Box() as box: box.sh("systemctl is-system-running")`.

    The computer's files are its own, below a layer in memory that takes all changes, or in `disk`, a folder
    on another file system than the root's, to be booted again; `binds` maps folders of the computer to the
    places where the box sees them, read-only. Nothing is left behind at its end, nor
    when the test process is killed.
    """

    def __init__(
        self,
        hierarchy: Hierarchy = "unified",
        *,
        binds: dict[Path, str] | None = None,
        logind: bool = False,
        disk: Path | None = None,
    ) -> None:
        self.name = f"{cgroups.PREFIX}{os.getpid()}-{next(_numbers)}"
        self.hierarchy = hierarchy
        self.pid = 0  # of its systemd, as the computer sees it
        self._arguments = [hierarchy, self.name, "yes" if logind else "no", str(disk or "memory")]
        for source, target in (binds or {}).items():
            self._arguments += [str(source), target]
        self.console = ""  # the end of what it printed there, once it has ended
        self._printed: IO[bytes] | None = None
        self._keeper: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Boot it, and return once systemd has started everything.

        Raises:
            BoxError: it did not come up; says what the console showed.
        """
        folder = tempfile.mkdtemp(prefix=cgroups.PREFIX)
        command = [sys.executable, str(Path(__file__).with_name("keeper.py")), folder]
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115  # nameless, so that nobody needs to remove it
        self._keeper = subprocess.Popen(
            [*command, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            text=True,
            start_new_session=True,
        )
        try:
            self._await_systemd(int(self._line()))
            self._await_started()
        except BaseException as error:
            self._let_go()
            if isinstance(error, BoxError | ValueError | OSError | subprocess.SubprocessError):
                raise BoxError(f"{error}\n{self.console}") from error
            raise

    def run(
        self, command: Sequence[str], *, limit: float = 30.0, user: str | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root or `user`, killed there after `limit` seconds; return how it ended."""
        inner = ["timeout", "-k", "2", str(limit), *command]
        if user is not None:
            inner = ["setpriv", f"--reuid={user}", "--regid", f"{self._group(user)}", "--init-groups", *inner]
        return subprocess.run(
            self.command(inner),
            env=_ENVIRON,
            text=True,
            input=stdin,
            capture_output=True,
            timeout=limit + 10,  # the one inside has killed it long before
        )

    def command(self, inner: Sequence[str]) -> list[str]:
        """Return the command line that runs `inner` inside; it ends by itself, or with the box."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-C", "-n", "-p", "--", *inner]

    def sh(self, script: str, *, code: int | None = 0, limit: float = 30.0, user: str | None = None) -> str:
        """Run a shell script inside, check its exit code, and return what it printed on both outputs."""
        done = self.run(["sh", "-c", f"exec 2>&1\n{script}"], limit=limit, user=user)
        assert code is None or done.returncode == code, (
            f"{script}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit by `systemctl show`."""
        wanted = ",".join(properties)
        lines = self.sh(f"systemctl show {shlex.quote(unit)} -p {wanted}").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file inside, with the folders above it."""
        quoted = shlex.quote(path)
        script = f"mkdir -p $(dirname {quoted}); cat >{quoted}; chmod {mode:o} {quoted}"
        done = self.run(["sh", "-c", script], stdin=text)
        assert done.returncode == 0, done.stderr

    def journal(self, *match: str) -> list[dict[str, Any]]:
        """Return the entries of the journal that match, oldest first."""
        query = " ".join(shlex.quote(word) for word in match)
        lines = self.sh(f"journalctl --sync; journalctl -o json --no-pager --all {query}").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait(self, happened: Callable[[], object], what: str, limit: float = 30.0) -> None:
        """Return once something has happened that announces itself to nobody.

        Raises:
            BoxError: it has not within `limit` seconds.
        """
        deadline = time.monotonic() + limit
        while not happened():
            if time.monotonic() > deadline:
                raise BoxError(f"{what}: not within {limit} s")
            time.sleep(0.02)

    def processes(self) -> Iterator[tuple[int, str]]:
        """Yield the process id, as the box sees it, and the command of each living process inside."""
        for line in self.sh("ps -e -o pid=,stat=,args=").splitlines():
            pid, state, command = line.split(None, 2)
            if not state.startswith("Z"):
                yield int(pid), command

    def stop(self, patience: float = POWER_OFF) -> Literal["powered off", "killed"]:
        """Power it off, or kill it after `patience` seconds; return which, with nothing left of it.

        Raises:
            BoxError: something is left all the same.
        """
        keeper = self._keeper
        if keeper is None:
            return "powered off"
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGRTMIN + 4)
        try:
            keeper.wait(patience)
        except subprocess.TimeoutExpired:
            self._let_go()
            return "killed"
        self._let_go()
        return "powered off"

    def _let_go(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        with contextlib.suppress(BrokenPipeError):
            keeper.communicate(timeout=30)  # closes its standard input, and with it the box
        if self._printed is not None:
            self._printed.seek(0)
            self.console = self._printed.read()[-4000:].decode(errors="replace")
            self._printed.close()
        if keeper.returncode != 0:
            raise BoxError(f"something of {self.name} is left behind\n{self.console}")

    def _line(self) -> str:
        keeper = self._keeper
        assert keeper is not None
        assert keeper.stdout is not None
        ready, _, _ = select.select([keeper.stdout], [], [], BOOT)
        return keeper.stdout.readline() if ready else ""

    def _await_systemd(self, unshare: int) -> None:
        """Return once the init script has become systemd and that answers; its process id is known then."""

        def came() -> bool:
            with contextlib.suppress(OSError, IndexError):
                self.pid = int(Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()[0])
                return Path(f"/proc/{self.pid}/comm").read_text() == "systemd\n"
            if not Path(f"/proc/{unshare}").exists():
                raise BoxError("its first process ended")
            return False

        self.wait(came, "no systemd", BOOT)
        self.wait(
            lambda: self.run(["test", "-S", "/run/systemd/private"]).returncode == 0, "no manager", BOOT
        )

    def _await_started(self) -> None:
        """Return once everything that starts at boot has started."""
        state = self.run(["systemctl", "is-system-running", "--wait"], limit=BOOT).stdout.strip()
        if state != "running":
            failed = self.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout
            raise BoxError(f"systemd came up {state}: {failed}")

    def _group(self, user: str) -> str:
        return self.sh(f"id -g {shlex.quote(user)}").strip()


_ENVIRON = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "SYSTEMD_PAGER": "",
}
