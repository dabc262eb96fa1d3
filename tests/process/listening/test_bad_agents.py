"""Agents that are missing, too old, update themselves or write into the account's home: the ending names it, nothing else suffers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.process.listening.talk import TALK

pytestmark = pytest.mark.process


@pytest.fixture
def agent(site):
    """Return what runs one session of an agent that takes itself for Claude Code, and returns how it ended."""

    def run(script, /, **harness):
        site.task("a", "a.txt", harness="fake")
        program = [sys.executable, str(site.root / ".leasehold/agent.py")]
        section = {"adapter": "claude", "program": program, "budget": "5m", "grace": "1s"} | harness
        site.configure(TALK + textwrap.dedent(script), retry={"attempts": 1}, **{"harness.fake": section})
        process = site.start()
        ended = site.wait_for("session.ended")
        site.end(process)
        return ended["data"]

    return run


def command(site, script, code=0):
    """Run one session of a harness that is just a command, and return how it ended."""
    site.task("a", "a.txt", expects="nothing")
    site.configure(script, retry={"attempts": 1})
    site.until_idle(code=code)
    (ended,) = site.events("session.ended")
    return ended["data"]


def test_an_agent_that_is_not_installed_is_named_with_the_package_to_install(site):
    site.environ["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    site.task("a", "a.txt", harness="fake")
    site.configure("", retry={"attempts": 1}, **{"harness.fake": {"adapter": "pi"}})
    process = site.start()
    ended = site.wait_for("session.ended")["data"]
    site.end(process)

    assert ended["outcome"] == "unspawned"
    assert 'no program "pi" in PATH; install npm:@mariozechner/pi-coding-agent' in ended["sentence"]


def test_a_program_that_has_gone_since_the_start_of_the_supervisor_is_named(agent):
    ended = agent("", program=["/nonexistent/claude"])

    assert ended["outcome"] == "unspawned"
    assert '"/nonexistent/claude" cannot be run: no such file or directory' in ended["sentence"]


def test_an_agent_too_old_for_its_flags_is_named_with_its_words_and_the_version_that_is_known_to_work(agent):
    ended = agent("""sys.stderr.write("error: unknown option '--settings'\\n"); sys.exit(1)""")

    assert ended["outcome"] == "failed"
    assert """its last words were "error: unknown option '--settings'\"""" in ended["sentence"]
    assert "its adapter was tested with version 2." in ended["sentence"]


def test_an_agent_that_says_on_standard_error_alone_what_became_of_its_account_is_believed(agent):
    ended = agent(
        """
        init(); turn()
        sys.stderr.write("Error: connect ECONNREFUSED 127.0.0.1:9\\n    at internal (node:net:1)\\n\\nNode.js v22.0.0\\n"); sys.exit(1)
        """
    )

    assert ended["outcome"] == "unavailable"
    assert ended["evidence"]["verdict"]["kind"] == "unreachable"
    assert "Error: connect ECONNREFUSED 127.0.0.1:9" in ended["sentence"]


def test_a_command_that_fails_is_named_with_its_words_secrets_masked(site):
    words = "Error: disk quota exceeded, key sk-" + "a1B2" * 6
    ended = command(
        site, f"import sys; sys.stderr.write({words!r} + '\\n    at trace\\n'); sys.exit(3)", code=1
    )

    assert ended["outcome"] == "failed"
    assert 'its last words were "Error: disk quota exceeded, key [masked]"' in ended["sentence"]


def test_an_agent_that_updates_itself_goes_on_and_its_ending_names_the_program(agent, site):
    ended = agent(
        """
        init(); turn()
        with open(__file__ + ".new", "w") as file:
            file.write(open(__file__).read())
        os.replace(__file__ + ".new", __file__)
        commit(); done()
        """
    )

    assert ended["outcome"] == "finished"
    assert f"its program {site.root}/.leasehold/agent.py was replaced while it ran" in ended["sentence"]
    assert ended["evidence"]["heard"]["replaced"] == f"{site.root}/.leasehold/agent.py"


