"""An agent's version is read from its package, where that lies beside the program, without starting the agent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from supervisor.world.harness.installed import installed
from supervisor.world.harness.packaged import packaged_version


def program(path: Path, text: str = "#!/bin/sh\nexit 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def npm(root: Path, name: str, version: str) -> Path:
    folder = root / "node_modules" / name
    program(folder / "dist/cli.js")
    (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
    return folder


def test_npm_keeps_the_version_above_the_file_that_the_command_is_a_link_to(tmp_path):
    folder = npm(tmp_path, "@google/gemini-cli", "0.61.0")
    command = tmp_path / "bin/gemini"
    command.parent.mkdir()
    command.symlink_to(folder / "dist/cli.js")

    assert packaged_version("npm:@google/gemini-cli", command) == "0.61.0"


def test_the_package_is_found_along_the_links_where_the_last_one_leads_into_another(tmp_path):
    folder = npm(tmp_path, "cline", "3.0.65")
    other = npm(tmp_path, "@cline/cli-linux-x64", "9.9.9")
    (folder / "dist/cli.js").unlink()
    (folder / "dist/cli.js").symlink_to("../../@cline/cli-linux-x64/dist/cli.js")
    command = tmp_path / "node_modules/.bin/cline"
    command.parent.mkdir()
    command.symlink_to("../cline/dist/cli.js")

    assert (other / "dist/cli.js").samefile(command)
    assert packaged_version("npm:cline", command) == "3.0.65"


def test_the_command_may_lead_to_the_binary_that_the_package_depends_on(tmp_path):
    npm(tmp_path, "cline", "3.0.65")
    binary = npm(tmp_path, "@cline/cli-linux-x64", "9.9.9")
    command = tmp_path / "node_modules/.bin/cline"
    command.parent.mkdir()
    command.symlink_to(binary / "dist/cli.js")

    assert packaged_version("npm:cline", command) == "3.0.65"


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_pip_keeps_the_version_in_the_environment_that_the_command_is_of(tmp_path, folder):
    command = program(tmp_path / "venv/bin/aider")
    info = tmp_path / "venv/lib/python3.11" / folder / "aider_chat-0.86.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: aider-chat\nVersion: 0.86.2\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/aider").symlink_to(command)

    assert packaged_version("pypi:aider-chat", tmp_path / "bin/aider") == "0.86.2"


def test_a_command_outside_its_package_has_no_version_that_could_be_read(tmp_path):
    command = program(tmp_path / "bin/claude")
    (tmp_path / "package.json").write_text('{"name": "something-else", "version": "1.0.0"}')

    assert packaged_version("npm:@anthropic-ai/claude-code", command) == ""
    assert packaged_version("pypi:gptme", command) == ""
    assert packaged_version("", command) == ""


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "pi"}', '{"name": "pi", "version": 7}', "\xff"])
def test_a_package_file_that_is_none_is_passed_over(tmp_path, text):
    command = program(tmp_path / "pi/cli.js")
    (tmp_path / "pi/package.json").write_bytes(text.encode("latin-1"))

    assert packaged_version("npm:pi", command) == ""


def test_links_in_a_circle_have_no_version(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert packaged_version("npm:pi", tmp_path / "a") == ""


def test_an_agent_whose_package_tells_its_version_is_not_started_for_it(tmp_path):
    folder = npm(tmp_path, "@anthropic-ai/claude-code", "2.1.330")
    touched = tmp_path / "started"
    program(folder / "dist/cli.js", f"#!/bin/sh\n: > {touched}\necho 1.0.0\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/claude").symlink_to(folder / "dist/cli.js")

    (found,) = installed({"PATH": str(tmp_path / "bin")})

    assert (found.adapter.name, found.version) == ("claude", "2.1.330")
    assert not touched.exists()


def test_this_environment_tells_its_own_packages():
    command = Path(sys.executable).with_name("pytest")

    assert packaged_version("pypi:pytest", command) == pytest.__version__
