"""The guard put together, once the harness has handed the listener of its filter over."""

from __future__ import annotations

import os
import time

from workers.gate.differ import Differ
from workers.guard.branches import Branches
from workers.guard.claims import Claims
from workers.guard.fence import Fence
from workers.guard.gitcommand import GitCommands
from workers.guard.ground import Ground
from workers.guard.guard import Guard
from workers.guard.ignored import Ignored
from workers.guard.line import Line
from workers.guard.resolve import Eyes
from workers.guard.rules import Rules
from workers.guard.seccomp import Listener
from workers.guard.spare_hooks import SpareHooks
from workers.guard.stashes import Stashes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.guard.rights import Rights
    from workers.session.loop import Loop
    from workers.session.spec import GuardSpec


def make(listener: int, spec: GuardSpec, loop: Loop, rights: Rights, told: Callable[[str], None]) -> Guard:
    """Return the guard that answers on the descriptor `listener`, which becomes its own."""
    os.set_inheritable(listener, False)
    root = os.fsencode(spec.root)
    git_dir = os.fsencode(spec.git_dir)
    line = Line(loop, spec.control, spec.token, spec.patience)
    heard, ground, eyes, fence = Listener(listener), Ground(root), _eyes(spec), _fence(spec)
    rules = Rules(spec.wait, spec.git_wait, spec.aliases, open_when_away=spec.open_when_away)
    hooks = SpareHooks(spec.hooks, spec.spare_hooks, spec.own_hooks, spec.git_dir)
    stashes = Stashes(git_dir, _own_branch(spec), time.time())
    return Guard(
        loop,
        heard,
        ground,
        eyes,
        Ignored(root, spec.git, git_dir),
        rights,
        Claims(line),
        Branches(loop, git_dir, _gate(spec), Differ(loop, spec.git, git_dir), line),
        GitCommands(heard, ground, eyes, hooks, stashes, rules, fence),
        told,
        rules,
        fence,
    )


def _own_branch(spec: GuardSpec) -> bytes:
    """Return the branch of a session with a work tree of its own, whose folder has the session's name."""
    return b"leasehold/" + os.path.basename(os.fsencode(spec.root)) if spec.checkout else b""


def _eyes(spec: GuardSpec) -> Eyes:
    """Return what knows the session's work tree, and the fenced ones, under each name that they are mounted at."""
    apart = [folder for folder in (spec.checkout, spec.others) if folder]
    return Eyes(*map(os.fsencode, (spec.root, *apart)))


def _fence(spec: GuardSpec) -> Fence | None:
    if not spec.checkout:
        return None
    checkout = os.fsencode(spec.checkout)
    return Fence(
        Ground(os.fsencode(spec.root)),
        Ground(checkout),
        Ground(os.fsencode(spec.others)),
        Ignored(checkout, spec.git, os.fsencode(spec.git_dir)),
    )


def _gate(spec: GuardSpec) -> dict[bytes, bytes]:
    """Return the variables by which the gate's client finds the supervisor and knows what it is asked about."""
    variables = {
        "LEASEHOLD_SOCKET": spec.control,
        "LEASEHOLD_TOKEN": spec.token,
        "LEASEHOLD_TARGET": spec.target,
        "LEASEHOLD_GATE_WAIT": spec.env.get("LEASEHOLD_GATE_WAIT", ""),
    }
    return {name.encode(): os.fsencode(value) for name, value in variables.items() if value}
