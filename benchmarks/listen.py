"""What it costs to understand harnesses: microseconds an event, and the supervisor's CPU with chatty sessions."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import adopt
from benchmarks.machine import Foreign, cpu_seconds
from supervisor.core.sessions.reading import Reading
from supervisor.world.config.discover import socket_beside
from supervisor.world.control.client import Client
from supervisor.world.harness.registry import find
from supervisor.world.launch.tail import Tail

SESSIONS = 20
EVENTS_A_SECOND = 5  # of each session; a busy agent prints about one
_WORDS = "The lease is held by another session, so I take the next file. " * 8
_CHATTY = f"""
import json, sys, time
lines = [json.dumps(line) for line in json.load(open(sys.argv[1]))]
number = 0
while True:
    print(lines[number % len(lines)].replace("NUMBER", str(number)), flush=True)
    number += 1
    time.sleep({1 / EVENTS_A_SECOND})
"""


def lines() -> list[dict[str, Any]]:
    """Return what an agent prints in one turn: words, a tool call with a file's content, and its result."""
    usage = {"input_tokens": 12_000, "output_tokens": 300, "cache_read_input_tokens": 90_000}
    write = {"type": "tool_use", "id": "t", "name": "Write", "input": {"file_path": "src/NUMBER.py", "content": _WORDS * 4}}  # fmt: skip
    return [
        {"type": "assistant", "message": {"id": "mNUMBER", "model": "m", "content": [{"type": "text", "text": _WORDS}], "usage": usage}},
        {"type": "assistant", "message": {"id": "mNUMBER", "model": "m", "content": [write], "usage": usage}},
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "t", "content": _WORDS * 8}]}},
    ]  # fmt: skip


def run(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Measure both."""
    return {
        "events": _events(folder / "listen.log", 5 if quick else 20),
        "fleet": _fleet(folder, quick=quick),
    }


def _events(path: Path, rounds: int) -> dict[str, float]:
    turn = [json.dumps(line) for line in lines()]
    count = 3000
    path.write_text(
        "".join(turn[number % 3].replace("NUMBER", str(number)) + "\n" for number in range(count))
    )
    adapter = find("claude")
    each = []
    for _ in range(rounds):
        tail, reading = Tail(path), Reading()
        began = time.thread_time()  # other load does not count
        while (found := tail.lines()) is not None:
            for line in found:
                adapter.hear(line, reading)
        each.append((time.thread_time() - began) / count * 1e6)
        if reading.heard < count / 3 or reading.odd:
            raise RuntimeError(f"heard {reading.heard} of {count}, {reading.odd} odd")
    return {
        "median_us": statistics.median(each),
        "worst_us": max(each),
        "bytes_an_event": path.stat().st_size / count,
    }


def _fleet(folder: Path, *, quick: bool) -> dict[str, Any]:
    seconds = 5.0 if quick else 20.0
    shares = {}
    foreign = Foreign.watch()
    for name in ("silent", "chatty"):
        root = folder / f"listen-{name}"
        environ = adopt.site(root, SESSIONS)
        (root / "lines.json").write_text(json.dumps(lines()))
        (root / "chatty.py").write_text(_CHATTY)
        command = (
            ["sleep", "3600"]
            if name == "silent"
            else [sys.executable, str(root / "chatty.py"), str(root / "lines.json")]
        )
        config = root / "config.toml"
        text = config.read_text().replace('["sleep", "3600"]', f'{json.dumps(command)}\nparse = "claude"')
        config.write_text(text)
        socket = socket_beside(config, environ)
        supervisor = adopt.start(root, environ)
        try:
            adopt.settled(socket, SESSIONS)
            time.sleep(2.0)  # what follows a start is over
            before = cpu_seconds(supervisor.pid)
            time.sleep(seconds)  # the measurement itself
            shares[name] = (cpu_seconds(supervisor.pid) - before) / seconds * 100
            with Client(socket, timeout=60.0) as client:
                for session in client.call("session.list")["sessions"]:
                    client.call("session.kill", session=session["id"])
        finally:
            supervisor.terminate()
            supervisor.wait()
    return {
        "sessions": SESSIONS,
        "events_a_second": SESSIONS * EVENTS_A_SECOND,
        "seconds": seconds,
        "cpu_percent": shares,
        "foreign_cores": foreign.cores(),
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    events, fleet = found["events"], found["fleet"]
    print(
        f"listen: {events['median_us']:.1f} us an event of {events['bytes_an_event']:.0f} bytes "
        f"(worst round {events['worst_us']:.1f})"
    )
    cpu = fleet["cpu_percent"]
    print(
        f"listen: supervisor with {fleet['sessions']} sessions: {cpu['silent']:.2f} % CPU silent, {cpu['chatty']:.2f} % at "
        f"{fleet['events_a_second']} events/s (other load: {fleet['foreign_cores']:.2f} cores)"
    )
