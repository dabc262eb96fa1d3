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
    """`command` starts the command line, `python` and `workers` a worker; `package` is what both import."""

    version: str
    command: tuple[str, ...]
    python: Path
    workers: Path
    package: Path

    def places(self) -> tuple[Path, ...]:
        """Return what an account must be able to read to run it."""
        return (self.python, self.python.resolve(), Path(self.command[0]), self.package, self.workers)


def this_program() -> Program:
    """Return the installation that runs now."""
    python = Path(sys.executable)
    script = python.with_name("leasehold")
    command = (
        (os.fspath(script),)
        if os.access(script, os.X_OK)
        else (os.fspath(python), "-I", "-m", "supervisor.cli.main")
    )
    return Program(
        version=supervisor.__version__,
        command=command,
        python=python,
        workers=Path(workers.__file__).resolve().parent,
        package=Path(supervisor.__file__).resolve().parent,
    )
