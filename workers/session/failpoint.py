"""Named points at which a test lets a process die, fail or hang.

    LEASEHOLD_FAILPOINTS="worker.locked=kill,launch.forked=2*exit"

An action holds for each hit, or with `N*` for the Nth alone. LEASEHOLD_FAILPOINTS_HITS names a folder
in which all processes count their hits together, one file for each; without it every process counts
its own. Unless `arm` found a point in the environment, passing one costs a function call.
"""

from __future__ import annotations

import os

VARIABLE = "LEASEHOLD_FAILPOINTS"
HITS = "LEASEHOLD_FAILPOINTS_HITS"
ANY = "*"  # in place of a name: every point
ACTIONS = ("kill", "exit", "error", "hang", "count")

POINTS = (  # of the worker, in the order of a session's life
    "worker.begun",
    "worker.locked",
    "worker.spec_read",
    "worker.listening",
    "worker.described",
    "worker.forked",
    "harness.forked",
    "harness.ready_to_exec",
    "worker.harness_described",
    "worker.execed",
    "worker.started_told",
    "worker.stop_asked",
    "worker.stop_told",
    "worker.exit_noticed",
    "worker.exit_told",
    "worker.leader_killed",
    "worker.swept",
    "worker.record_made",
    "durable.written",
    "durable.renamed",
    "worker.record_durable",
    "worker.ended_told",
    "worker.socket_removed",
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_armed: dict[str, tuple[int, str]] = {}
_hits: dict[str, int] = {}
_folder: list[str] = []


class FailpointError(OSError):
    """What `error` raises: to all who handle failures of the system, one of those."""


def failpoint(name: str) -> None:
    """Do what the environment asked for at this point; nearly always nothing.

    Raises:
        FailpointError: the action is `error`.
    """
    if _armed:
        _reach(name)


def arm(environ: Mapping[str, str], known: Collection[str]) -> None:
    """Take in what the environment asks for, as far as it is about `known` points; done once, at the start.

    Raises:
        ValueError: it cannot be read; the message says which part and what there is.
    """
    _armed.clear()
    _armed.update((name, plan) for name, plan in read(environ.get(VARIABLE, "")).items() if name in known)
    _folder[:] = [environ[HITS]] if environ.get(HITS) else []


def read(text: str) -> dict[str, tuple[int, str]]:
    """Return for each named point the hit that counts (0: each) and the action.

    Raises:
        ValueError: a part is not `name=action` or `name=N*action`.
    """
    plans: dict[str, tuple[int, str]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, plan = part.partition("=")
        number, star, action = plan.rpartition("*")
        if action not in ACTIONS or (star and not (number.isdigit() and int(number))):
            raise ValueError(f'{VARIABLE}: "{part}" is not NAME=[N*]ACTION; actions are {", ".join(ACTIONS)}')
        plans[name] = (int(number or 0), action)
    return plans


def _reach(name: str) -> None:
    plan = _armed.get(name) or _armed.get(ANY)
    if plan is None:
        return
    number, action = plan
    hit = _count(name)
    if number not in {0, hit}:
        return
    match action:
        case "kill":
            os.kill(os.getpid(), 9)
        case "exit":
            os._exit(70)
        case "error":
            import errno

            raise FailpointError(errno.EIO, f"failpoint {name}")
        case "hang":
            import time

            while True:
                time.sleep(3600)


def _count(name: str) -> int:
    """Return which hit this one is; the first is 1."""
    _hits[name] = hit = _hits.get(name, 0) + 1
    while _folder:
        try:
            os.close(os.open(f"{_folder[0]}/{name}.{hit}", os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            _hits[name] = hit = hit + 1
        else:
            break
    return hit
