"""leasehold mcp."""

from __future__ import annotations

import os

import click


@click.command()
def mcp() -> None:
    """Serve a session's leases and task as MCP tools on standard input and output.

    A harness starts it inside its session. It needs the extra: pip install 'leasehold[mcp]'.
    """
    missing = [name for name in ("LEASEHOLD_SOCKET", "LEASEHOLD_TOKEN") if not os.environ.get(name)]
    if missing:
        raise click.ClickException(
            f"this is no session, {' and '.join(missing)} not set: a harness starts `leasehold mcp` inside a session, "
            "and has to pass it the variables that begin with LEASEHOLD_"
        )
    try:
        from supervisor.mcp.server import build
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise click.ClickException(
            "the MCP server is an extra that is not installed: pip install 'leasehold[mcp]'"
        ) from error
    build(os.environ).run("stdio")
