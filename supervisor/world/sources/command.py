"""Tasks printed by a program: an issue tracker's client, or a selector of one's own."""

from __future__ import annotations

import errno
import shlex
import signal
import time
from typing import TYPE_CHECKING

from supervisor.core.duration import format_duration
from supervisor.core.tasks.task import Problem, Reading
from supervisor.world.programs.program import Finished, NotStarted, Outcome, Overflowed, TimedOut, run
from supervisor.world.sources.entry import Entry, Gathered, Rejected, gather, read_entry
from supervisor.world.sources.output import entries
from supervisor.world.sources.values import Refused, plain, shown
from supervisor.world.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from supervisor.world.programs.sweep import Member
    from supervisor.world.sources.mapping import Defaults

_MOST_BYTES = 8 * 1024 * 1024


class CommandSource:
    """The tasks that `command` prints each time it is run in `cwd`.

    When a run fails, the entries of the last good one stand, so that an hour without a network is not
    an empty backlog. `timeout` is in seconds; `env` of `None` is the supervisor's own environment.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        defaults: Defaults,
        *,
        cwd: Path,
        timeout: float,
        max_bytes: int = _MOST_BYTES,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._command = tuple(command)
        self._defaults = defaults
        self._cwd = cwd
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._env = env
        self._where = plain(shlex.join(self._command))[:200]
        self._good: tuple[Entry, ...] | None = None
        self._due: float | None = None

    @property
    def name(self) -> str:
        """The name of the source in the configuration."""
        return self._name

    @property
    def due(self) -> float | None:
        """Unix time in seconds at which a task held by `wait` becomes free, if there is one."""
        return self._due

    async def read(self) -> Reading:
        """Run the program and return its tasks, or those of its last good run and the reason.

        Returns within the timeout and a few seconds more, whatever the program and its children do.
        """
        outcome = await run(
            self._command, cwd=self._cwd, env=self._env, seconds=self._timeout, limit=self._max_bytes
        )
        problems = list(self._survivors(outcome))
        try:
            printed = self._output(outcome)
            # Megabytes of JSON take long enough to be noticed by everything else on the event loop.
            self._good = await in_thread(self._entries, printed, abandon_on_cancel=True)
        except Refused as refusal:
            problems.append(self._problem(refusal))
        gathered = self._gather(problems)
        self._due = gathered.due
        return gathered.reading

    def _gather(self, problems: list[Problem]) -> Gathered:
        return gather(self._name, self._good or (), problems, time.time())

    def _problem(self, refusal: Refused) -> Problem:
        if self._good is None:
            kept = "it has no tasks until then"
        else:
            number = sum(not isinstance(entry, Rejected) for entry in self._good)
            kept = f"until then its last good output counts ({number} task{'' if number == 1 else 's'})"
        return Problem(self._name, self._where, refusal.what, f"{refusal.fix}; {kept}")

    def _survivors(self, outcome: Outcome) -> Iterator[Problem]:
        members: tuple[Member, ...] = () if isinstance(outcome, NotStarted) else outcome.survivors
        if members:
            named = ", ".join(f"{member.pid} ({plain(member.command)})" for member in members[:5])
            what = f"left processes that do not die when killed: {named}"
            yield Problem(self._name, self._where, what, "see what they wait for; a network mount is usual")

    def _output(self, outcome: Outcome) -> bytes:
        """Return what a successful run printed.

        Raises:
            Refused: the run was not successful.
        """
        match outcome:
            case Finished(0, output):
                return output
            case Finished(code, _, errors):
                raise Refused(f"{_ending(code)}{_last_line(errors)}", "run it by hand to see why")
            case TimedOut(errors):
                what = f"did not finish within {format_duration(self._timeout)} and was killed{_last_line(errors)}"
                raise Refused(what, "make it faster, or raise the timeout of the source")
            case Overflowed(stream):
                what = f"printed more than {self._max_bytes} bytes to {stream} and was killed"
                raise Refused(what, "let it print tasks alone, and fewer of them")
            case NotStarted(error):
                raise self._not_started(error)

    def _not_started(self, error: OSError) -> Refused:
        program = shown(self._command[0] if self._command else "", 200)
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and error.filename == str(self._cwd):
            return Refused(f"its folder {shown(str(self._cwd), 200)} does not exist", "correct the path")
        if error.errno == errno.EACCES and error.filename == str(self._cwd):
            return Refused(f"its folder {shown(str(self._cwd), 200)} may not be entered", "correct its mode")
        match error.errno:
            case errno.ENOENT:
                return Refused(f"the program {program} is not found", "install it, or write its full path")
            case errno.EACCES:
                return Refused(f"the program {program} may not be executed", f"chmod +x {program}")
            case errno.ENOEXEC:
                return Refused(f"{program} is not a program", 'begin a script with a line like "#!/bin/sh"')
            case _:
                reason = plain(error.strerror or str(error)).lower()
                return Refused(f"could not be started: {reason}", "run it by hand to see why")

    def _entries(self, printed: bytes) -> tuple[Entry, ...]:
        return tuple(self._entry(number, found) for number, found in enumerate(entries(printed), 1))

    def _entry(self, number: int, found: object) -> Entry:
        if not isinstance(found, dict):
            where = f"{self._name}: entry {number}"
            return Rejected(Problem(self._name, where, f"is {shown(found)}, not a task", "print an object"))
        name = found.get("key", found.get("id"))
        where = f"{self._name}: entry {number}" + (f" ({shown(name)})" if name is not None else "")
        return read_entry(
            found, source=self._name, where=where, defaults=self._defaults, created=0.0, fallback={}
        )


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _last_line(errors: bytes) -> str:
    """Return the last line of standard error, ready to be added to a sentence."""
    printed = errors.decode(errors="replace").strip().splitlines()
    return f', saying "{plain(printed[-1].strip())[:300]}"' if printed else ""
