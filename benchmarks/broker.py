"""The lease table in memory: microseconds a request and bytes a lease, at 1,000 to 1,000,000 held leases.

`python -m benchmarks.broker` prints a table; `run()` returns the same as a dictionary. Each size is
measured in a process of its own, so that memory is counted from a clean start. Requests are made
in small batches outside the clock, as they come from a socket: fresh in the cache, while the
table they meet is not.
"""

from __future__ import annotations

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Granted, Want
from supervisor.core.leases.scope import Scope, file_scope, parse_scopes, tree_scope

SIZES = (1_000, 100_000, 1_000_000)
HOLDERS = 64
FILES_IN_A_DIRECTORY = 20
BUSY = 10_000  # files in the one crowded directory of the larger tables
BATCH = 64
GOALS = {"check": 5.0, "check+grant+release": 5.0, "bytes": 400.0}

Action = Callable[[tuple[Want, ...]], object]


def directory(number: int) -> str:
    return f"src/part{number % 97}/area{number}"


def scope_of(number: int, size: int) -> Scope:
    """Return the scope of lease `number`: of each fifty a directory, of each two hundred a glob, else files."""
    if number % 50 == 7:
        return tree_scope(f"data/set{number % 89}/shard{number}", "app")
    if number % 200 == 11:
        (scope,) = parse_scopes(f"docs/page{number % 83}/chapter{number}/*.md", "app")
        return scope
    if size > BUSY * 5 and number < BUSY:
        return file_scope(f"busy/module_{number}.py", "app")
    return file_scope(f"{directory(number // FILES_IN_A_DIRECTORY)}/module_{number}.py", "app")


def fill(broker: Broker, size: int) -> None:
    for number in range(size):
        answer = broker.acquire(f"session-{number % HOLDERS}", (Want(scope_of(number, size)),), float(number))
        assert isinstance(answer, Granted)


