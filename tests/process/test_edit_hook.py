"""The edit hook of an agent, as the agent's own hook would run it, in a real session."""

from __future__ import annotations

import json
import resource
import shlex
import socket
import subprocess
import sys

import pytest

from supervisor.daemon.equipping import hook_command

pytestmark = pytest.mark.process

# Calls the hook as agents do, and writes down what it answered.
ASKS = f"""
    import json, os, pathlib, subprocess
    root = pathlib.Path(os.environ["LEASEHOLD_REPO"])
    answers = []
    def ask(phase, tool, path, harness="claude"):
        call = {{"tool_name": tool, "tool_input": {{"file_path": path}}, "cwd": str(root)}}
        done = subprocess.run([*{list(hook_command())!r}, harness, phase], input=json.dumps(call), text=True,
                              capture_output=True, cwd="/")
        answers.append([done.returncode, done.stdout, done.stderr])
    ask("start", "", "")
    ask("before", "Edit", str(root / "held.txt"))
    ask("before", "Edit", "held.txt", "plain")
    ask("before", "Edit", "free.txt")
    (root / "free.txt").write_text("edited")
    ask("after", "Edit", "free.txt")
    ask("before", "Edit", "ignored.log")
    ask("before", "Edit", "/etc/hostname")
    ask("before", "Edit", "a\\0b")
    ask("before", "Bash", "held.txt")
    held = subprocess.run(["{{PYTHON}}", "-m", "supervisor.cli.main", "lease", "list", "--json"], text=True,
                          capture_output=True)
    answers.append(json.loads(held.stdout))
    (root / ".leasehold/answers").write_text(json.dumps(answers))
"""


def answers(site):
    site.write(".gitignore", "*.log\n")
    site.git("add", ".gitignore")
    site.git("commit", "-qm", "Ignore logs", "--", ".gitignore")
    site.task("a", expects="nothing")
    site.configure(
        ASKS.replace("{PYTHON}", sys.executable), guard={"mode": "off"}, supervisor={"pool": False}
    )
    site.start()
    site.run("lease", "acquire", "held.txt")
    site.run("launch", "--task", "a")
    site.wait_for("session.ended")
    return json.loads((site.root / ".leasehold/answers").read_text())


def test_an_edit_of_a_file_that_somebody_holds_is_refused_in_words_and_a_free_one_is_leased(site):
    start, held, plain, free, after, ignored, outside, odd, shell, leases = answers(site)

    assert start == free == after == ignored == outside == odd == shell == [0, "", ""]
    told = json.loads(held[1])["hookSpecificOutput"]
    assert held[0] == 0
    assert told["permissionDecision"] == "deny"
    assert told["permissionDecisionReason"].startswith("LEASE DENIED: held.txt: ")
    assert "held.txt is held by operator for" in told["permissionDecisionReason"]
    assert "`leasehold lease acquire held.txt --wait" in told["permissionDecisionReason"]
    assert plain[0] == 1
    assert plain[2].startswith("LEASE DENIED: held.txt")
    taken = {lease["scope"] for lease in leases["leases"] if lease["holder"] != "operator"}
    assert taken == {"free.txt"}
    assert site.events("session.hooked")[0]["data"] == {"harness": "agent", "phase": "start"}
    assert site.events("session.edited")[0]["data"]["paths"] == ["free.txt"]


FENCED = f"""
    import json, os, pathlib, subprocess
    own, site = pathlib.Path.cwd(), pathlib.Path("{{SITE}}")
    answers = []
    for path in ("new.txt", own / "new.txt", site / "README.md", site / "x.log", site / ".git/config", "/etc/hostname",
                 own.parent / "deadbeef/x.txt", "../x"):
        call = {{"tool_name": "Edit", "tool_input": {{"file_path": str(path)}}, "cwd": str(own)}}
        done = subprocess.run([*{list(hook_command())!r}, "plain", "before"], input=json.dumps(call), text=True,
                              capture_output=True)
        answers.append([done.returncode, done.stderr])
    (site / ".leasehold/answers").write_text(json.dumps([str(own), answers]))
"""


