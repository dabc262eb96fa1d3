"""OpenAI Chat Completions: `POST /v1/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.harness.model.asked import INPUT, OUTPUT, Asked, Reply, Tool, plain, schema

USAGE = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
KINDS = {400: "invalid_request_error", 401: "invalid_api_key", 429: "rate_limit_exceeded"}


def read(body: dict[str, Any]) -> Asked:
    """Read a request."""
    texts: list[str] = []
    results: list[str] = []
    for message in body.get("messages", []):
        found = plain(message.get("content"))
        if message.get("role") == "tool":
            results.append("\n".join(found))
        elif message.get("role") != "assistant":
            texts += found
    tools = {}
    for tool in body.get("tools") or ():
        function = tool.get("function") or {}
        tools[function["name"]] = Tool(function["name"], *schema(function.get("parameters")))
    return Asked("chat", str(body.get("model")), bool(body.get("stream")), tools, texts, results, body)


def whole(reply: Reply) -> dict[str, Any]:
    """Return a reply that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.call:
        message["tool_calls"] = [_call(reply)]
    return {
        **_frame(reply, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": _reason(reply)}],
        "usage": USAGE,
    }


def stream(reply: Reply) -> Iterator[bytes]:
    """Yield the events of a streamed reply."""
    yield _chunk(reply, {"role": "assistant", "content": ""})
    if reply.text:
        yield _chunk(reply, {"content": reply.text})
    if reply.call:
        yield _chunk(reply, {"tool_calls": [{"index": 0, **_call(reply)}]})
    yield _chunk(reply, {}, _reason(reply))
    yield _data({**_frame(reply, "chat.completion.chunk"), "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def failure(status: int) -> dict[str, Any]:
    """Return the body of an HTTP error."""
    kind = KINDS.get(status, "server_error")
    return {"error": {"message": f"scripted {kind}", "type": kind, "code": kind, "param": None}}


def _frame(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply.number:06}", "object": kind, "created": 1700000000, "model": reply.model}


def _call(reply: Reply) -> dict[str, Any]:
    assert reply.call
    function = {"name": reply.call.tool, "arguments": json.dumps(reply.call.arguments)}
    return {"id": f"call_{reply.number:06}", "type": "function", "function": function}


def _reason(reply: Reply) -> str:
    return "tool_calls" if reply.call else "stop"


def _chunk(reply: Reply, delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return _data({**_frame(reply, "chat.completion.chunk"), "choices": [choice]})


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()
