"""An agent that talks like Claude Code."""

from __future__ import annotations

TALK = """
import json, os, signal, subprocess, sys, time
sys.stdin.read()

def say(**event):
    print(json.dumps(event), flush=True)

def init():
    say(type="system", subtype="init", session_id="native-1", model="claude-x")

def turn(number=1, text="working", tokens=100, **block):
    content = [{"type": "text", "text": text}, *([block] if block else [])]
    usage = {"input_tokens": tokens, "output_tokens": 10}
    say(type="assistant", message={"id": f"m{number}", "model": "claude-x", "content": content, "usage": usage})

def result(**fields):
    say(type="result", session_id="native-1", num_turns=1, **fields)

def done():
    result(subtype="success", is_error=False, result="all done", total_cost_usd=0.25)

def commit(name="a.txt"):
    path = os.path.join(os.environ["LEASEHOLD_REPO"], name)
    open(path, "a").write("x")
    subprocess.run(["git", "add", path], check=True)
    subprocess.run(["git", "commit", "-qm", "Do it", "--", path], check=True)
"""


CLAUDE = {"parse": "claude"}


KEY = "sk-" + "ant-" + "a1B2" * 8
