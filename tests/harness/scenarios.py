"""What every agent is put through: the words of the table in docs/reference/harnesses.md, and the names that tests use."""

from __future__ import annotations

SCENARIOS = {
    "edit": "edits files, makes one, and commits",
    "refused": "an edit of a leased file is refused, the model is told why, and works around it",
    "killed": "killed in the middle of a tool, it leaves no process",
    "stopped": "stopped in the middle of a tool, it leaves no process",
    "429": "comes through an answer 429",
    "limited": "nothing but 429: `rate_limited`, and the account rests",
    "401": "an answer 401: `unavailable`, and the account is stopped",
    "gone": "no model server: `unavailable`",
    "hang": "a model that never answers: `stalled`",
    "budget": "over its budget: `timed_out`, and its work is kept",
    "cut": "a stream that is cut is asked for again, or told as no finish",
    "resume": "goes on in the agent's own session",
    "mcp": "its model uses the MCP tools of the session",
}
