"""The server on standard input and output, made with the official SDK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp_types import ToolAnnotations

from supervisor import __version__
from supervisor.mcp.asking import Supervisor
from supervisor.mcp.tools import Tools

_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

_INSTRUCTIONS = (
    "Leasehold runs several coding agents on this repository at once. A file is leased to one session at a time: call "
    "lease_acquire before you change a file that your task does not name, and take other work while somebody else holds "
    "it. Commit only what you hold. Before you end, say how it went with task_done, task_block or task_handoff."
)


def build(environ: Mapping[str, str]) -> MCPServer[Any]:
    """Return the server of the session that `environ` belongs to.

    Raises:
        KeyError: it names no session.
    """
    supervisor = Supervisor(environ["LEASEHOLD_SOCKET"], environ["LEASEHOLD_TOKEN"])
    repo = environ.get("LEASEHOLD_REPO")
    tools = Tools(
        supervisor,
        environ.get("LEASEHOLD_SESSION", ""),
        Path(repo) if repo else None,
        environ.get("LEASEHOLD_TARGET", ""),
    )
    server = MCPServer[Any](
        "leasehold", version=__version__, instructions=_INSTRUCTIONS, log_level="WARNING", subscriptions=False
    )
    for reading in (tools.lease_who, tools.task_show, tools.who_is_running, tools.recent_commits):
        server.tool(annotations=_READS, structured_output=False)(reading)
    for changing in (
        tools.lease_acquire,
        tools.lease_release,
        tools.task_done,
        tools.task_block,
        tools.task_handoff,
        tools.note,
    ):
        server.tool(annotations=_CHANGES, structured_output=False)(changing)
    return server
