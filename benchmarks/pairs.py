"""Lease pairs (acquire and release) on kept connections, against peers, beside the floor of the same minute."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.machine import LOAD_CORE, SERVER_CORE, Foreign, cpu_seconds
from benchmarks.native import Native
from benchmarks.peers import Absent, Server

CALM = 0.3  # cores that others may use while a round counts as calm


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of load. With `same_core` the load shares the server's core: no core has to be woken."""

    mode: str
    connections: int
    same_core: bool = False

    @property
    def name(self) -> str:
        """Return the cell in words."""
        what = {"own": "own lease each", "poll": "one lease, ask again", "queue": "one lease, queued"}[
            self.mode
        ]
        return f"{self.connections} x {what}" + (", same core" if self.same_core else "")


QUICK = (Cell("own", 1, same_core=True), Cell("own", 64), Cell("poll", 64), Cell("queue", 64))
FULL = (
    Cell("own", 1, same_core=True),
    *(Cell("own", count) for count in (1, 8, 64, 256)),
    *(Cell(mode, count) for mode in ("poll", "queue") for count in (8, 64, 256)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often: milliseconds of warm-up and of measuring, rounds, and extra ones for noise."""

    cells: tuple[Cell, ...]
    warm: int
    run: int
    rounds: int
    extra: int


PLANS = {
    "quick": Plan(QUICK, warm=40, run=160, rounds=3, extra=2),
    "full": Plan(FULL, warm=100, run=350, rounds=5, extra=3),
}

Round = dict[str, Any]


def run(native: Native, folder: Path, plan: Plan) -> dict[str, Any]:
    """Measure each cell on each server; return rounds as they were, and the peers that were absent."""
    with contextlib.ExitStack() as stack:
        everyone: Sequence[Server | Absent] = [
            stack.enter_context(peers.floor(native, folder)),
            stack.enter_context(peers.leasehold(folder)),
            stack.enter_context(peers.daemon(folder)),
            stack.enter_context(peers.redis(folder)),
            stack.enter_context(peers.postgres(folder)),
        ]
        servers = [server for server in everyone if isinstance(server, Server)]
        cells = []
        for cell in plan.cells:
            able = [server for server in servers if cell.mode in server.modes or server.protocol == "echo"]
            cells.append(
                {
                    "cell": cell.name,
                    "mode": cell.mode,
                    "connections": cell.connections,
                    "same_core": cell.same_core,
                    "rounds": _calmest(native, able, cell, plan),
                }
            )
    absent = {peer.name: peer.why for peer in everyone if isinstance(peer, Absent)}
    return {"cells": cells, "absent": absent}


def _calmest(native: Native, servers: list[Server], cell: Cell, plan: Plan) -> list[Round]:
    """Return the calmest rounds: noisy ones are repeated, a bounded number of times, and none is hidden."""
    rounds: list[Round] = []
    for number in range(plan.rounds + plan.extra):
        if number >= plan.rounds and sum(map(_is_calm, rounds)) >= plan.rounds:
            break
        # A B C, then C B A: a drift of the machine hits the first and the last alike.
        order = servers if number % 2 == 0 else servers[::-1]
        foreign = Foreign.watch(*(server.pid for server in servers))
        measured = {server.name: _measure(native, server, cell, plan) for server in order}
        in_order = {server.name: measured[server.name] for server in servers}
        rounds.append({"foreign_cores": foreign.cores(), "servers": in_order})
    return sorted(rounds, key=_noise)[: plan.rounds]


def _noise(measured: Round) -> float:
    return float(measured["foreign_cores"])


def _is_calm(measured: Round) -> bool:
    return _noise(measured) <= CALM


def _measure(native: Native, server: Server, cell: Cell, plan: Plan) -> dict[str, Any]:
    core = SERVER_CORE if cell.same_core else LOAD_CORE
    mode = "own" if server.protocol == "echo" else cell.mode
    argv = [
        native.load,
        server.protocol,
        mode,
        server.socket,
        str(cell.connections),
        str(plan.warm),
        str(plan.run),
    ]
    before = cpu_seconds(server.pid)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as load:
        os.sched_setaffinity(load.pid, {core})
        out, err = load.communicate(timeout=60)
    if load.returncode:
        raise RuntimeError(
            f"{cell.name} on {server.name}: {err.strip() or f'load ended with {load.returncode}'}"
        )
    figures: dict[str, Any] = json.loads(out)
    asked = 2 * figures["grants"] + figures["refusals"]
    if server.protocol != "postgres":  # whose work is done by a child for each connection, gone by now
        figures["cpu_us_per_request"] = (cpu_seconds(server.pid) - before) * 1e6 / max(asked, 1)
    if figures["entered_twice"] or figures["errors"]:
        raise RuntimeError(f"{cell.name} on {server.name}: not a lease: {figures}")
    return figures
