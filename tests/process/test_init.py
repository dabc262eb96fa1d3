"""leasehold init and check, in real repositories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from supervisor.cli.check import check
from supervisor.cli.init import init
from supervisor.world.harness.installed import look_at_harnesses

pytestmark = pytest.mark.process


def git(folder: Path, *args: str) -> str:
    """Run git and return what it prints."""
    command = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.org", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with one commit, and nothing of Leasehold in the environment."""
    for name in [name for name in os.environ if name.startswith(("LEASEHOLD", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without the agents of whoever runs the tests
    folder = tmp_path / "my project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def run_init(*args: str | Path) -> Result:
    """Run init."""
    return CliRunner().invoke(init, [str(arg) for arg in args])


def run_check(*args: str | Path) -> Result:
    """Run check."""
    return CliRunner().invoke(check, [str(arg) for arg in args])


def test_init_writes_a_configuration_that_check_accepts(repo: Path) -> None:
    (repo / "tasks").mkdir()

    result = run_init(repo, "--harness", "sh -c {prompt}")

    file = repo / ".leasehold/config.toml"
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"wrote {file}\nnext:\n")
    data = tomllib.loads(file.read_text())
    assert data["repos"] == {"my-project": {"path": ".", "exclude": []}}
    assert data["harness"]["agent"]["command"] == ["sh", "-c", "{prompt}"]
    assert data["sources"]["tasks"] == {"kind": "markdown", "path": "tasks"}
    checked = run_check("-c", file)
    assert checked.exit_code == 0, checked.output
    assert checked.stderr == ""
    assert checked.stdout.splitlines()[:2] == [
        f"{file}: OK",
        f"  repos     my-project: {repo}, branch trunk",
    ]


def test_git_sees_nothing_of_what_init_wrote(repo: Path) -> None:
    run_init(repo, "--harness", "sh")

    assert git(repo, "status", "--porcelain", "--untracked-files=all") == ""


def test_init_works_from_a_folder_inside_and_says_how_to_go_on(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "src").mkdir()
    monkeypatch.chdir(repo / "src")

    result = run_init("--tasks", "docs/to do")

    file = repo / ".leasehold/config.toml"
    assert result.exit_code == 0, result.output
    assert tomllib.loads(file.read_text())["sources"]["tasks"]["path"] == "docs/to do"
    assert "take the # from [harness.agent]" in result.stdout
    assert f"mkdir '{repo}/docs/to do'" in result.stdout
    assert not (repo / "docs").exists()


def test_without_a_harness_the_file_is_complete_once_its_marks_are_taken_away(repo: Path) -> None:
    run_init(repo)
    file = repo / ".leasehold/config.toml"

    assert "no [harness.NAME]" in run_check("-c", file).stderr
    text = file.read_text().replace("#[harness", "[harness")
    for key in ("command", "budget", "env_from"):
        text = text.replace(f"#{key}", key)
    assert tomllib.loads(text)["harness"]["agent"]["budget"] == "50m"


def test_init_replaces_nothing_unless_forced(repo: Path) -> None:
    file = repo / ".leasehold/config.toml"
    file.parent.mkdir()
    file.write_text("mine")

    refused = run_init(repo)
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: {file} is there already; `leasehold check` validates it, --force replaces it\n"
    )
    assert file.read_text() == "mine"

    assert run_init(repo, "--force").exit_code == 0
    assert file.read_text() != "mine"
    assert {path.name for path in file.parent.iterdir()} == {"config.toml", ".gitignore"}


def test_init_refuses_what_sessions_cannot_work_in(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    git(tmp_path, "init", "-q", "--bare", "bare")
    git(tmp_path, "init", "-q", "empty")

    sentences = {name: run_init(tmp_path / name).stderr for name in ("plain", "bare", "empty", "none")}

    assert "is not a git repository" in sentences["plain"]
    assert "is a bare repository" in sentences["bare"]
    assert "has no commit yet" in sentences["empty"]
    assert "does not exist" in sentences["none"]
    assert all(len(sentence.splitlines()) == 1 for sentence in sentences.values())
    assert run_init(tmp_path / "plain").exit_code == 1


def test_init_refuses_a_file_in_its_way_and_a_command_that_is_none(repo: Path) -> None:
    (repo / ".leasehold").write_text("")

    assert "is in the way" in run_init(repo).stderr
    misspelt = run_init(repo, "--harness", "x {promt}")
    assert misspelt.exit_code == 2
    assert "--harness: no placeholder {promt}; did you mean {prompt}?" in misspelt.stderr


def test_init_names_an_agent_that_is_not_installed(repo: Path) -> None:
    result = run_init(repo, "--harness", "no-such-agent {prompt}")

    assert result.exit_code == 0
    assert 'install "no-such-agent", which is not in PATH' in result.stdout


BROKEN = """\
[supervisor]
state_dir = "file/state"
[repos.empty]
path = "empty"
[repos.here]
path = "my project/sub"
[harness.a]
command = ["no-such-agent"]
env = { API_KEY = "x" }
env_from = ["NO_SUCH_SECRET"]
[harness.b]
command = ["./agent"]
[sources.tasks]
kind = "markdown"
path = "none"
repo = "here"
[sources.c]
kind = "command"
command = "no-such-lister"
repo = "here"
"""


def test_check_tells_each_thing_that_the_host_lacks(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "empty")
    (repo / "sub").mkdir()
    (repo / "sub/agent").write_text("")
    (tmp_path / "empty/agent").write_text("")
    (tmp_path / "file").write_text("")
    file = tmp_path / "config.toml"
    file.write_text(BROKEN)

    result = run_check("--json", "-c", file)

    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    told = [line.removeprefix(f"{file}:") for line in document["problems"]]
    assert [line.split(";")[0] for line in told] == [
        '8: harness.a.command: no program "no-such-agent" in PATH',
        f"12: harness.b.command: {tmp_path}/empty/agent is not executable",
        '19: sources.c.command: no program "no-such-lister" in PATH',
        f"2: supervisor.state_dir: {tmp_path}/file is not a folder",
        f"4: repos.empty.path: {tmp_path}/empty has no commit yet on its checked-out branch",
    ]
    warned = [line.removeprefix(f"{file}:").split(" ")[1] for line in document["warnings"]]
    assert warned == ["harness.a.env_from:", "harness.a.env:", "sources.tasks.path:", "repos.here.path:"]


def test_check_shows_what_is_in_force_as_a_configuration(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_init(repo, "--harness", "sh")
    monkeypatch.chdir(repo)
    monkeypatch.setenv("LEASEHOLD__SUPERVISOR__MAX_SESSIONS", "9")

    result = run_check("--show")

    shown = tomllib.loads(result.stdout)
    assert result.exit_code == 0, result.output
    assert shown["supervisor"]["max_sessions"] == 9
    assert shown["leases"]["ttl"] == "15m"
    assert shown["repos"]["my-project"]["path"] == str(repo)


def test_check_without_a_configuration_says_how_to_get_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "supervisor.cli.main", "check"]
    environ = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }

    ended = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"no configuration found from {tmp_path} upwards; `leasehold init` writes one, -c FILE names one\n"
    )


