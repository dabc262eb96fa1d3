"""The two runs: the same repository, backlog and agent, coordinated by a notice board or by the supervisor."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from supervisor.demo.board import Board
from supervisor.demo.lanes import Lanes
from supervisor.demo.overwrites import Overwrites
from supervisor.demo.scene import Scene
from supervisor.demo.screen import Audience
from supervisor.demo.sweep import end_group, end_supervisor

REFRESH = 0.15  # seconds between pictures when nothing happens
LIMIT = 60.0  # seconds after which a run is ended, before pace


@dataclass(frozen=True, slots=True)
class Terms:
    """How both runs are played: sessions at once, and how fast agents think."""

    slots: int
    pace: float
    honour_claims: bool


@dataclass(frozen=True, slots=True)
class Played:
    """A run that is over: how long it took in seconds, and why it was cut short if it was."""

    seconds: float
    cut_short: str = ""


Stop = Callable[[], None]


def play_advisory(
    scene: Scene, terms: Terms, sockets: Path, env: Mapping[str, str], show: Audience
) -> Played:
    """Run the lanes of the morning that is replayed, all started at once."""
    ear = sockets / "advisory"
    board = scene.folder / "board.db"
    Board(board).create()
    words = [sys.executable, "-m", "supervisor.demo.wrapper", "--logs", str(scene.logs), "--ear", str(ear)]
    words += ["--pace", str(terms.pace), "--board", str(board)]
    words += ["--honour-claims"] if terms.honour_claims else []
    title = "1 of 2: advisory claims and leases, which nobody has to obey"
    lanes = Lanes(title, [None] * terms.slots)
    with _Ear(ear) as heard, (scene.folder / "wrappers.log").open("ab") as log:
        started = []
        try:
            for number in range(terms.slots):
                lane = chr(ord("A") + number) if number < 26 else f"L{number}-"
                started.append(
                    subprocess.Popen(
                        [*words, "--lane", lane],
                        cwd=scene.repo, env=env, start_new_session=True,
                        stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    )
                )  # fmt: skip
            return _watch(started, heard, lanes, scene, show, LIMIT * max(1.0, terms.pace))
        finally:
            for process in started:
                end_group(process)


def play_leasehold(
    scene: Scene, terms: Terms, sockets: Path, env: Mapping[str, str], show: Audience
) -> Played:
    """Run the real supervisor over the same repository until nothing is left to do."""
    ear = sockets / "leasehold"
    config = scene.folder / "config.toml"
    config.write_text(_configuration(scene, terms, sockets, ear), encoding="utf-8")
    lanes = Lanes("2 of 2: Leasehold, the same agent and backlog", [None] * terms.slots)
    words = [sys.executable, "-m", "supervisor.cli.main", "run", "--until-idle", "-c", str(config)]
    with _Ear(ear) as heard, (scene.folder / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            words, cwd=scene.folder, env=env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            return _watch([process], heard, lanes, scene, show, LIMIT * max(1.0, terms.pace))
        finally:
            end_supervisor(process, scene.folder)


def _configuration(scene: Scene, terms: Terms, sockets: Path, ear: Path) -> str:
    """Return the configuration of the supervisor; what is not said here is the default."""
    agent = [sys.executable, "-m", "supervisor.demo.agent", "--session", "{session}", "--task", "{task}"]
    agent += ["--logs", str(scene.logs), "--ear", str(ear), "--pace", str(terms.pace)]
    sections: dict[str, dict[str, object]] = {
        "supervisor": {
            "max_sessions": terms.slots,
            "on_stop": "stop",
            "state_dir": str(scene.state),
            "runtime_dir": str(sockets / "run"),
            "log_format": "json",
            "disk_floor": "0B",
        },
        "repos.cascade": {"path": str(scene.repo), "orphans": "hand-off"},
        "sources.backlog": {"kind": "markdown", "path": str(scene.repo / "tasks")},
        "harness.agent": {"command": agent, "budget": "2m", "warn": "30s", "grace": "2s"},
        "retry": {"backoff": "1s"},
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in keys.items())
        for name, keys in sections.items()
    )


def _toml(value: object) -> str:
    """Return strings, numbers and lists of strings as TOML, which writes them as JSON does."""
    return json.dumps(value, ensure_ascii=False)


class _Ear:
    """The socket on which sessions tell what they do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        self.socket.bind(os.fspath(self._path))
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
        self._path.unlink(missing_ok=True)


def _watch(
    processes: list[subprocess.Popen[bytes]],
    ear: _Ear,
    lanes: Lanes,
    scene: Scene,
    show: Audience,
    limit: float,
) -> Played:
    """Show what sessions tell until every process has ended, or the limit is reached."""
    began = time.monotonic()
    overwrites = Overwrites(scene.repo)

    def hear_all() -> None:
        while True:
            try:
                event = json.loads(ear.socket.recv(1 << 16))
            except BlockingIOError:
                return
            at = time.monotonic() - began
            news = lanes.hear(event, at)
            if news is not None:
                show.tell(news)
            for victim, path in overwrites.hear(event):
                show.tell(lanes.overwritten(victim, event["session"], event["task"], path, at))

    show.show(lanes, 0.0)
    with selectors.DefaultSelector() as ready:
        ready.register(ear.socket, selectors.EVENT_READ)
        waiting: dict[int, subprocess.Popen[bytes]] = {}
        for process in processes:
            pidfd = os.pidfd_open(process.pid)
            waiting[pidfd] = process
            ready.register(pidfd, selectors.EVENT_READ)
        try:
            while waiting:
                for key, _ in ready.select(REFRESH):
                    if key.fd in waiting:
                        ready.unregister(key.fd)
                        os.close(key.fd)
                        waiting.pop(key.fd).wait()
                hear_all()
                at = time.monotonic() - began
                show.show(lanes, at)
                if at > limit:
                    return Played(at, f"ended after {at:.0f} s, with {len(waiting)} processes still at work")
        finally:
            for pidfd in waiting:
                os.close(pidfd)
    codes = [process.returncode for process in processes]
    wrong = next((code for code in codes if code), 0)
    at = time.monotonic() - began
    return Played(at, f"{_how(wrong)}" if wrong else "")


def _how(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
