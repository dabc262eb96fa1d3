"""Small programs that a session's agent gets, in its language or in the shell's: plugins that ask the edit hook, and a `git`."""

from __future__ import annotations

import json
from collections.abc import Sequence

_ASK = """\
// Leasehold: asks whether a file may be edited before the agent edits it. Made for one session.
import { spawnSync } from "node:child_process"
import { writeSync } from "node:fs"

const command = COMMAND
const ask = (phase, tool, input, cwd) => {
  const said = spawnSync(command[0], [...command.slice(1), "plain", phase], {
    input: JSON.stringify({ tool_name: tool, tool_input: input, cwd }),
    encoding: "utf8",
    timeout: 30000,
  })
  return said.status === 0 ? "" : (said.stderr || "").trim() || "the edit hook failed"
}
"""
_OPENCODE = (
    _ASK
    + """\
const edits = ["edit", "write", "patch", "apply_patch", "multiedit"]

export const Leasehold = async ({ directory }) => {
  ask("start", "", {}, directory)
  return {
    event: async ({ event }) => {
      const status = event.type === "session.status" ? event.properties.status : {}
      if (status.type === "retry") writeSync(1, JSON.stringify({ ...status, type: "leasehold.retry" }) + "\\n")
    },
    "tool.execute.before": async (input, output) => {
      if (!edits.includes(input.tool)) return
      const refused = ask("before", input.tool, output.args, directory)
      if (refused) throw new Error(refused)
    },
    "tool.execute.after": async (input) => {
      if (edits.includes(input.tool)) ask("after", input.tool, input.args || {}, directory)
    },
  }
}
"""
)
_PI = (
    _ASK
    + """\
const edits = ["edit", "write"]

export default function (pi) {
  pi.on("session_start", async (_event, ctx) => { ask("start", "", {}, ctx?.cwd || process.cwd()) })
  pi.on("tool_call", async (event, ctx) => {
    if (!edits.includes(event.toolName)) return
    const refused = ask("before", event.toolName, event.input, ctx?.cwd || process.cwd())
    if (refused) return { block: true, reason: refused }
  })
  pi.on("tool_result", async (event, ctx) => {
    if (edits.includes(event.toolName)) ask("after", event.toolName, event.input || {}, ctx?.cwd || process.cwd())
  })
}
"""
)

# As gemini's own shell tool would have it, git reads no hooks and knows no committer.
GIT_WITH_HOOKS = b"""\
#!/bin/sh
# git, with its hooks and the account's configuration, which the agent's shell tool takes away: the commits of a
# session are gated and marked by hooks. Its other settings (no editor, no pager) stay.
i=0
while [ "$i" -lt "${GIT_CONFIG_COUNT:-0}" ]; do
  eval "key=\\$GIT_CONFIG_KEY_$i value=\\$GIT_CONFIG_VALUE_$i"
  if [ "$key" = core.hooksPath ] && [ -z "$value" ]; then
    eval "export GIT_CONFIG_KEY_$i=leasehold.unused"
  fi
  i=$((i + 1))
done
[ "$GIT_CONFIG_GLOBAL" != /dev/null ] || unset GIT_CONFIG_GLOBAL
[ "$GIT_CONFIG_SYSTEM" != /dev/null ] || unset GIT_CONFIG_SYSTEM GIT_CONFIG_NOSYSTEM
here=${0%/*}
rest=:$PATH:
case $rest in
  *:"$here":*)
    PATH=${rest%%:"$here":*}:${rest#*:"$here":}
    PATH=${PATH#:}
    PATH=${PATH%:}
    export PATH
    ;;
esac
exec git "$@"
"""


def opencode_plugin(hook: Sequence[str]) -> bytes:
    """Return the plugin for opencode, which throws where an edit is refused."""
    return _OPENCODE.replace("COMMAND", json.dumps(list(hook)), 1).encode()


def pi_extension(hook: Sequence[str]) -> bytes:
    """Return the extension for pi, which blocks a call that is refused."""
    return _PI.replace("COMMAND", json.dumps(list(hook)), 1).encode()
