"""The agent of the demonstration: reads its prompt, thinks, edits, tests and commits, as agents do.

It is one program for both runs. It asks for a file before it writes it, is patient for a while, and then
goes ahead; it reads a file, thinks, and writes back what it thought of; it commits with `git add -A`
until somebody refuses that. Nothing in it loses data on purpose.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from supervisor.demo.board import Board
from supervisor.demo.coordination import Advisory, Coordination, Supervised
from supervisor.demo.recipe import Edit, Plan, UnknownWorkError, plan, wired
from supervisor.demo.telling import Teller

PATIENCE = 3  # times that it backs off for a file before it goes ahead anyway
BACK_OFF = 0.15  # seconds, before pace: three of them, each longer, are about a third of a session
COMMIT_ATTEMPTS = 12
TEST_ATTEMPTS = 3


class GaveUpError(Exception):
    """The session ends without having done its task."""


class Agent:
    """One session at its task. `pace` stretches or shortens every thought."""

    def __init__(self, teller: Teller, coordination: Coordination, pace: float) -> None:
        self._teller = teller
        self._coordination = coordination
        self._pace = pace
        self._wary = False  # it was refused a commit, and names its paths since

    def work(self, prompt: str, task: str) -> None:
        """Do the task of the prompt.

        Raises:
            GaveUpError: tests or git stood in the way until its patience was used up.
            UnknownWorkError: it does not understand the prompt.
        """
        work = plan(prompt, self._teller.session, task)
        self._think("reads its task", 0.8)
        self._take([work.own.path])
        self._edit((work.own,), 0.8)
        self._test()
        self._take([edit.path for edit in work.shared])
        self._edit(work.shared, 0.5)
        self._commit(work, task)
        self._coordination.release()

    def _think(self, about: str, seconds: float) -> None:
        self._teller.tell("thinks", about=about)
        time.sleep(seconds * self._pace * random.uniform(0.7, 1.3))  # noqa: S311  - nothing secret

    def _take(self, paths: list[str]) -> None:
        denied = self._coordination.ask(paths)
        began = time.monotonic()
        for attempt in range(1, PATIENCE + 1):
            if denied is None:
                break
            self._teller.tell("waits", paths=paths, why=denied)
            denied = self._coordination.wait(paths, BACK_OFF * self._pace * attempt)
            self._teller.tell("waited", seconds=time.monotonic() - began)
            began = time.monotonic()
        if denied is not None:
            self._teller.tell("anyway", paths=paths, why=denied)

    def _edit(self, edits: tuple[Edit, ...], seconds: float) -> None:
        """Read the files, think, and write back what came of it."""
        before = [_read(edit.path) for edit in edits]
        self._think(f"edits {', '.join(edit.path for edit in edits)}", seconds)
        for edit, text in zip(edits, before, strict=True):
            self._write(edit if edit.line or edit.body else wired(edit, text), text)

    def _write(self, edit: Edit, before: str) -> None:
        after = edit.apply(before)
        if after == before:
            self._teller.tell("already", path=edit.path)
            return
        Path(edit.path).write_text(after, encoding="utf-8")
        self._teller.tell("wrote", path=edit.path, line=edit.line)

    def _test(self) -> None:
        for attempt in range(1, TEST_ATTEMPTS + 1):
            self._teller.tell("tests")
            done = subprocess.run(
                [sys.executable, "-B", "-m", "unittest", "-q"], capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            self._teller.tell("tests_failed", why=_last_line(done.stderr))
            self._back_off(attempt)
        raise GaveUpError("the tests fail")

    def _commit(self, work: Plan, task: str) -> None:
        message = f"{task}: {self._teller.session}\n\nSession: {self._teller.session}\n"
        for attempt in range(1, COMMIT_ATTEMPTS + 1):
            self._teller.tell("commits")
            refusal = self._try_commit(message, work.paths())
            if not refusal:
                return
            if "nothing to commit" in refusal or "nothing added to commit" in refusal:
                self._teller.tell("nothing_to_commit", why="somebody else's commit has it all")
                return
            if "leasehold: commit refused" in refusal:
                self._teller.tell("refused", why=_refused_path(refusal))
                self._wary = True
            else:
                self._teller.tell("commit_failed", why=_last_line(refusal))
                self._back_off(min(attempt, 4))
        raise GaveUpError(f"no commit in {COMMIT_ATTEMPTS} attempts")

    def _try_commit(self, message: str, paths: tuple[str, ...]) -> str:
        """Commit as agents do, everything at once, or with names once that was refused; return git's objection."""
        names = ["--", *paths] if self._wary else []
        added = _git("add", *(names or ["-A"]))
        if added.returncode:
            return added.stdout + added.stderr or "git add failed"
        done = _git("commit", "-q", "-m", message, *names)
        if done.returncode:
            return done.stdout + done.stderr or "git commit failed"
        self._teller.tell("committed", head=_git("log", "-1", "--format=%h").stdout.strip())
        return ""

    def _back_off(self, times: int) -> None:
        began = time.monotonic()
        time.sleep(2 * BACK_OFF * self._pace * times * random.uniform(0.5, 1.0))  # noqa: S311  - nothing secret
        self._teller.tell("waited", seconds=time.monotonic() - began)


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False)


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _refused_path(text: str) -> str:
    """Return the line of a refusal that names the first path and its holder."""
    lines = [line.removeprefix("leasehold:").strip() for line in text.splitlines() if "leasehold:" in line]
    return lines[1] if len(lines) > 1 else lines[0]


def main() -> int:
    """Do the task on standard input; exit 0 when it is done."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--session", required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--logs", required=True, type=Path)
    parser.add_argument("--ear", required=True)
    parser.add_argument("--pace", required=True, type=float)
    parser.add_argument("--board", type=Path)
    asked = parser.parse_args()
    coordination: Coordination
    if asked.board is not None:
        coordination = Advisory(Board(asked.board), asked.session)
    else:
        coordination = Supervised(os.environ["LEASEHOLD_SOCKET"], os.environ["LEASEHOLD_TOKEN"])
    teller = Teller(asked.session, asked.task, asked.logs / f"{asked.session}.jsonl", asked.ear)
    teller.tell("starts")
    try:
        Agent(teller, coordination, asked.pace).work(sys.stdin.read(), asked.task)
    except (GaveUpError, UnknownWorkError) as error:
        coordination.release()
        teller.tell("ends", done=False, why=str(error))
        return 1
    teller.tell("ends", done=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
