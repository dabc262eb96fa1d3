"""OpenAI Responses: `POST /v1/responses`, with function tools and tools that take free text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.harness.model.asked import INPUT, OUTPUT, Asked, Reply, Tool, plain, schema
from tests.harness.model.chat import failure

__all__ = ["failure", "read", "stream", "whole"]


def read(body: dict[str, Any]) -> Asked:
    """Read a request. Tools are declared beside the input, or inside it, one by one or several under a name."""
    texts = plain(body.get("instructions"))
    results: list[str] = []
    declared = list(body.get("tools") or ())
    given = body.get("input")
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given or ():
        kind = str(item.get("type", "message"))
        if kind == "additional_tools":
            declared += item.get("tools") or ()
        elif kind.endswith("_output"):
            results.append("\n".join(plain(item.get("output"))))
        elif item.get("role") in {"user", "developer", "system"}:
            texts += plain(item.get("content"))
    tools = {}
    for tool in [inner for outer in declared for inner in outer.get("tools") or (outer,)]:
        if name := tool.get("name"):
            tools[name] = Tool(name, *schema(tool.get("parameters")), free=tool.get("type") == "custom")
    return Asked("responses", str(body.get("model")), bool(body.get("stream")), tools, texts, results, body)


def whole(reply: Reply) -> dict[str, Any]:
    """Return a reply that is not streamed."""
    return {
        **_frame(reply),
        "status": "completed",
        "output": _items(reply),
        "usage": {
            "input_tokens": INPUT,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": OUTPUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT + OUTPUT,
        },
    }


def stream(reply: Reply) -> Iterator[bytes]:
    """Yield the events of a streamed reply."""
    yield _event("response.created", response={**_frame(reply), "status": "in_progress", "output": []})
    for index, item in enumerate(_items(reply)):
        yield _event("response.output_item.added", output_index=index, item={**item, "status": "in_progress"})
        if item["type"] == "message":
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            yield _event("response.output_text.delta", **place, delta=reply.text)
        yield _event("response.output_item.done", output_index=index, item=item)
    yield _event("response.completed", response=whole(reply))


def _frame(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"resp_{reply.number:06}",
        "object": "response",
        "created_at": 1700000000,
        "model": reply.model,
    }


def _items(reply: Reply) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.text:
        content = [{"type": "output_text", "text": reply.text, "annotations": []}]
        message = {"type": "message", "id": f"msg_{reply.number:06}", "role": "assistant"}
        items.append({**message, "status": "completed", "content": content})
    if reply.call:
        call = {"id": f"fc_{reply.number:06}", "call_id": f"call_{reply.number:06}", "name": reply.call.tool}
        given = reply.call.arguments
        if isinstance(given, str):
            items.append({"type": "custom_tool_call", **call, "input": given, "status": "completed"})
        else:
            text = json.dumps(given)
            items.append({"type": "function_call", **call, "arguments": text, "status": "completed"})
    return items


def _event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
