"""Lease pairs in a SQLite file (WAL, BEGIN IMMEDIATE), by processes: what sessions do that share no server."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import sqlite3
import struct
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import Foreign

_CELL = struct.Struct("q")


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure one lease each, and one lease for all, with a growing number of processes."""
    seconds = 0.3 if quick else 1.0
    counts = (1, 8) if quick else (1, 8, 64)
    cells = []
    for mode in ("own", "poll"):
        for count in counts:
            if mode == "poll" and count == 1:
                continue
            path = folder / f"leases-{mode}-{count}.db"
            foreign = Foreign.watch()
            figures = _race(path, mode, count, seconds)
            cells.append({"mode": mode, "processes": count, **figures, "foreign_cores": foreign.cores()})
    return {"sqlite": sqlite3.sqlite_version, "cells": cells}


def _race(path: Path, mode: str, count: int, seconds: float) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE lease (path TEXT PRIMARY KEY, holder TEXT, expires REAL) WITHOUT ROWID")
        db.commit()
    inside = mmap.mmap(-1, _CELL.size * count)
    gate, open_gate = os.pipe()
    pipes, children = [], []
    for number in range(count):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(open_gate)
                os.read(gate, 1)  # ends when the parent opens the gate for all at once
                figures = _client(path, mode, number, seconds, inside)
                os.write(writing, json.dumps(figures).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        pipes.append(reading)
        children.append(child)
    os.close(open_gate)
    results = []
    for reading in pipes:
        with os.fdopen(reading, "rb") as pipe:
            results.append(json.loads(pipe.read()))
    for child in children:
        os.waitpid(child, 0)
    os.close(gate)
    pairs = [result["pairs"] for result in results]
    if any(result["entered_twice"] for result in results):
        raise RuntimeError(f"sqlite, {mode} x {count}: a lease had two holders")
    return {
        "per_second": sum(pairs) / seconds,
        "p50_us": sorted(result["p50_us"] for result in results)[count // 2],
        "worst_ms": max(result["worst_ms"] for result in results),
        "refusals": sum(result["refusals"] for result in results),
        "least": min(pairs),
        "most": max(pairs),
    }


def _client(path: Path, mode: str, number: int, seconds: float, inside: mmap.mmap) -> dict[str, Any]:
    lease = number if mode == "own" else 0
    holder = f"c{number}"
    times: list[float] = []
    refusals = doubles = 0
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=NORMAL")
        ends = time.monotonic() + seconds
        began = time.monotonic()
        while began < ends:
            if not _acquire(db, lease, holder):
                refusals += 1
                if time.monotonic() > ends:
                    break
                continue
            doubles += _CELL.unpack_from(inside, lease * _CELL.size)[0] != 0
            _CELL.pack_into(inside, lease * _CELL.size, number + 1)
            _CELL.pack_into(inside, lease * _CELL.size, 0)
            db.execute("DELETE FROM lease WHERE path = ? AND holder = ?", (f"src/m{lease}.py", holder))
            end = time.monotonic()
            times.append(end - began)
            began = end
    times.sort()
    middle = times[len(times) // 2] if times else seconds
    return {
        "pairs": len(times),
        "p50_us": middle * 1e6,
        "worst_ms": (times[-1] if times else seconds) * 1e3,
        "refusals": refusals,
        "entered_twice": doubles,
    }


def _acquire(db: sqlite3.Connection, lease: int, holder: str) -> bool:
    db.execute("BEGIN IMMEDIATE")
    inserted = db.execute(
        "INSERT INTO lease VALUES (?, ?, ?) ON CONFLICT (path) DO NOTHING",
        (f"src/m{lease}.py", holder, time.time() + 900),
    )
    db.execute("COMMIT")
    return inserted.rowcount == 1
