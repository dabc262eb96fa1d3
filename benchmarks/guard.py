"""What the guard costs and what it keeps: the same orders to a guarded session and to a bare runner, in turns."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks import guard_floor
from benchmarks.guard_fleet import BARE, GUARDED, Fleet, fleet, fleet_file
from benchmarks.machine import Foreign, cpu_seconds
from benchmarks.report import Spread

_NPM = ("express@4", "eslint@8", "jest@29", "webpack@5")  # some hundred packages with what they need


_FIRST = 300  # first writes in one round
_GOALS = {"own file": "(goal p50 <= 30, p99 <= 150)", "first write of a file": "(goal p50 <= 100)"}


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure each; ratios are guarded / bare of one round, and their spread."""
    rounds = 5 if quick else 15
    foreign = Foreign.watch()
    with fleet(folder / "guard", 2_000 if quick else 20_000) as found:
        results = {
            "reads": _reads(found, rounds),
            "opens": _opens(found, rounds),
            "busy": _while_busy(found, 1_000),
            "lost updates": _lost(found, 5.0 if quick else 60.0),
            "git": _git(found, 10 if quick else 40),
            "storm": _storm(found, 5_000 if quick else 100_000),
            "npm ci": "left out of a quick run" if quick else _npm(found, 5),
            "worker rss KiB": {name: _rss(found.runners[name].pid) for name in GUARDED},
        }
    return results | {"foreign_cores": foreign.cores()}


def show(found: dict[str, Any]) -> None:
    """Print the figures, each with its goal."""
    print(f"guard: guarded / bare, interleaved; median [least-most]; other load: {found['foreign_cores']:.2f} cores")  # fmt: skip
    for name, ratio in found["reads"].items():
        print(f"  {name:<42} x {ratio['seconds']}; CPU x {ratio['cpu']}  (goal <= 1.06)")
    for name, row in found["opens"].items():
        print(f"  {name:<42} p50 {row['p50_us']:8.1f} us   p99 {row['p99_us']:8.1f} us   {row['goal']}")
    for name, row in found["busy"].items():
        print(f"  supervisor busy, {name:<25} p50 {row['p50_us']:8.1f} us   p99 {row['p99_us']:8.1f} us")
    for name, row in found["lost updates"].items():
        print(
            f"  read-modify-write {name:<24} {row['lost']} of {row['done']} updates lost, {row['refused']} refused"
        )
    git = found["git"]
    print(f"  git, 3 sessions at once                    {git['failed']} of {git['commands']} failed; x {git['ratio']:.2f} of one session doing all (goal <= 2.5); bare: {git['bare_failed']} failed")  # fmt: skip
    storm = found["storm"]
    print(f"  {storm['files']} files made, renamed, removed: {storm['us_each']:.0f} us each; afterwards {storm['leases']} leases, {storm['fds']:+d} descriptors, {storm['rss_kib']:+d} KiB in the worker")  # fmt: skip
    _show_npm(found["npm ci"])
    print(f"  worker RSS                                 {max(found['worker rss KiB'].values()) / 1024:.1f} MiB (goal <= 15)")  # fmt: skip


def _show_npm(npm: dict[str, Any] | str) -> None:
    if isinstance(npm, str):
        print(f"  {'npm ci':<42} {npm}")
        return
    for name, ratio in npm["cases"].items():
        print(
            f"  {name:<42} x {ratio['seconds']} of {ratio['bare_seconds']} s; CPU x {ratio['cpu']}  (goal <= 1.10)"
        )
    print(f"  {'its tree':<42} {npm['files']} files, {npm['trees']} with and without the guard")


def _pair(found: Fleet, rounds: int, argv: list[str], before: list[str] | None = None) -> dict[str, str]:
    """Let both run a program in turns, the first of a round alternating; the ratios of their seconds.

    `before` is run ahead of each, unmeasured. Ratios of wall clock suffer from other load, those of CPU much less; but
    CPU of the guard itself is not in them.
    """
    ratios: dict[str, list[float]] = {"seconds": [], "cpu": []}
    bare: list[float] = []
    for number in range(rounds + 1):
        rows = {}
        pair = ("one", "bare")
        for name in pair if number % 2 else pair[::-1]:
            if before is not None:
                found.runners[name].do("run", argv=before)
            rows[name] = found.runners[name].do("run", argv=argv)
        if not number:
            continue  # the first warms up
        bare.append(rows["bare"]["seconds"])
        for kind, values in ratios.items():
            values.append(rows["one"][kind] / max(rows["bare"][kind], 1e-4))
    return {kind: str(Spread.of(values)) for kind, values in ratios.items()} | {
        "bare_seconds": str(Spread.of(bare))
    }


def _reads(found: Fleet, rounds: int) -> dict[str, dict[str, str]]:
    code = "import asyncio, json, email, http.client, xml.dom.minidom, unittest"
    programs = {
        "git status": ["git", "status", "--short"],
        "grep -r": ["grep", "-rc", "file 7", "src"],
        "python import": [sys.executable, "-c", code],
        "node start": ["node", "-e", "0"],
    }
    return {name: _pair(found, rounds, argv) for name, argv in programs.items() if shutil.which(argv[0])}


