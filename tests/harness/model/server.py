"""The scripted model server: one HTTP server on loopback that speaks the protocols of all agents."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, TracebackType
from typing import Any, Self

from tests.harness.model import anthropic, chat, gemini, responses, tools, written
from tests.harness.model.asked import Asked, Reply
from tests.harness.model.script import Drop, Fail, Meet, Say, Script, Silence, Stall, Turn

GEMINI = re.compile(r"/v1(?:beta|alpha)?/models/([^:/]+):(generateContent|streamGenerateContent)")


class ModelServer:
    """Answers each request with the next turn of the script that the task's text names."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.scripts: dict[str, Script] = {}
        self.strange: list[str] = []  # requests that nobody scripted, and what could not be answered
        self.meetings: dict[str, set[str]] = {}
        self.ended = threading.Event()
        self.changed = threading.Condition()
        self._http = _Http(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering; connections that hang are let go of."""
        if not self.ended.is_set():
            self.ended.set()
            self._http.shutdown()
            self._http.server_close()
            self._thread.join()

    def script(self, name: str, root: str, *turns: Turn) -> Script:
        """Keep a script for the task whose text has `script:NAME`."""
        self.scripts[name] = Script(name, root, list(turns))
        return self.scripts[name]

    def of(self, name: str) -> list[Asked]:
        """Return the requests of a script, those aside in which an agent only wanted a title or the like."""
        return [asked for asked in self.asked if asked.script() == name and _main(asked)]

    def told(self, name: str) -> str:
        """Return what the tools of a script's session gave back to the model."""
        return "\n".join(self.results(name))

    def results(self, name: str) -> list[str]:
        """Return the same one by one."""
        longest = max(self.of(name), key=lambda asked: (len(asked.results), len(asked.texts)), default=None)
        if longest is None:
            return []
        return longest.results or longest.texts[1:]  # what the code blocks of a text did comes as text

    def wait_for(self, name: str, count: int, limit: float = 60.0) -> None:
        """Return once `count` requests of a script have come; raises TimeoutError after `limit` seconds."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.of(name)) >= count, limit):
                raise TimeoutError(f"{len(self.of(name))} of {count} requests of {name} in {limit:g} s")

    def _meet(self, meet: Meet, script: Script) -> None:
        """Wait until all have come, for a minute at most: who has died will not come."""
        there = self.meetings.setdefault(meet.name, set())
        there.add(script.name)
        self.changed.notify_all()
        if not self.changed.wait_for(lambda: len(there) >= meet.count, 60.0):
            self.strange.append(f"only {', '.join(sorted(there))} came to {meet.name}")

    def take(self, asked: Asked) -> Say | Fail | Silence | Stall | Drop | Reply:
        """Note a request and return what it is answered with."""
        with self.changed:
            self.asked.append(asked)
            number = len(self.asked)
            script = self.scripts.get(asked.script() or "")
            self.changed.notify_all()
            if script is None or not _main(asked):
                return Reply(number, asked.model, "Scripted")
            turn = script.take(asked.results or written.results(asked))
            while isinstance(turn, Meet):
                self._meet(turn, script)
                turn = script.take(asked.results or written.results(asked))
            if isinstance(turn, Fail | Silence | Stall | Drop):
                return turn
            if not asked.tools:
                return Reply(number, asked.model, written.text_for(turn, script, asked))
            if isinstance(turn, Say):
                return Reply(number, asked.model, turn.text, tools.end_for(asked))
            try:
                call = tools.call_for(turn, asked, script.root)
            except tools.NoToolError as error:
                self.strange.append(f"{script.name}: {error}")
                return Reply(number, asked.model, f"I cannot: {error}")
            return Reply(number, asked.model, f"Now: {type(turn).__name__}.", call)


def _main(asked: Asked) -> bool:
    return bool(asked.tools) or written.speaks(asked)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], model: ModelServer) -> None:
        super().__init__(address, _Handler)
        self.model = model

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that an agent closed: killed agents do."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        """Print nothing; the server keeps all requests itself."""

    def do_GET(self) -> None:  # the name is the library's
        """List the one model there is."""
        self._whole(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self) -> None:  # the name is the library's
        """Answer a request to the model."""
        path = self.path.partition("?")[0]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        found = _read(path, body)
        if found is None:
            self.server.model.strange.append(path)
            self._whole(404, {"error": {"message": "not scripted", "type": "not_found_error"}})
            return
        protocol, asked = found
        asked.headers.update(self.headers.items())
        self._answer(protocol, asked, self.server.model.take(asked))

    def _answer(self, protocol: ModuleType, asked: Asked, answer: object) -> None:
        if isinstance(answer, Fail):
            self._whole(answer.status, protocol.failure(answer.status), answer.headers)
        elif isinstance(answer, Silence):
            self._hang()
        elif isinstance(answer, Stall | Drop):
            begun = next(protocol.stream(Reply(len(self.server.model.asked), asked.model, "Let me")))
            self._begin_stream()
            self._send(begun[:-20] if isinstance(answer, Drop) else begun)
            if isinstance(answer, Stall):
                self._hang()
        elif asked.stream:
            self._begin_stream()
            for event in protocol.stream(answer):
                self._send(event)
        else:
            self._whole(200, protocol.whole(answer))

    def _hang(self) -> None:
        self.server.model.ended.wait()
        self.close_connection = True

    def _begin_stream(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, event: bytes) -> None:
        self.wfile.write(event)
        self.wfile.flush()

    def _whole(self, status: int, body: dict[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(text))),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


_PATHS: dict[str, tuple[ModuleType, Callable[[dict[str, Any]], Asked]]] = {
    "/messages": (anthropic, anthropic.read),
    "/chat/completions": (chat, chat.read),
    "/responses": (responses, responses.read),
}


def _read(path: str, body: dict[str, Any]) -> tuple[ModuleType, Asked] | None:
    if found := GEMINI.fullmatch(path):
        return gemini, gemini.read(body, found[1], streamed=found[2].startswith("stream"))
    for end, (protocol, read) in _PATHS.items():
        if path.endswith(end):
            return protocol, read(body)
    return None
