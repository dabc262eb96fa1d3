"""The C programs, compiled into a temporary folder; absent where there is no C compiler."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Native:
    """Paths of the compiled programs."""

    floor: str
    load: str
    hostile: str


def compile_native(folder: Path) -> Native | None:
    """Return the compiled programs, or None when no C compiler is installed.

    Raises:
        subprocess.CalledProcessError: there is a compiler, and it failed.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    for name in ("floor", "load", "hostile"):
        subprocess.run([compiler, "-O2", "-o", folder / name, HERE / f"{name}.c"], check=True)
    return Native(str(folder / "floor"), str(folder / "load"), str(folder / "hostile"))
