"""`leasehold mcp` in a real session, asked by the client of the official SDK over standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from supervisor.mcp.asking import Supervisor
from supervisor.world.mcp_command import mcp_command

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

LIMIT = 60.0
# Tells its environment, then does what it is told through a pipe.
OBEDIENT = """
    import json, os, pathlib, subprocess, sys
    place, task = pathlib.Path(os.environ["LEASEHOLD_REPO"], ".leasehold"), os.environ["LEASEHOLD_TASK"]
    (place / (task + ".env")).write_text(json.dumps(dict(os.environ)))
    (place / (task + ".brief")).write_text(sys.stdin.read())
    for line in open(place / (task + ".orders")):
        verb, _, what = line.strip().partition(" ")
        if verb == "commit":
            with open(what, "a") as file:
                file.write(task)
            subprocess.run(["git", "add", what], check=True)
            subprocess.run(["git", "commit", "-qm", "Do " + task, "--", what], check=True)
        elif verb == "exit":
            sys.exit(int(what))
"""


class Agent:
    """A session whose harness does what the test says."""

    def __init__(self, site, task):
        self._place = site.root / ".leasehold"
        self._task = task
        self.root = site.root
        pipe = self._place / f"{task}.orders"
        self._pipe = -1

        def listens():
            try:
                self._pipe = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return False
            return True

        site.until(listens)
        self.env = json.loads((self._place / f"{task}.env").read_text())

    @property
    def brief(self):
        return (self._place / f"{self._task}.brief").read_text()

    def order(self, line):
        os.write(self._pipe, f"{line}\n".encode())

    @asynccontextmanager
    async def tools(self):
        command = mcp_command()
        assert command is not None
        server = StdioServerParameters(
            command=command[0], args=list(command[1:]), env=self.env, cwd=self.root
        )
        async with Client(server, read_timeout_seconds=LIMIT) as client:
            yield client

    def cli(self, *args):
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.cli.main", *args],
            cwd=self.root,
            env=self.env,
            text=True,
            capture_output=True,
            timeout=LIMIT,
        )
        return done.returncode, done.stdout + done.stderr


async def use(client, name, **arguments):
    """Return whether a tool refused, and its text."""
    found = await client.call_tool(name, arguments)
    return found.is_error, "\n".join(part.text for part in found.content)


def begin(site, *tasks, **sections):
    site.configure(OBEDIENT, **sections)
    for task in tasks:
        os.mkfifo(site.root / f".leasehold/{task}.orders")
    site.start()
    return [Agent(site, task) for task in tasks]


def ended(site, agent):
    return site.wait_for("session.ended", session=agent.env["LEASEHOLD_SESSION"])["data"]


async def test_the_tools_of_a_session_ask_for_files_and_say_who_holds_what(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    one, two = begin(site, "a", "b", supervisor={"max_sessions": 2})

    async with one.tools() as mine, two.tools() as theirs:
        listed = await mine.list_tools()
        assert await use(mine, "lease_acquire", paths=["src/x.txt"]) == (
            False,
            "You hold src/x.txt (exclusive). Nobody else can write there until you release it or end.",
        )
        refused, text = await use(theirs, "lease_acquire", paths=["src/x.txt", "y.txt"])
        assert refused
        for part in ("src/x.txt", one.env["LEASEHOLD_SESSION"], "task a", "at most", "wait_seconds"):
            assert part in text
        _, who = await use(theirs, "lease_who", path="src/x.txt")
        _, own = await use(mine, "lease_who", path="src/x.txt")
        _, running = await use(mine, "who_is_running")
        assert await use(mine, "lease_release", paths="src/x.txt") == (False, "1 lease given back.")
        assert (await use(theirs, "lease_acquire", paths='["src/x.txt"]'))[0] is False

    assert {tool.name for tool in listed.tools} == {
        *("lease_acquire", "lease_release", "lease_who", "task_show", "task_done", "task_block"),
        *("task_handoff", "who_is_running", "recent_commits", "note"),
    }
    assert all(tool.description for tool in listed.tools)
    assert who.startswith(f"src/x.txt is held by session {one.env['LEASEHOLD_SESSION']}, task a, pid ")
    assert own.startswith("src/x.txt is yours (exclusive)")
    assert f"{one.env['LEASEHOLD_SESSION']} (you): Do a (task a), running" in running
    assert "holds b.txt" in running
    assert running.endswith("1 other session at work.")


async def test_a_tool_that_waits_is_answered_when_the_holder_lets_go(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    one, two = begin(site, "a", "b", supervisor={"max_sessions": 2})

    async with one.tools() as mine, two.tools() as theirs, anyio.create_task_group() as group:
        answers = []

        async def wait():
            answers.append(await use(theirs, "lease_acquire", paths=["a.txt"], wait_seconds=50))

        group.start_soon(wait)
        await anyio.to_thread.run_sync(site.wait_for, "lease.waiting")
        assert (await use(theirs, "task_show"))[0] is False  # other tools answer meanwhile
        await use(mine, "lease_release", paths=[])

    assert answers == [
        (False, "You hold a.txt (exclusive). Nobody else can write there until you release it or end.")
    ]


async def test_a_question_that_its_asker_gives_up_is_taken_out_of_the_queue(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    _, two = begin(site, "a", "b", supervisor={"max_sessions": 2})
    supervisor = Supervisor(two.env["LEASEHOLD_SOCKET"], two.env["LEASEHOLD_TOKEN"])

    async with anyio.create_task_group() as group:
        group.start_soon(lambda: supervisor.ask("lease.acquire", 60.0, paths=["a.txt"], wait=50))
        await anyio.to_thread.run_sync(site.wait_for, "lease.waiting")
        group.cancel_scope.cancel()

    site.until(lambda: site.ask("lease", "list")["waiting"] == [])


async def test_a_server_whose_client_goes_away_ends_and_takes_its_question_back(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    _, two = begin(site, "a", "b", supervisor={"max_sessions": 2})
    command = mcp_command()
    assert command is not None
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    asked = {"name": "lease_acquire", "arguments": {"paths": ["a.txt"], "wait_seconds": 50}}
    with subprocess.Popen(  # noqa: ASYNC220  - a test may block its loop
        command, env=two.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        for message in (
            {"id": 1, "method": "initialize", "params": hello},
            {"method": "notifications/initialized"},
            {"id": 2, "method": "tools/call", "params": asked},
        ):
            server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        server.stdin.flush()
        site.wait_for("lease.waiting")

        _, complaints = server.communicate(timeout=LIMIT)

    assert (server.returncode, complaints) == (0, "")
    site.until(lambda: site.ask("lease", "list")["waiting"] == [])


async def test_a_word_that_the_task_is_done_counts_without_a_commit_if_it_gives_a_reason(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    one, two = begin(site, "a", "b", supervisor={"max_sessions": 2})

    async with one.tools() as mine, two.tools() as theirs:
        await use(mine, "task_done", text="a commit of yesterday did it")
        await use(theirs, "task_done")
    one.order("exit 0")
    two.order("exit 0")

    assert ended(site, one)["task_standing"] == "done"
    assert ended(site, one)["outcome"] == "no_change"
    assert ended(site, one)["sentence"].endswith(
        "it said that the task is done: a commit of yesterday did it"
    )
    assert ended(site, two)["task_standing"].startswith("tried again in")


async def test_a_blocked_task_is_held_or_tried_again_and_counts_as_no_failure(site):
    site.task("a", "a.txt")
    site.task("b", "b.txt")
    one, two = begin(site, "a", "b", supervisor={"max_sessions": 2})

    async with one.tools() as mine, two.tools() as theirs:
        await use(mine, "task_block", text="the API key is missing")
        await use(theirs, "task_block", text="the site is down", again_in_seconds=7200)
    one.order("exit 1")
    two.order("exit 0")

    assert (
        ended(site, one)["task_standing"] == "held: it said that the task is blocked: the API key is missing"
    )
    assert ended(site, two)["task_standing"] == "tried again in 2h00m"
    for task in ("a", "b"):
        assert site.ask("task", "show", task)["attempts"] == 0


async def test_a_task_that_is_handed_over_goes_to_its_next_session_with_the_note_at_once(site):
    site.task("a", "a.txt")
    (one,) = begin(site, "a")

    async with one.tools() as mine:
        await use(mine, "note", text="the parser is in two files")
        _, text = await use(mine, "task_handoff", text="the lexer is done\nthe parser is not")
    assert text.startswith("Noted.")
    one.order("commit a.txt")
    site.wait_for("session.said")
    one.order("exit 0")
    assert ended(site, one)["outcome"] == "finished"

    two = Agent(site, "a")  # the pipe has a reader again
    assert "  the lexer is done\n  the parser is not" in two.brief
    assert "the parser is in two files" in two.brief
    async with two.tools() as theirs:
        _, shown = await use(theirs, "task_show")
        _, landed = await use(theirs, "recent_commits", path="a.txt")
        _, none = await use(theirs, "recent_commits", path="src")
    assert "the parser is in two files" in shown
    assert f"by session {one.env['LEASEHOLD_SESSION']}, task a: Do a (a.txt)" in landed
    assert none == "Nothing has landed in src lately."
    two.order("commit a.txt")
    two.order("exit 0")
    assert ended(site, two)["task_standing"] == "done"


async def test_a_session_that_says_it_is_done_and_stays_is_stopped_and_finished(site):
    site.task("a", "a.txt")
    (one,) = begin(site, "a", harness={"resident": "1s"})
    one.order("commit a.txt")
    site.until(lambda: "Do a" in site.git("log", "--format=%s"))
    async with one.tools() as mine:
        await use(mine, "task_done", text="wrote it")

    found = ended(site, one)
    assert (found["outcome"], found["evidence"]["cause"]) == ("finished", "resident")
    assert found["task_standing"] == "done"


async def test_what_a_model_gets_wrong_is_told_and_ends_nothing(site):
    site.task("a", "a.txt")
    (one,) = begin(site, "a")

    async with one.tools() as mine:
        for tool, arguments, part in (
            ("lease_acquire", {"paths": []}, "at least 1"),
            ("lease_acquire", {"paths": ["x"], "wait_seconds": 9999}, "600"),
            ("lease_acquire", {"paths": ["../elsewhere"]}, "../elsewhere"),
            ("lease_acquire", {}, "paths"),
            ("task_block", {"text": " "}, "what is in the way"),
            ("task_handoff", {"text": "x" * 5000}, "4000 at most"),
            ("note", {"text": "\n"}, "something to note"),
            ("recent_commits", {"minutes": -1}, "minutes"),
            ("no_such_tool", {}, "no_such_tool"),
        ):
            refused, text = await use(mine, tool, **arguments)
            assert refused, tool
            assert part in text, text
        assert (await use(mine, "who_is_running"))[0] is False


async def test_a_word_outlives_the_supervisor(site):
    site.task("a", "a.txt")
    (one,) = begin(site, "a")
    assert one.cli("task", "block", "no network", "--again-in", "2h")[0] == 0

    site.running[-1].kill()
    site.running[-1].wait(LIMIT)
    site.start()
    shown = site.ask("session", "show", "a")
    one.order("exit 0")

    assert shown["said"]["text"] == "no network"
    assert ended(site, one)["task_standing"] == "tried again in 2h00m"


async def test_the_verbs_of_a_session_do_the_same_and_tell_operators_that_they_are_none(site):
    site.task("a", "a.txt")
    (one,) = begin(site, "a")

    outside = site.run("task", "done", code=1)
    noted = one.cli("task", "note", "look at the log")
    site.run("task", "note", "from the operator", "--task", "a")
    site.run("task", "note", "whose?", code=2)
    unknown = site.run("task", "note", "x", "--task", "nonsense", code=1)
    done = one.cli("task", "done", "nothing was left to do")
    one.order("exit 0")

    assert "this is no session" in outside.stderr
    assert noted == (0, "noted on a; its next session reads it\n")
    assert 'no task "nonsense"' in unknown.stderr
    assert done[0] == 0
    assert ended(site, one)["task_standing"] == "done"
    assert [note["text"] for note in site.ask("task", "show", "a")["notes"]] == [
        "look at the log",
        "from the operator",
    ]


async def test_a_tool_says_that_the_supervisor_is_away_and_that_its_session_is_over(site, monkeypatch):
    from supervisor.mcp import asking

    site.task("a", "a.txt")
    (one,) = begin(site, "a")
    monkeypatch.setattr(asking, "RESTART", 0.0)
    forged = Supervisor(one.env["LEASEHOLD_SOCKET"], "nobody's")
    with pytest.raises(Exception, match="belongs to no living session"):
        await forged.ask("task.show")
    site.running[-1].kill()
    site.running[-1].wait(LIMIT)

    with pytest.raises(Exception, match="its supervisor is gone"):
        await Supervisor(one.env["LEASEHOLD_SOCKET"], one.env["LEASEHOLD_TOKEN"]).ask("task.show")


async def test_the_server_says_what_it_needs_outside_a_session_and_without_the_extra(site, tmp_path):
    outside = site.run("mcp", code=1)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/mcp.py").write_text("raise ModuleNotFoundError('no mcp', name='mcp')\n")
    path = f"{tmp_path / 'bare'}:{Path(__file__).parents[2]}"
    bare = site.run("mcp", code=1, LEASEHOLD_SOCKET="/none", LEASEHOLD_TOKEN="x", PYTHONPATH=path)  # noqa: S106

    assert "LEASEHOLD_SOCKET and LEASEHOLD_TOKEN not set" in outside.stderr
    assert "pip install 'leasehold[mcp]'" in bare.stderr
    assert "Traceback" not in bare.stderr
