"""The scripted model itself: each protocol carries the same turns, and its troubles are what they claim to be."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.harness.model.script import Create, Drop, Edit, Fail, Insist, Say, Script, Shell
from tests.harness.model.server import ModelServer

TOOL = {
    "properties": {"command": {"type": "string"}, "why": {"type": "string"}},
    "required": ["command", "why"],
}
ASKS: dict[str, dict[str, Any]] = {
    "/v1/messages": {
        "messages": [{"role": "user", "content": "script:x"}],
        "tools": [{"name": "Bash", "input_schema": TOOL}],
    },
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "script:x"}]}],
        "tools": [{"type": "function", "function": {"name": "bash", "parameters": TOOL}}],
    },
    "/v1/responses": {
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "script:x"}]}],
        "tools": [{"type": "function", "name": "shell", "parameters": TOOL}],
    },
    "/v1beta/models/m:generateContent": {
        "contents": [{"role": "user", "parts": [{"text": "script:x"}]}],
        "tools": [{"functionDeclarations": [{"name": "run_shell_command", "parameters": TOOL}]}],
    },
}


@pytest.fixture
def model():
    with ModelServer() as server:
        yield server


def post(model, path, body):
    connection = http.client.HTTPConnection(model.url.removeprefix("http://"), timeout=30)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read().decode()
    connection.close()
    return found


def streamed(path, body):
    if "models" in path:
        return path.replace("generateContent", "streamGenerateContent?alt=sse"), body
    return path, body | {"stream": True}


@pytest.mark.parametrize("path", ASKS)
def test_a_shell_command_comes_in_each_protocol_with_whatever_else_the_tool_needs(model, path):
    model.script("x", "/repo", Shell("make"), Say("Made."))

    status, _, text = post(model, path, ASKS[path])
    _, _, second = post(model, *streamed(path, ASKS[path]))

    assert status == 200
    assert json.loads(_arguments(json.loads(text))) == {"command": "make", "why": "scripted why"}
    assert "Made." in second
    assert second.startswith(("data: ", "event: "))
    assert model.strange == []


def test_a_tool_that_is_declared_among_others_under_one_name_is_called_by_its_own(model):
    model.script("x", "/repo", Shell("make"))
    ask = ASKS["/v1/responses"]
    asked = {
        "type": "additional_tools",
        "tools": [{"type": "namespace", "name": "all", "tools": ask["tools"]}],
    }

    _, _, text = post(model, "/v1/responses", {"input": [*ask["input"], asked]})

    assert json.loads(text)["output"][1]["name"] == "shell"


def _arguments(answer):
    """Return the arguments of the one call in an answer, as JSON text."""
    if "candidates" in answer:
        return json.dumps(answer["candidates"][0]["content"]["parts"][1]["functionCall"]["args"])
    if "choices" in answer:
        return answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    if "output" in answer:
        return answer["output"][1]["arguments"]
    return json.dumps(answer["content"][1]["input"])


@pytest.mark.parametrize("path", ASKS)
def test_a_failure_has_its_status_and_headers_as_often_as_it_says(model, path):
    model.script("x", "/repo", Fail(429, (("retry-after", "1"),), times=2), Say("Made."))

    answers = [post(model, path, ASKS[path]) for _ in range(3)]

    assert [status for status, _, _ in answers] == [429, 429, 200]
    assert answers[0][1]["retry-after"] == "1"
    assert "error" in json.loads(answers[0][2])


@pytest.mark.parametrize("path", ASKS)
def test_a_dropped_stream_ends_in_the_middle_of_an_event(model, path):
    model.script("x", "/repo", Drop(), Say("Made."))

    _, _, text = post(model, *streamed(path, ASKS[path]))

    assert not text.endswith("\n\n")


def test_code_mode_calls_its_tools_from_javascript(model):
    model.script("x", "/repo", Edit("a", "1", "2"))
    tools = {"type": "additional_tools", "tools": [{"type": "custom", "name": "exec"}]}
    body = ASKS["/v1/responses"]

    _, _, text = post(model, "/v1/responses", {"input": [tools, *body["input"]]})

    call = json.loads(text)["output"][1]
    assert call["type"] == "custom_tool_call"
    assert call["input"].startswith("text(await tools.apply_patch(")


def test_a_request_without_tools_costs_no_turn(model):
    model.script("x", "/repo", Say("Made."))
    path = "/v1/messages"

    _, _, title = post(model, path, {"messages": ASKS[path]["messages"]})
    _, _, answer = post(model, path, ASKS[path])

    assert "Made." not in title
    assert "Made." in answer


def test_insisting_goes_on_until_the_last_result_is_no_refusal():
    act = Create("a", "1")
    script = Script("x", "/repo", [Insist((act,)), Say("Made.")])

    taken = [
        script.take(results)
        for results in ([], ["EBUSY: resource busy"], ["held by 1", "a is held by 2"], ["ok"])
    ]

    assert taken == [act, act, act, Say("Made.")]


def test_a_script_that_is_over_says_so_again_and_again():
    script = Script("x", "/repo", [])

    assert [script.take([]), script.take([])] == [Say("Done."), Say("Done.")]
