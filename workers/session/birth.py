"""The birth of the harness: what it is, what it gets, and the fork."""

from __future__ import annotations

import os

from workers.session.command import Command, Unrunnable, find_program
from workers.session.confining import rules_of
from workers.session.harness import Launch, launch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.session.cgroup import Cgroup
    from workers.session.guarding import Pending
    from workers.session.logs import Logs
    from workers.session.spec import Spec


class Birth:
    """A harness between fork and exec: what it is to run, and the guard that it is about to be under, if any."""

    __slots__ = ("command", "guard", "launch")

    def __init__(self, launch: Launch, command: Command, guard: Pending | None) -> None:
        self.launch = launch
        self.command = command
        self.guard = guard


def bear(
    spec: Spec, logs: Logs, cgroup: Cgroup | None, guard: Callable[[], Pending | None], mask: int
) -> Birth:
    """Fork the harness of a session with umask `mask`; `guard` is asked when all else is there.

    Raises:
        Unrunnable: it could not be forked, in a sentence.
    """
    opened: list[int] = []
    try:
        command = Command(find_program(spec.argv, spec.env, spec.cwd), spec.argv, spec.env, spec.cwd)
        opened.append(os.open(spec.path(spec.stdin), os.O_RDONLY | os.O_CLOEXEC))
        opened += (logs.out.writer(), logs.err.writer())
        rules = rules_of(spec)
        if rules is not None:
            opened.append(rules)
        joining = cgroup.joining if cgroup else None
        pending = guard()
        stdio = (opened[0], opened[1], opened[2])
        return Birth(launch(command, stdio, mask, joining, pending, rules), command, pending)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise Unrunnable(f"the harness's process could not be made: {where}{error.strerror}") from None
    finally:
        for fd in opened:
            os.close(fd)