def test_an_agent_that_writes_into_the_accounts_home_is_named_with_the_files_and_none_is_fatal(agent, site):
    home = Path(site.environ["HOME"])
    (home / ".claude").mkdir(parents=True, exist_ok=True)
    (home / ".claude/.credentials.json").write_text("{}")
    ended = agent(
        """
        init(); turn()
        for name in ("~/.claude/.credentials.json", "~/.fake-agent/state", "~/.claude/projects/mine.jsonl"):
            path = os.path.expanduser(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write("mine")
        commit(); done()
        """
    )

    assert ended["outcome"] == "finished"
    assert "in the account's home meanwhile: ~/.claude/.credentials.json, ~/.fake-agent" in ended["sentence"]
    assert ended["evidence"]["heard"]["account"] == ["~/.claude/.credentials.json", "~/.fake-agent"]


def test_an_agent_that_puts_pipes_and_nonsense_where_its_start_was_written_down_holds_nobody_up(agent):
    ended = agent(
        """
        init(); turn(); commit(); done()
        home = os.path.join(os.path.dirname(os.environ["LEASEHOLD_NOTICE"]), "home")
        for name in ("account", "harness"):
            os.unlink(os.path.join(home, name))
            os.mkfifo(os.path.join(home, name))
        for name in ("spec.json", "spec.json.new"):
            path = os.path.join(home, os.pardir, name)
            if os.path.exists(path):
                os.unlink(path)
            os.mkfifo(path)
        """
    )

    assert ended["outcome"] == "finished"
    assert ended["evidence"]["code"] == 0
    assert "account" not in ended["evidence"]["heard"]


def test_a_command_that_sets_up_git_for_the_whole_account_is_named(site):
    Path(site.environ["HOME"]).mkdir(exist_ok=True)
    ended = command(site, "import os; open(os.path.expanduser('~/.gitconfig'), 'w').close()")

    assert "changed in the account's home meanwhile: ~/.gitconfig" in ended["sentence"]


def test_an_agent_with_a_home_of_its_own_writes_nothing_into_the_accounts(agent, site):
    home = Path(site.environ["HOME"])
    home.mkdir(exist_ok=True)
    before = sorted(home.rglob("*"))
    ended = agent(
        """
        init(); turn()
        for name in ("~/.claude.json", "~/.config/fake/state", "~/.cache/fake/x"):
            path = os.path.expanduser(name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").write("mine")
        commit(); done()
        """,
        home="own",
    )

    assert ended["outcome"] == "finished"
    assert "replaced" not in ended["sentence"]
    assert "account" not in ended["sentence"]
    assert sorted(home.rglob("*")) == before
    (folder,) = (site.root / ".leasehold/state/sessions").iterdir()
    assert (folder / "home/.claude.json").read_text() == "mine"


def test_a_template_is_found_from_any_folder_and_what_it_seems_to_get_wrong_is_told(site, tmp_path):
    site.write("own.md", "{title}\n\n{boddy}\n")
    site.task("a", expects="nothing")
    site.configure(
        "import sys; open('.leasehold/told', 'w').write(sys.stdin.read())", harness={"brief": "own.md"}
    )
    wrong = f"{site.root}/own.md: no section {{boddy}}; did you mean {{body}}?"

    assert wrong in site.run("check").stderr
    config = str(site.root / ".leasehold/config.toml")
    done = subprocess.run(
        site.command("-c", config, "run", "--until-idle"),
        cwd=tmp_path,
        env=site.environ,
        text=True,
        capture_output=True,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("harness.brief_odd") == 1
    assert (site.root / ".leasehold/told").read_text() == "# Do a\n\n{boddy}\n"


def test_a_task_with_long_notes_runs_on_an_agent_that_takes_its_brief_as_an_argument(site):
    site.configure(
        """
        import os, subprocess, sys
        open("a.txt", "w").write(str(len(sys.argv[1].encode())))
        subprocess.run(["git", "add", "a.txt"], check=True)
        subprocess.run(["git", "commit", "-qm", "Do it", "--", "a.txt"], check=True)
        """,
        supervisor={"pool": False},
        **{"harness.takes": {"command": [sys.executable, ".leasehold/agent.py", "{prompt}"]}},
    )
    site.write(
        "tasks/a.md", "---\nstate: backlog\nharness: takes\npaths: [a.txt]\n---\n# Do a\n\n" + "ж" * 60_000
    )
    process = site.start()
    for _ in range(12):
        site.run("task", "note", "--task", "a", "ж" * 4000)
    site.run("launch", "--task", "a")
    ended = site.wait_for("session.ended")["data"]
    site.end(process)

    assert ended["outcome"] == "finished", ended["sentence"]
    assert 64 << 10 < int((site.root / "a.txt").read_text()) < 128 << 10
