"""The edit hook's client: which files a call would edit, and how a refusal is told."""

from __future__ import annotations

import pytest

from workers.edit.main import _refuse
from workers.edit.paths import edited

PATCH = "apply_patch <<'PATCH'\n*** Begin Patch\n*** Update File: a.py\n@@\n-x\n+y\n*** Add File: b/c.py\n*** Move to: d.py\n*** End Patch\nPATCH"


@pytest.mark.parametrize(
    ("call", "paths"),
    [
        ({"tool_name": "Edit", "tool_input": {"file_path": "/r/a.py"}}, ["/r/a.py"]),
        ({"tool_name": "NotebookEdit", "tool_input": {"notebook_path": "/r/n.ipynb"}}, ["/r/n.ipynb"]),
        ({"tool_name": "Read", "tool_input": {"file_path": "/r/a.py"}}, []),
        ({"tool_name": "Bash", "tool_input": {"command": "ls"}}, []),
        ({"tool_name": "Bash", "tool_input": {"command": PATCH}}, ["a.py", "b/c.py", "d.py"]),
        ({"tool_name": "apply_patch", "tool_input": {"command": PATCH}}, ["a.py", "b/c.py", "d.py"]),
        ({"toolName": "edit", "toolArgs": '{"path": "/r/a.py", "old_str": "x"}'}, ["/r/a.py"]),
        ({"toolName": "view", "toolArgs": {"path": "/r/a.py"}}, []),
        ({"toolName": "str_replace_editor", "toolArgs": {"command": "view", "path": "/r/a.py"}}, []),
        ({"toolName": "apply_patch", "toolArgs": PATCH}, ["a.py", "b/c.py", "d.py"]),
        ({"tool_name": "write", "tool_input": {"filePath": "/r/a.py"}}, ["/r/a.py"]),
        ({"tool_name": 3, "tool_input": []}, []),
        ({}, []),
    ],
)
def test_the_files_of_a_call_are_found(call, paths):
    assert edited(call)[1] == paths


@pytest.mark.parametrize(
    ("harness", "code", "out"),
    [
        (
            "claude",
            0,
            (
                '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny",'
                '"permissionDecisionReason":"LEASE DENIED: a is \\"b\\""}}\n'
            ),
        ),
        ("gemini", 0, '{"decision":"deny","reason":"LEASE DENIED: a is \\"b\\""}\n'),
        (
            "copilot",
            0,
            '{"permissionDecision":"deny","permissionDecisionReason":"LEASE DENIED: a is \\"b\\""}\n',
        ),
        ("plain", 1, ""),
    ],
)
def test_a_refusal_is_told_as_the_agent_hears_it(harness, code, out, capfd):
    assert _refuse(harness, 'a is "b"') == code
    assert capfd.readouterr().out == out
