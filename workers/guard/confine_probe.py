"""Does Landlock hold on this host? A throw-away child confines itself, and tries to write outside and inside."""

from __future__ import annotations

import errno
import os
import sys
import tempfile

from workers.guard import landlock
from workers.session.command import unconfinable

_HELD, _NOT_HELD = 0, 1

# What each ABI leaves open, by the last one that does.
_LACKS = (
    (1, "no file can be moved or linked from one folder to another (EXDEV), its own included"),
    (2, "truncate(2) of a file elsewhere is not held"),
)
_ALWAYS_LACKS = (
    "mode, owner and times of files elsewhere are not held, and what mounts (bwrap) does not run inside"
)


def main() -> int:
    """Print in one line what was seen and what is not held; return 0 if a write outside was refused and none inside."""
    try:
        version = landlock.abi()
        with tempfile.TemporaryDirectory(prefix="leasehold-confine-") as folder:
            held = _try(os.path.realpath(folder))
    except OSError as error:
        return _say(f"no session can be confined: {unconfinable(error.errno or 0, error.filename)}", 1)
    if not held:
        return _say(f"Landlock ABI {version} was taken, but a write outside was not refused", 1)
    lacks = [text for last, text in _LACKS if version <= last]
    told = f"Landlock ABI {version}: a write outside a confined session's folders fails with EACCES"
    return _say(f"{told}; {'; '.join([*lacks, _ALWAYS_LACKS])}", 0)


def _say(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code


def _try(folder: str) -> bool:
    inside, outside = os.path.join(folder, "inside"), os.path.join(folder, "outside")
    for path in (inside, outside):
        os.mkdir(path)
    rules = landlock.rules([inside])
    child = os.fork()
    if child == 0:
        _write(rules, os.path.join(inside, "file"), os.path.join(outside, "file"))
    os.close(rules)
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == _HELD


def _write(rules: int, inside: str, outside: str) -> None:
    code = _NOT_HELD
    try:
        landlock.enter(rules)
        os.close(os.open(inside, os.O_WRONLY | os.O_CREAT, 0o600))
        os.open(outside, os.O_WRONLY | os.O_CREAT, 0o600)
    except OSError as error:
        code = _HELD if error.errno == errno.EACCES and error.filename == outside else _NOT_HELD
    finally:
        os._exit(code)