def agent(folder: Path, name: str, says: str) -> None:
    """Put a program into a folder that says its version."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


def test_init_finds_the_agents_that_are_installed_and_writes_what_runs_them(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent(tmp_path / "bin", "claude", "'2.1.330 (Claude Code)'")
    agent(tmp_path / "bin", "pi", "0.9.9")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (repo / "tasks").mkdir()

    result = run_init(repo)

    file = repo / ".leasehold/config.toml"
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:2] == [
        f"found claude 2.1.330 at {tmp_path}/bin/claude",
        f"found pi 0.9.9 at {tmp_path}/bin/pi",
    ]
    harness = tomllib.loads(file.read_text())["harness"]
    assert {name: section["adapter"] for name, section in harness.items()} == {"claude": "claude", "pi": "pi"}
    assert run_check("-c", file).exit_code == 0


def test_doctor_tells_an_agent_of_another_version_than_its_adapter_was_tried_with(tmp_path: Path) -> None:
    agent(tmp_path / "bin", "claude", "2.1.330")
    agent(tmp_path / "bin", "pi", "0.9.9")
    agent(tmp_path / "bin", "codex", "nothing")

    found = look_at_harnesses({"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})

    assert [(each.name, each.good) for each in found] == [
        ("harness claude", True),
        ("harness codex", False),
        ("harness pi", False),
    ]
    assert found[1].told.startswith("no version told at ")
    assert found[2].told == f"0.9.9 at {tmp_path}/bin/pi; its adapter was tested with 0.73.1"
    assert "npm install -g @mariozechner/pi-coding-agent@0.73.1" in found[2].way_out
