"""Tries the routes of the write matrix; `python -m tests.process.guard_matrix` does so apart, and tells in JSON.

The standard library and `workers` are enough for it, so that it also runs as another user, with another Python.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.process import guarded
from tests.process.guard_routes import ROUTES, End, Route
from workers.guard.calls import MOVE, Target

HERE = Path(__file__).parent
CONTENT = "one\ntwo\nthree\n"
_SHELL = "/bin/sh"


@dataclass(frozen=True)
class Outcome:
    """What a route did to the held file, what the guard saw of it, and what the program printed."""

    route: str
    changed: bool
    asked: bool
    unreadable: int
    code: int
    printed: str

    @property
    def end(self) -> End:
        """Return it in one word."""
        if self.changed:
            return End.MISSED
        return End.REFUSED if self.asked else End.CLOSED


def compile_raw(folder: Path) -> Path | None:
    """Return the program that makes system calls by hand, or None where there is no compiler for it."""
    if shutil.which("cc") is None:
        return None
    program = folder / "raw"
    flags = ("-O1", "-static", "-no-pie", "-Wno-unused-result")
    done = subprocess.run(["cc", *flags, "-o", program, HERE / "raw.c"], check=False, capture_output=True)
    return program if done.returncode == 0 else None


def make_repository(folder: Path, held: bytes = b"held.txt") -> Path:
    """Return a git repository in a new folder, with a file in it that belongs to somebody else."""
    folder.mkdir(exist_ok=True)
    root = folder.resolve() / "repo"
    (root / "folder").mkdir(parents=True)
    (root / "other.d").mkdir()
    (root / "folder" / "inner.txt").write_text("inner\n")
    (root / "other.txt").write_text("other\n")
    (root / "held.txt").write_text("before\n")

    def git(*args: str) -> None:
        who = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        subprocess.run(["git", *who, *args], cwd=root, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "First")
    (root / "held.txt").write_text(CONTENT)
    place = root / os.fsdecode(held)
    if not place.exists() and held != b"new.txt":
        place.write_text(CONTENT)
        git("add", ".")
    git("commit", "-qam", "Second")
    return root


def missing(route: Route, raw: Path | None) -> str:
    """Return what a route needs and this machine has not, or an empty text."""
    if route.needs == "cc":
        return "" if raw else "a C compiler that links static programs"
    return "" if shutil.which(route.needs) else route.needs


def attempt(route: Route, root: Path, raw: Path | None, *, guard: bool = True) -> Outcome:
    """Try a route in a fresh repository, under the guard or without it."""
    held = os.fsencode(root) + b"/" + route.held
    env = _environment(raw)
    if route.first:
        subprocess.run([_SHELL, "-c", route.first], cwd=root, env=env, check=True, timeout=guarded.LIMIT)
    before = _look(held)
    assert before is not None
    with _descriptor(route.outside, held, env) as fds:
        if guard:
            done = guarded.run(
                root,
                [_SHELL, "-c", route.script],
                lambda target: _refuses(target, held, route, root),
                keep_dumpable=route.keep_dumpable,
                env=env,
                pass_fds=fds,
            )
            asked = any(_is_held(target, held) for target in done.seen)
            said, code, unreadable = done.output, done.code, done.unreadable
        else:
            said, code = _unguarded(route, root, env, fds)
            asked, unreadable = False, 0
    return Outcome(route.name, _look(held) != before, asked, unreadable, code, said)


def _environment(raw: Path | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    who = {
        f"GIT_{role}_{part}": "t@localhost" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    return kept | who | {"PYTHON": sys.executable, "RAW": str(raw or ""), "LC_ALL": "C"}


def _look(held: bytes) -> tuple[bytes, int, int] | None:
    """Return contents, inode and time of change; they may not differ after a refusal."""
    try:
        status = os.lstat(held)
        if not stat.S_ISREG(status.st_mode):
            return b"", status.st_ino, status.st_mtime_ns
        return Path(os.fsdecode(held)).read_bytes(), status.st_ino, status.st_mtime_ns
    except OSError:
        return None


def _is_held(target: Target, held: bytes) -> bool:
    if target.inode is not None and os.path.lexists(held):
        status = os.lstat(held)
        if target.inode == (status.st_dev, status.st_ino):
            return True
    return target.path == held or (target.deed == MOVE and held.startswith(target.path + b"/"))


def _refuses(target: Target, held: bytes, route: Route, root: Path) -> bool:
    if route.swap and target.path.endswith(b"/new1.txt"):
        (root / "go").write_text("x")
        os.close(os.open(root / "done", os.O_WRONLY))  # opens when the script has changed the name
    return _is_held(target, held)


@contextmanager
def _descriptor(outside: str, held: bytes, env: dict[str, str]) -> Iterator[tuple[int, ...]]:
    """Give the script a descriptor of the held file, opened by this process."""
    if not outside:
        yield ()
        return
    fd = os.open(held, os.O_WRONLY | os.O_APPEND)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        passed = fd if outside == "inherited" else theirs.fileno()
        if outside == "sent":
            socket.send_fds(ours, [b"x"], [fd])
        env["FD"] = str(passed)
        try:
            yield (passed,)
        finally:
            os.close(fd)


def _unguarded(route: Route, root: Path, env: dict[str, str], fds: tuple[int, ...]) -> tuple[str, int]:
    done = subprocess.run(
        [_SHELL, "-c", route.script],
        cwd=root,
        env=env,
        pass_fds=fds,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=guarded.LIMIT,
    )
    return done.stdout, done.returncode


def main() -> None:
    """Try every route that this machine has the program for, in a folder; print outcomes and what is missing."""
    folder, raw = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    found, left_out = [], {}
    for number, route in enumerate(ROUTES):
        if lacking := missing(route, raw):
            left_out[route.name] = lacking
            continue
        place = folder / str(number)
        found.append(attempt(route, make_repository(place, route.held), raw))
    json.dump({"outcomes": [asdict(outcome) for outcome in found], "missing": left_out}, sys.stdout)


if __name__ == "__main__":
    main()
