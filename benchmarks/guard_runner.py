"""What a runner does when told to, inside a guarded session or bare: `guard_runner.py SOCKET NAME`, one JSON line each way.

The same program runs in both, so what differs is the guard.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

Deed = dict[str, Any]


def run(argv: list[str], env: dict[str, str] | None = None) -> Deed:
    """Run a program; wall seconds, CPU seconds of it and its children, and its exit code."""
    began, used = time.perf_counter(), _used()
    done = subprocess.run(
        argv, env=os.environ | (env or {}), check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    return {
        "seconds": time.perf_counter() - began,
        "cpu": _used() - used,
        "code": done.returncode,
        "said": done.stderr[-300:].decode(errors="replace"),
    }


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def opens(paths: list[str], times: int = 1) -> Deed:
    """Open each for writing, so often; microseconds."""
    taken = []
    for path in paths * times:
        began = time.perf_counter_ns()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        taken.append((time.perf_counter_ns() - began) / 1e3)
        os.close(fd)
    taken.sort()
    return {
        "p50_us": taken[len(taken) // 2],
        "p99_us": taken[int(len(taken) * 0.99)],
        "worst_us": taken[-1],
    }


def write(path: str, text: str) -> Deed:
    """Write a file whole."""
    Path(path).write_text(text, encoding="utf-8")
    return {}


def count_up(files: list[str], seconds: float) -> Deed:
    """Add one to random files, read, think and write, as an edit does; how often it was acknowledged, how often refused."""
    done = refused = 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            fd = os.open(random.choice(files), os.O_RDWR)
        except OSError:
            refused += 1
            continue
        number = int(os.pread(fd, 32, 0) or b"0") + 1
        os.sched_yield()
        os.pwrite(fd, b"%d" % number, 0)
        os.close(fd)
        done += 1
    return {"done": done, "refused": refused}


def storm(prefix: str, count: int) -> Deed:
    """Make, rename and remove files under names that are never used again."""
    began = time.perf_counter()
    for number in range(count):
        name = f"{prefix}.tmp.{number}"
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600))
        other = f"{prefix}.{number % 10}"
        Path(name).rename(other)
        if number % 2:
            Path(other).unlink()
    for number in range(10):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{prefix}.{number}").unlink()
    return {"seconds": time.perf_counter() - began}


def commits(name: str, rounds: int) -> Deed:
    """Change a file, add, commit and ask for the status, so often; how many of these git commands failed."""
    began, failed, said = time.perf_counter(), 0, ""
    for number in range(rounds):
        Path(f"{name}.txt").write_text(f"{number}\n", encoding="utf-8")
        for words in (["add", f"{name}.txt"], ["commit", "-qm", f"{name} {number}", "--", f"{name}.txt"], ["status", "--short"]):  # fmt: skip
            done = run(["git", *words])
            failed += done["code"] != 0
            said = said or done["said"] if done["code"] else said
    return {"seconds": time.perf_counter() - began, "failed": failed, "commands": 3 * rounds, "said": said}


DEEDS = {deed.__name__: deed for deed in (run, opens, write, count_up, storm, commits)}


def main() -> None:
    """Do what comes over the socket until it is closed."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(sys.argv[1])
    with line.makefile("rw") as file:
        file.write(json.dumps({"name": sys.argv[2], "pid": os.getppid()}) + "\n")
        file.flush()
        for asked in file:
            name, words = json.loads(asked)
            file.write(json.dumps(DEEDS[name](**words)) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