def test_an_edit_outside_its_own_work_tree_is_refused_in_words_with_where_to_make_it(site):
    site.write(".gitignore", "*.log\n")
    site.git("add", ".gitignore")
    site.git("commit", "-qm", "Ignore logs", "--", ".gitignore")
    site.task("a", expects="nothing")
    site.configure(
        FENCED.replace("{SITE}", str(site.root)), repo={"isolation": "worktree"}, guard={"mode": "off"}
    )
    site.start()
    site.wait_for("session.ended")
    own, answers = json.loads((site.root / ".leasehold/answers").read_text())

    passed = [0, ""]
    root = site.root
    checkout = (
        f"{root}/README.md is in the checkout, which changes by integration only; your work tree is {own}"
    )
    assert answers[:2] == [passed] * 2
    assert answers[2] == [1, f"LEASE DENIED: {checkout}: edit {own}/README.md"]
    assert answers[3:6] == [passed] * 3
    assert all(
        code == 1 and f"work tree of another session; yours is {own}" in why for code, why in answers[6:]
    )


def test_the_hook_lets_an_edit_pass_when_nobody_can_be_asked(tmp_path):
    call = json.dumps({"tool_name": "Edit", "tool_input": {"file_path": "/x"}, "cwd": "/"})
    env = {"LEASEHOLD_SOCKET": str(tmp_path / "none"), "LEASEHOLD_TOKEN": "t"}

    done = subprocess.run(
        [*hook_command(), "claude", "before"], input=call, env=env, text=True, capture_output=True
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert "was not asked" in done.stderr


@pytest.mark.parametrize(
    "call",
    [
        {"tool_name": "Edit", "tool_input": {"file_path": "/x\ud800"}},
        {"tool_name": "Edit", "tool_input": {"file_path": "/x"}, "cwd": "/\ud800"},
        {"tool_name": "Edit", "tool_input": {"file_path": "x"}},  # in a folder that is gone
        {"tool_name": "Edit", "tool_input": {"file_path": "a\0b"}},
    ],
)
def test_the_hook_lets_an_odd_call_pass_in_one_line(tmp_path, call):
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd {gone}; rmdir {gone}; exec "$@"'
    env = {"LEASEHOLD_SOCKET": str(tmp_path / "none"), "LEASEHOLD_TOKEN": "t", "PATH": "/usr/bin:/bin"}

    done = subprocess.run(
        ["sh", "-c", script, "sh", *hook_command(), "plain", "before"],
        input=json.dumps(call), env=env, text=True, capture_output=True,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ({"error": {"code": -32603, "message": "a fault of the supervisor"}}, (0, "leasehold: a fault of the supervisor\n")),
        ({"error": {"code": -32000, "message": "held"}}, (1, "LEASE DENIED: held")),
    ],
)  # fmt: skip
def test_a_fault_of_the_supervisor_is_no_refusal(tmp_path, reply, told):
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        hook = subprocess.Popen(
            [*hook_command(), "plain", "before"],
            env={"LEASEHOLD_SOCKET": str(path), "LEASEHOLD_TOKEN": "t"},
            text=True,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert hook.stdin is not None
        assert hook.stderr is not None
        hook.stdin.write(json.dumps({"tool_name": "Edit", "tool_input": {"file_path": "/x"}}))
        hook.stdin.close()
        connection, _ = server.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(json.dumps(reply).encode() + b"\n")
        said = hook.stderr.read()
        hook.stderr.close()

    assert (hook.wait(60), said) == told


def test_the_hook_costs_little_more_than_python_itself():
    def spent(command):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, input="{}", text=True, capture_output=True, check=True, env={})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    hook = [*hook_command(), "claude", "start"]
    pairs = [(spent(bare), spent(hook)) for _ in range(20)]

    assert min(mine for _, mine in pairs) <= 1.5 * min(floor for floor, _ in pairs), shlex.join(hook)
