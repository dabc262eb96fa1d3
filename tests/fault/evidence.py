"""What the agents themselves wrote down, held against what the journal and the repository say."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from supervisor.world.journal.entries import SessionRow
from supervisor.world.journal.journal import Journal
from tests.process.conftest import Site

SUCCEEDS = {
    "honest",
    "leaves",
    "tagged",
    "forks",
    "outside",
    "floods",
    "slow",
}  # kinds that commit and leave with 0
OVERRUNS = {"deaf", "frozen"}  # kinds that never leave by themselves


@dataclass
class Evidence:
    """The folder in which the agents of one site leave their traces."""

    folder: Path

    def lines(self, *kinds: str) -> list[dict[str, Any]]:
        """Return what was written, oldest first."""
        path = self.folder / "log"
        text = path.read_text() if path.exists() else ""
        found = [json.loads(line) for line in text.splitlines()]
        return [line for line in found if not kinds or line["what"] in kinds]

    def alive(self) -> list[dict[str, Any]]:
        """Return the processes that told of themselves and still run."""
        told = {(line["pid"], line["start"]): line for line in self.lines("begin", "child")}
        return [line for (pid, start), line in told.items() if runs(pid, start)]


def runs(pid: int, start: int) -> bool:
    """Tell whether the process with this number and start time still runs; a zombie does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    return int(fields[19]) == start and fields[0] not in {b"Z", b"X"}


def tagged_processes(site: Site) -> list[str]:
    """Return the living processes that belong to a session of this site by environment or command line."""
    mark = str(site.root / ".leasehold/state/sessions")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            ours = process.environ().get("LEASEHOLD_NOTICE", "").startswith(mark)
            if (ours or any(mark in word for word in process.cmdline())) and process.status() != "zombie":
                found.append(f"pid {process.pid} {process.cmdline()}")
    return found


def sessions(site: Site) -> list[SessionRow]:
    """Return every session of the journal, oldest first."""
    with Journal.open_reader(site.root / ".leasehold/state") as reader:
        return reader.sessions(100_000)[::-1]


def trailers(site: Site) -> list[str]:
    """Return the session of each commit that has one."""
    return site.git("log", "--format=%(trailers:key=Leasehold-Session,valueonly,separator=)").split()


def audit(site: Site, evidence: Evidence, tasks: list[str], *, killed_workers: bool = False) -> list[str]:
    """Return every broken promise, one line each, of a site on which nothing should be going on any more.

    With `killed_workers` sessions may be lost; without, only those that never began.
    """
    rows = sessions(site)
    begun = Counter(line["session"] for line in evidence.lines("begin"))
    wrong = [f"doubled: {line}" for line in evidence.lines("doubled")]
    wrong += [f"session {name} began {times} times" for name, times in begun.items() if times > 1]
    wrong += [f"began unrecorded: {name}" for name in set(begun) - {row.id for row in rows}]
    wrong += [f"left running: {line}" for line in evidence.alive()]
    wrong += [f"left running: {line}" for line in tagged_processes(site)]
    wrong += _overlaps(rows)
    wrong += _pids(site, evidence)
    wrong += _endings(rows, evidence, set(begun), killed_workers=killed_workers)
    wrong += _commits(site, evidence, rows)
    return wrong + _tasks(rows, tasks)


def _pids(site: Site, evidence: Evidence) -> list[str]:
    own = {line["session"]: line["pid"] for line in evidence.lines("begin")}
    told = {event["session"]: event["data"]["pid"] for event in site.events("session.running")}
    return [
        f"session {name} has pid {pid}, and says that it is {own[name]}"
        for name, pid in told.items()
        if own.get(name, pid) != pid
    ]


def _overlaps(rows: list[SessionRow]) -> list[str]:
    wrong = []
    for task in {row.task for row in rows}:
        of_task = [row for row in rows if row.task == task]
        for earlier, later in itertools.pairwise(of_task):
            if earlier.ended_at is None or earlier.ended_at > later.started_at:
                wrong.append(f"{task}: sessions {earlier.id} and {later.id} overlap in the journal")
    return wrong


def _endings(
    rows: list[SessionRow], evidence: Evidence, begun: set[str], *, killed_workers: bool
) -> list[str]:
    codes = {line["session"]: line["code"] for line in evidence.lines("end")}
    wrong = []
    for row in rows:
        if row.outcome is None or row.ending is None:
            wrong.append(f"{row.task}: session {row.id} has no ending ({row.state})")
        elif row.outcome in {"unspawned", "lost"}:
            if row.id in begun and not killed_workers:
                wrong.append(
                    f"{row.task}: session {row.id} is {row.outcome}, and it ran: {row.ending['sentence']}"
                )
        elif row.id in codes and row.ending["evidence"]["code"] != codes[row.id]:
            wrong.append(f"{row.task}: session {row.id} left with {codes[row.id]}: {row.ending['evidence']}")
        elif row.id not in begun and not killed_workers:
            wrong.append(f"{row.task}: session {row.id} never began, and is {row.outcome}")
    return wrong


def _commits(site: Site, evidence: Evidence, rows: list[SessionRow]) -> list[str]:
    told = Counter(line["session"] for line in evidence.lines("committed"))
    landed = Counter(trailers(site))
    wrong = [f"session {name} has {times} commits" for name, times in landed.items() if times > 1]
    wrong += [f"session {name} committed, and nothing landed" for name in told if name not in landed]
    finished = {row.id for row in rows if row.outcome == "finished"}
    return wrong + [f"session {name} finished without a commit" for name in finished - set(landed)]


def _tasks(rows: list[SessionRow], tasks: list[str]) -> list[str]:
    wrong = []
    for task in tasks:
        outcomes = Counter(row.outcome for row in rows if row.task == task)
        kind = task.partition("-")[0]
        if kind in SUCCEEDS and outcomes["finished"] != 1:
            wrong.append(f"{task}: {dict(outcomes)} instead of one that finished")
        if kind in OVERRUNS and not outcomes["timed_out"]:
            wrong.append(f"{task}: {dict(outcomes)} instead of one that timed out")
        if kind == "fails" and not outcomes["failed"]:
            wrong.append(f"{task}: {dict(outcomes)} instead of one that failed")
    return wrong
