"""How a harness starts the MCP server of its session."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def mcp_command() -> tuple[str, ...] | None:
    """Return the command line; `None` where the extra is not installed.

    The folder that it is started in is kept off the import path: it is a repository that may have a `supervisor` of its own.
    """
    if find_spec("mcp") is None:
        return None
    return (sys.executable, "-P", "-m", "supervisor.cli.main", "mcp")
