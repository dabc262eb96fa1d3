"""The plugin that asks for gptme, run against stand-ins for the three names that it takes from gptme."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from supervisor.world.harness.gptme_plugin import FOLDER, gptme_plugin

Ask = Callable[..., str | None]


@pytest.fixture
def confirm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ask:
    """Return the plugin's answer to a tool call; every path is refused, with the path as the reason."""
    hooks: dict[str, Any] = {}

    def register(name: str, kind: str, function: Any, priority: int) -> None:
        hooks[kind] = function

    stubs = {
        "gptme": ModuleType("gptme"),
        "gptme.hooks": ModuleType("gptme.hooks"),
        "gptme.hooks.confirm": ModuleType("gptme.hooks.confirm"),
        "gptme.plugins": ModuleType("gptme.plugins"),
    }
    vars(stubs["gptme.hooks"]).update(
        HookType=SimpleNamespace(TOOL_CONFIRM="confirm"), register_hook=register
    )
    vars(stubs["gptme.hooks.confirm"]).update(ConfirmationResult=SimpleNamespace(skip=lambda why: why))
    vars(stubs["gptme.plugins"]).update(GptmePlugin=SimpleNamespace)
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    monkeypatch.setenv("PYTHONPATH", "/session/gptme:/mine")
    place = tmp_path / "leasehold_gptme.py"
    place.write_bytes(gptme_plugin(("hook",), ("serve", "mcp"), "/mine")[f"{FOLDER}/leasehold_gptme.py"])
    spec = spec_from_file_location("leasehold_gptme", place)
    assert spec is not None
    assert spec.loader is not None
    plugin = module_from_spec(spec)
    spec.loader.exec_module(plugin)
    monkeypatch.setattr(plugin, "ask", lambda _phase, _tool="", path="": path)
    plugin.plugin.register_hooks()

    def answer(tool: str, **use: Any) -> str | None:
        given = {"tool": tool, "args": [], "content": "", "kwargs": None, **use}
        said: str | None = hooks["confirm"](SimpleNamespace(**given))
        return said

    return answer


def test_the_path_behind_a_fence_a_bare_one_and_a_keyword_are_asked_for(confirm: Ask) -> None:
    assert confirm("patch", args=["patch app.txt"]) == "app.txt"
    assert confirm("save", args=["save", "two words.txt"]) == "two words.txt"
    assert confirm("append", args=["app.txt"]) == "app.txt"
    assert confirm("save", args=None, kwargs={"path": "~/x", "content": ""}) == str(Path("~/x").expanduser())


def test_each_path_of_a_patch_of_several_files_is_asked_for(confirm: Ask) -> None:
    text = "=== PATH: one.py ===\n<<<<<<< ORIGINAL\n=======\n>>>>>>> UPDATED\n=== PATH: two.py ===\n"

    assert confirm("patch_many", content=text) == "one.py"


def test_a_tool_that_edits_nothing_is_not_asked_for(confirm: Ask) -> None:
    assert confirm("shell", args=[], content="rm app.txt") is None
    assert confirm("save", args=[]) is None


def test_what_gptme_starts_has_the_path_for_modules_that_was_there_before(confirm: Ask) -> None:
    assert os.environ["PYTHONPATH"] == "/mine"


def test_the_plugin_is_found_as_an_entry_point(tmp_path: Path) -> None:
    files = gptme_plugin(("hook",), (), "")

    said = files[f"{FOLDER}/leasehold_gptme-1.dist-info/entry_points.txt"]
    assert said == b"[gptme.plugins]\nleasehold = leasehold_gptme:plugin\n"
