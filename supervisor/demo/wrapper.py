"""One lane of the advisory run: choose a task, claim it, and start the agent, again and again.

Each lane chooses for itself, and all choose by the same rule. As in the morning that is replayed, a
denied claim is noted and the session goes ahead; with `--honour-claims` it looks for another task.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from supervisor.demo.board import Board
from supervisor.demo.telling import Teller

_RANKS = {"urgent": 0, "high": 1, "medium": 2, "low": 3}


@dataclass(frozen=True, slots=True)
class Offer:
    """A task as a lane sees it, and the prompt that it gives to the agent."""

    key: str
    prompt: str


def offers(board: Board) -> Iterator[Offer]:
    """Yield the open tasks, best first: uncommitted work that nobody has leased, then the backlog."""
    closed, leased = board.closed(), board.leased()
    for path in _uncommitted():
        key = f"hand-off-{Path(path).stem.replace('_', '-').lower()}"
        if key not in closed and path not in leased:
            yield Offer(key, f"# Finish or discard the uncommitted work in {path}\n\n- {path}\n")
    for task in sorted(Path("tasks").glob("*.md"), key=lambda task: (_rank(task), task.stem)):
        if task.stem not in closed:
            yield Offer(task.stem, task.read_text(encoding="utf-8"))


def choose(board: Board, session: str, *, honour: bool) -> tuple[Offer, str | None] | None:
    """Return a task, and who has claimed it already; `None` when nothing is open (to us)."""
    for offer in offers(board):
        claimer = board.claim(offer.key, session)
        if claimer is None or not honour:
            return offer, claimer
    return None


def _uncommitted() -> list[str]:
    status = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=False
    )
    return [line[3:] for line in status.stdout.splitlines() if line]


def _rank(path: Path) -> int:
    found = re.search(r"^priority: (\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return _RANKS[found[1]] if found else len(_RANKS)


def main() -> int:
    """Run sessions in this lane until nothing is open."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lane", required=True)
    parser.add_argument("--honour-claims", action="store_true")
    parser.add_argument("--logs", required=True, type=Path)
    parser.add_argument("--ear", required=True)
    parser.add_argument("--pace", required=True)
    parser.add_argument("--board", required=True, type=Path)
    asked = parser.parse_args()
    board = Board(asked.board)
    number = 0
    while True:
        number += 1
        session = f"{asked.lane}{number}"
        found = choose(board, session, honour=asked.honour_claims)
        if found is None:
            return 0
        offer, claimer = found
        teller = Teller(session, offer.key, asked.logs / f"{session}.jsonl", asked.ear)
        if claimer is not None:
            teller.tell("claim_denied", holder=claimer)
        teller.close()
        words = [sys.executable, "-m", "supervisor.demo.agent", "--session", session, "--task", offer.key]
        words += ["--logs", str(asked.logs), "--ear", asked.ear, "--pace", asked.pace]
        done = subprocess.run(
            [*words, "--board", str(asked.board)], input=offer.prompt, text=True, check=False
        )
        if done.returncode == 0:
            board.complete(offer.key)
        else:
            board.abandon(offer.key)
            board.release(session)


if __name__ == "__main__":
    sys.exit(main())
