"""Gemini: `POST /v1beta/models/NAME:generateContent` and `:streamGenerateContent`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.harness.model.asked import INPUT, OUTPUT, Asked, Reply, Tool, plain, schema

KINDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def read(body: dict[str, Any], model: str, *, streamed: bool) -> Asked:
    """Read a request; model and streaming stand in its path."""
    texts = plain((body.get("systemInstruction") or {}).get("parts"))
    results: list[str] = []
    for content in body.get("contents", []):
        if content.get("role") != "user":
            continue
        texts += plain(content.get("parts"))
        answers = [part.get("functionResponse") for part in content.get("parts") or ()]
        results += [_told(answer.get("response")) for answer in answers if answer]
    tools = {}
    for group in body.get("tools") or ():
        for tool in group.get("functionDeclarations") or ():
            declared = tool.get("parametersJsonSchema") or tool.get("parameters")
            tools[tool["name"]] = Tool(tool["name"], *schema(declared))
    return Asked("gemini", model, streamed, tools, texts, results, body)


def whole(reply: Reply) -> dict[str, Any]:
    """Return a reply, which is the same streamed or not."""
    parts: list[dict[str, Any]] = []
    if reply.text:
        parts.append({"text": reply.text})
    if reply.call:
        parts.append({"functionCall": {"name": reply.call.tool, "args": reply.call.arguments}})
    content = {"role": "model", "parts": parts}
    counts = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT}
    return {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": counts,
        "modelVersion": reply.model,
        "responseId": f"r{reply.number:06}",
    }


def stream(reply: Reply) -> Iterator[bytes]:
    """Yield the events of a streamed reply."""
    yield f"data: {json.dumps(whole(reply))}\n\n".encode()


def failure(status: int) -> dict[str, Any]:
    """Return the body of an HTTP error."""
    kind = KINDS.get(status, "INTERNAL")
    return {"error": {"code": status, "message": f"scripted {kind}", "status": kind}}


def _told(response: Any) -> str:
    if isinstance(response, dict):
        return "\n".join(str(value) for value in response.values())
    return str(response)
