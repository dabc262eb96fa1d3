"""Pinned agents from npm and PyPI, installed once into a cache and used by every run after that."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LIMIT = 300.0  # seconds that one step of an install may take
DONE = ".complete"


class UnavailableError(Exception):
    """An agent cannot be had here; the text says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """What to install, at which version, and where its program is then."""

    name: str
    registry: str  # "npm" or "pypi"
    version: str
    program: str  # below the folder of the install
    beside: tuple[str, ...] = ()  # further packages, pinned

    def pins(self) -> list[str]:
        """Return what the registry's client is told to install."""
        mark = "@" if self.registry == "npm" else "=="
        return [f"{self.name}{mark}{self.version}", *self.beside]


NODE = Package("node", "npm", "22.23.3", "node_modules/node/bin/node")  # for agents that want 22 or newer

OPENCODE_PLUGIN = Package(
    "@opencode-ai/plugin", "npm", "1.18.33", "node_modules/@opencode-ai/plugin/package.json"
)


def cache() -> Path:
    """Return the folder of the installs."""
    if named := os.environ.get("LEASEHOLD_HARNESS_CACHE"):
        return Path(named).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "leasehold-test", "harness")


def installed(package: Package, said: Callable[[str], None] = lambda _line: None) -> Path:
    """Return the folder of an install, made now if it is not there, which is `said`; raises UnavailableError."""
    place = cache() / f"{package.registry}-{package.name.strip('@').replace('/', '-')}-{package.version}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(place.with_name(f"{place.name}.lock")):
        if not _complete(place, package):
            said(f"installing {package.name} {package.version} from {package.registry} into {place}")
            shutil.rmtree(place, ignore_errors=True)  # half an install of a run that was interrupted
            _install(place, package)
            if not (place / package.program).exists():
                raise UnavailableError(f"{package.name} {package.version} has no {package.program}")
            (place / DONE).write_text("\n".join(package.pins()))
    return place


def program(package: Package) -> Path:
    """Return the program of a package, installed if need be; raises UnavailableError."""
    return installed(package) / package.program


def _complete(place: Path, package: Package) -> bool:
    mark = place / DONE
    return mark.exists() and mark.read_text() == "\n".join(package.pins())


def _install(place: Path, package: Package) -> None:
    place.mkdir()
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise UnavailableError("npm is not installed")
        _run(
            [
                npm,
                "install",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefix",
                str(place),
                *package.pins(),
            ]
        )
        return
    _run([sys.executable, "-m", "venv", str(place)])
    _run(
        [f"{place}/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *package.pins()]
    )


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, cwd="/"
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"`{' '.join(command[:4])} …` took longer than {LIMIT:g} s") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnavailableError(f"`{' '.join(command)}` failed: {last}")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let two runs at once not install the same thing twice."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
