"""The program that the units start: this very installation of Leasehold."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import supervisor
import workers


@dataclass(frozen=True, slots=True)
class Program:
    """`command` starts the command line, `python` and `workers` a worker; `version` is Leasehold's."""

    version: str
    command: tuple[str, ...]
    python: Path
    workers: Path

    def places(self) -> tuple[Path, ...]:
        """Return what an account must be able to read to run it."""
        package = Path(supervisor.__file__).resolve().parent
        return (self.python, self.python.resolve(), Path(self.command[0]), package, self.workers)


def this_program() -> Program:
    """Return the installation that runs now."""
    python = Path(sys.executable)
    script = python.with_name("leasehold")
    command = (
        (os.fspath(script),)
        if os.access(script, os.X_OK)
        else (os.fspath(python), "-I", "-m", "supervisor.cli.main")
    )
    return Program(supervisor.__version__, command, python, Path(workers.__file__).resolve().parent)