def _opens(found: Fleet, rounds: int) -> dict[str, dict[str, Any]]:
    guarded, bare = found.runners["one"], found.runners["bare"]
    again: dict[str, tuple[Any, str]] = {
        "bare open for writing": (bare, "own.bin"),
        "own file": (guarded, "own.bin"),
        "ignored file": (guarded, "own.log"),
        "outside": (guarded, "/tmp/lh-bench-open"),  # noqa: S108
    }
    taken: dict[str, list[dict[str, float]]] = {}
    for number in range(rounds):
        for name, (runner, path) in again.items():
            taken.setdefault(name, []).append(runner.do("opens", paths=[path], times=3_000))
        there = [fleet_file(index) for index in range(number * _FIRST, (number + 1) * _FIRST)]
        new = [f"new-{number}-{index}" for index in range(_FIRST)]
        for name, row in {
            "first write of a file": guarded.do("opens", paths=there),
            "  that of three trivial processes": guard_floor.first_writes([str(found.bare_root / path) for path in there]),
            "first write that makes a file": guarded.do("opens", paths=new),
            "  bare": bare.do("opens", paths=new),
        }.items():  # fmt: skip
            taken.setdefault(name, []).append(row)
    Path("/tmp/lh-bench-open").unlink(missing_ok=True)  # noqa: S108
    return {
        name: {
            **{key: statistics.median(row[key] for row in rows) for key in ("p50_us", "p99_us")},
            "goal": _GOALS.get(name, ""),
        }
        for name, rows in taken.items()
    }


def _while_busy(found: Fleet, count: int) -> dict[str, dict[str, float]]:
    """Open files while the supervisor answers one question after the other: only first writes need it."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            found.ask("session.list")

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        guarded = found.runners["one"]
        return {
            "own file": guarded.do("opens", paths=["own.bin"], times=count),
            "first write that makes a file": guarded.do("opens", paths=[f"busy-{n}" for n in range(100)]),
        }
    finally:
        over.set()
        for thread in asking:
            thread.join()


def _lost(found: Fleet, seconds: float) -> dict[str, dict[str, int]]:
    """Let three count up the same files at once; an update is lost when the files say less than was acknowledged."""
    rows = {}
    for title, names, root in (("without the guard", BARE, found.bare_root), ("with it", GUARDED, found.root)):  # fmt: skip
        files = [f"counter{number}" for number in range(8)]
        for name in names:
            found.runners[name].begin("count_up", files=files, seconds=seconds)
        rounds = [found.runners[name].end() for name in names]
        done = sum(row["done"] for row in rounds)
        kept = sum(int((root / file).read_text() or 0) for file in files)
        rows[title] = {"done": done, "lost": done - kept, "refused": sum(row["refused"] for row in rounds)}
    return rows


def _git(found: Fleet, rounds: int) -> dict[str, Any]:
    alone = found.runners["one"].do("commits", name="alone", rounds=3 * rounds)["seconds"]

    def together(names: tuple[str, ...]) -> tuple[float, int, int]:
        began = time.monotonic()
        for name in names:
            found.runners[name].begin("commits", name=name, rounds=rounds)
        rows = [found.runners[name].end() for name in names]
        return time.monotonic() - began, sum(r["failed"] for r in rows), sum(r["commands"] for r in rows)

    seconds, failed, commands = together(GUARDED)
    _, bare_failed, _ = together(BARE)
    return {
        "ratio": seconds / alone, "failed": failed, "commands": commands, "bare_failed": bare_failed,
        "alone_seconds": alone, "seconds": seconds,
    }  # fmt: skip


def _storm(found: Fleet, files: int) -> dict[str, Any]:
    runner = found.runners["two"]
    runner.do("storm", prefix="warm", count=200)
    before = _settled(found, runner.pid)
    cpu = cpu_seconds(runner.pid)
    taken = runner.do("storm", prefix="storm", count=files)["seconds"]
    after = _settled(found, runner.pid)
    return {
        "files": files,
        "us_each": taken / files * 1e6,
        "worker_cpu_us_each": (cpu_seconds(runner.pid) - cpu) / files * 1e6,
        "leases": after[0] - before[0],
        "fds": after[1] - before[1],
        "rss_kib": after[2] - before[2],
    }


def _settled(found: Fleet, worker: int) -> tuple[int, int, int]:
    """Return leases, descriptors and memory once the number of leases stands still."""
    seen = -1
    for _ in range(60):
        now = int(found.ask("status")["leases"])
        if now == seen:
            break
        seen = now
        time.sleep(2.0)
    return seen, len(list(Path(f"/proc/{worker}/fd").iterdir())), _rss(worker)


def _rss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def _npm(found: Fleet, rounds: int) -> dict[str, Any] | str:
    npm = shutil.which("npm")
    if npm is None:
        return "not measured: npm is not installed"
    cache = found.root.parent / "npm-cache"
    quiet = ["--cache", str(cache), "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    made = subprocess.run([npm, "install", *quiet, *_NPM], cwd=found.bare_root, capture_output=True, text=True, check=False)  # fmt: skip
    if made.returncode != 0:
        return f"not measured: {made.stderr.strip().splitlines()[-1:] or 'npm install failed'}"
    for name in ("package.json", "package-lock.json"):
        shutil.copy(found.bare_root / name, found.root / name)
    command = [npm, "ci", *quiet]
    cases = {
        "npm ci": _pair(found, rounds, command, before=["rm", "-rf", "node_modules"]),
        "npm ci over an old tree": _pair(found, rounds, command),
    }
    trees = {root: _tree(root / "node_modules") for root in (found.root, found.bare_root)}
    same = "identical" if len({tree for tree, _ in trees.values()}) == 1 else "DIFFERENT"
    return {"cases": cases, "files": trees[found.root][1], "trees": same}


def _tree(root: Path) -> tuple[str, int]:
    """Return a digest of names, modes and contents, and the number of files."""
    digest, files = hashlib.sha256(), 0
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        digest.update(f"{path.relative_to(root)} {status.st_mode:o}\n".encode())
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        elif path.is_file():
            digest.update(path.read_bytes())
            files += 1
    return digest.hexdigest(), files
