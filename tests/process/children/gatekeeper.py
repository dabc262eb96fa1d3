"""A supervisor's end of the gate: answers `gate.check` on a unix socket by the prefix of each path."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

from supervisor.world.git.wire_path import decode_path


class Gatekeeper:
    """Lets paths below the folder `allowed` pass and refuses all others; keeps what it was asked."""

    def __init__(self, path: Path, allowed: str = "mine/") -> None:
        self.path = path
        self.allowed = allowed
        self.asked: list[dict[str, Any]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    @property
    def updates(self) -> list[dict[str, Any]]:
        """Return every update asked for, in order."""
        return [update for params in self.asked for update in params["updates"]]

    def paths(self) -> list[str]:
        """Return every path asked for, as the file system has it."""
        return [decode_path(path) for update in self.updates for path in update["paths"]]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                for line in lines:
                    assert len(line) <= 1 << 20
                    connection.sendall(
                        json.dumps(self._answer(json.loads(line)), separators=(",", ":")).encode() + b"\n"
                    )

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["method"] == "gate.check"
        self.asked.append(request["params"])
        paths = [path for update in request["params"]["updates"] for path in update["paths"]]
        foreign = [path for path in paths if not path.startswith(self.allowed)]
        if not foreign:
            return {"id": request["id"], "result": {"ok": True}, "jsonrpc": "2.0"}
        lines = [f"{path}: held by session other" for path in foreign]
        error = {"code": -32000, "message": "the commit is refused", "data": {"lines": lines}}
        return {"jsonrpc": "2.0", "id": request["id"], "error": error}