def resident() -> int:
    """Return the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


def timed(make: Callable[[int], Scope], act: Action, batches: int) -> dict[str, float]:
    """Return microseconds an action over `batches` batches: median, tenth and ninetieth percentile, worst."""
    per_batch: list[float] = []
    for batch in range(batches):
        requests = [(Want(make(batch * BATCH + number)),) for number in range(BATCH)]
        start = time.perf_counter_ns()
        for request in requests:
            act(request)
        per_batch.append((time.perf_counter_ns() - start) / BATCH / 1000)
    cuts = statistics.quantiles(per_batch, n=10)
    return {
        "median": round(statistics.median(per_batch), 2),
        "p10": round(cuts[0], 2),
        "p90": round(cuts[-1], 2),
        "max": round(max(per_batch), 2),
    }


def measure(size: int) -> dict[str, Any]:
    """Fill a table with `size` leases and measure it; every answer is also checked once for being right."""
    tokens = Tokens()
    tokens.reserve(10**12)
    broker = Broker(tokens)
    gc.collect()
    before = resident()
    start = time.perf_counter()
    fill(broker, size)
    filled = time.perf_counter() - start
    gc.collect()
    bytes_a_lease = (resident() - before) / size
    gc.freeze()  # as a long-lived process does: what is held for long is not looked at again

    directories = max(1, size // FILES_IN_A_DIRECTORY)
    dice = random.Random(7)
    # Directories that no lease is in: beyond the last, or all of theirs fell to the busy directory.
    used = BUSY // FILES_IN_A_DIRECTORY if size > BUSY * 5 else 0

    def free_file(number: int) -> Scope:
        return file_scope(f"{directory(dice.randrange(used, directories))}/new_{number}.py", "app")

    def warm_file(number: int) -> Scope:
        return file_scope(f"{directory(used + number % 64 % (directories - used))}/new_{number}.py", "app")

    def new_directory(number: int) -> Scope:
        return file_scope(f"{directory(directories + dice.randrange(10**6))}/new_{number}.py", "app")

    def held_file(_: int) -> Scope:
        return scope_of(next(n for n in iter(lambda: dice.randrange(size), -1) if n % 50 != 7), size)

    def under_held(number: int) -> Scope:
        shard = 50 * dice.randrange(size // 50) + 7
        return file_scope(f"data/set{shard % 89}/shard{shard}/deep/file_{number}", "app")

    def free_directory(number: int) -> Scope:
        return tree_scope(f"{directory(dice.randrange(used, directories))}/sub_{number}", "app")

    def globbed(text: str) -> Callable[[int], Scope]:
        (scope,) = parse_scopes(text, "app")
        return lambda _: scope

    def check(wants: tuple[Want, ...]) -> object:
        return broker.first_conflict("session-3", wants)

    def pair(wants: tuple[Want, ...]) -> object:
        answer = broker.acquire("session-3", wants, 1e9)
        broker.release("session-3", (wants[0].scope,), 1e9)
        return answer

    crowd = "busy" if size > BUSY * 5 else directory(0)
    cases: list[tuple[str, Callable[[int], Scope], Action, bool | None, int]] = [
        ("check", free_file, check, False, 200),
        ("check+grant+release", free_file, pair, None, 200),
        ("the same, where others just wrote", warm_file, pair, None, 200),
        ("the same, new directory", new_directory, pair, None, 200),
        ("file that is held", held_file, check, None, 100),
        ("file under a held directory", under_held, check, True, 100),
        ("free directory", free_directory, check, False, 100),
        ("whole repository", globbed("./"), check, True, 20),
        (
            "glob, busy directory, hit",
            globbed(f"{crowd}/*_{BUSY // 2 if crowd == 'busy' else 5}.py"),
            check,
            True,
            20,
        ),
        ("glob, busy directory, miss by ending", globbed(f"{crowd}/*.rs"), check, False, 20),
        ("glob, busy directory, miss by beginning", globbed(f"{crowd}/test_*.py"), check, False, 20),
    ]
    microseconds: dict[str, dict[str, float]] = {}
    for name, make, act, conflicts, batches in cases:
        if conflicts is not None:
            assert (check((Want(make(0)),)) is not None) is conflicts, name
        microseconds[name] = timed(make, act, batches)
    microseconds["glob over all directories, miss"] = once(check, "src/**/*.rs")
    assert len(broker) == size
    return {
        "leases": size,
        "bytes": round(bytes_a_lease),
        "fill_us": round(filled / size * 1e6, 2),
        "us": microseconds,
    }


def once(check: Action, text: str) -> dict[str, float]:
    """Measure a request that walks every directory: a few times, each on its own."""
    wants = (Want(parse_scopes(text, "app")[0]),)
    took: list[float] = []
    for _ in range(5):
        start = time.perf_counter_ns()
        assert check(wants) is None
        took.append((time.perf_counter_ns() - start) / 1000)
    return {
        "median": round(statistics.median(took), 2),
        "p10": round(min(took), 2),
        "p90": round(max(took), 2),
        "max": round(max(took), 2),
    }


def run(sizes: tuple[int, ...] = SIZES) -> dict[str, Any]:
    """Return for each size the microseconds of each request and the bytes of a lease, and the goals."""
    results: list[dict[str, Any]] = []
    for size in sizes:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.broker", "--size", str(size)],
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(__file__).resolve().parents[1],
        )
        results.append(json.loads(done.stdout))
    largest = results[-1]
    reached = {
        "check": largest["us"]["check"]["median"],
        "check+grant+release": largest["us"]["check+grant+release"]["median"],
        "bytes": largest["bytes"],
    }
    return {
        "name": "broker",
        "python": sys.version.split()[0],
        "sizes": results,
        "goals": GOALS,
        "reached": reached,
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as a table."""
    sizes = report["sizes"]
    print(
        f"{'µs a request: median (p10 to p90)':42}" + "".join(f"{result['leases']:>26,}" for result in sizes)
    )
    for name in sizes[0]["us"]:
        cells = [result["us"][name] for result in sizes]
        shown = [f"{cell['median']:.2f} ({cell['p10']:.2f} to {cell['p90']:.2f})" for cell in cells]
        print(f"{name:42}" + "".join(f"{text:>26}" for text in shown))
    print(f"{'µs a grant while filling':42}" + "".join(f"{result['fill_us']:>26}" for result in sizes))
    print(f"{'bytes a lease (resident)':42}" + "".join(f"{result['bytes']:>26}" for result in sizes))
    for name, goal in report["goals"].items():
        print(f"{name}: {report['reached'][name]} at {sizes[-1]['leases']:,} leases, goal {goal:g}")


def main() -> int:
    """Measure one size for the parent process, or all of them for a reader."""
    if "--size" in sys.argv:
        print(json.dumps(measure(int(sys.argv[sys.argv.index("--size") + 1]))))
        return 0
    show(run(SIZES[:2] if "--quick" in sys.argv else SIZES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
