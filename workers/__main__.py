"""Start what runs beside or inside a session: `python -I -S DIR COMMAND`, DIR being the folder of this package.

`session SESSION_DIR [--listen-fd N] [--lock-fd N]` is the worker of one session; `guard-probe` says whether the
lease guard bites on this host, `confine-probe` whether Landlock holds. Each sub-program is imported only when it is asked for, so that
one does not pay for the start of another.
"""

from __future__ import annotations

import os
import sys


def _make_package_importable() -> None:
    # A folder run as a program is itself sys.path[0], which would offer its modules as top-level names.
    # Its parent goes last: what lies beside the package must not shadow the standard library.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path.append(os.path.dirname(here))


def main(argv: list[str]) -> int:
    """Run the sub-program that `argv[0]` names and return its exit code."""
    _make_package_importable()
    match argv:
        case ["session", *rest]:
            from workers.session.main import main as session

            return session(rest)
        case ["guard-probe"]:
            from workers.guard.probe import main as probe

            return probe()
        case ["confine-probe"]:
            from workers.guard.confine_probe import main as confine_probe

            return confine_probe()
        case _:
            sys.stderr.write("usage: python -I -S DIR session SESSION_DIR [--listen-fd N] [--lock-fd N]\n")
            return 2


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # To take the interpreter apart first would hold up what waits for this process.
    os._exit(code)
