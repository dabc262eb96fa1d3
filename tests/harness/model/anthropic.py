"""Anthropic Messages: `POST /v1/messages`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.harness.model.asked import INPUT, OUTPUT, Asked, Reply, Tool, plain, schema

KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}


def read(body: dict[str, Any]) -> Asked:
    """Read a request."""
    texts = plain(body.get("system"))
    results: list[str] = []
    for message in body.get("messages", []):
        content = message.get("content")
        if message.get("role") == "user":
            texts += plain(content)
        results += [
            "\n".join(plain(part.get("content")))
            for part in (content if isinstance(content, list) else [])
            if isinstance(part, dict) and part.get("type") == "tool_result"
        ]
    tools = {
        tool["name"]: Tool(tool["name"], *schema(tool.get("input_schema")))
        for tool in body.get("tools") or ()
    }
    return Asked("anthropic", str(body.get("model")), bool(body.get("stream")), tools, texts, results, body)


def whole(reply: Reply) -> dict[str, Any]:
    """Return a reply that is not streamed."""
    content: list[dict[str, Any]] = []
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    if reply.call:
        use = {"type": "tool_use", "id": f"toolu_{reply.number:06}", "name": reply.call.tool}
        content.append({**use, "input": reply.call.arguments})
    return {
        "id": f"msg_{reply.number:06}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": "tool_use" if reply.call else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT},
    }


def stream(reply: Reply) -> Iterator[bytes]:
    """Yield the events of a streamed reply."""
    message = whole(reply)
    usage = {"input_tokens": INPUT, "output_tokens": 1}
    yield _event("message_start", message={**message, "content": [], "stop_reason": None, "usage": usage})
    for index, part in enumerate(message["content"]):
        if part["type"] == "text":
            begin, delta = {**part, "text": ""}, {"type": "text_delta", "text": part["text"]}
        else:
            begin = {**part, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(part["input"])}
        yield _event("content_block_start", index=index, content_block=begin)
        yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage={"output_tokens": OUTPUT})
    yield _event("message_stop")


def failure(status: int) -> dict[str, Any]:
    """Return the body of an HTTP error."""
    kind = KINDS.get(status, "overloaded_error" if status == 529 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"scripted {kind}"}}


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
