"""Where the supervisor is, and a connection to it: the session's own inside one, the operator's elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import click

from supervisor.world.control.client import Client


def client(ctx: click.Context, timeout: float | None = 60.0) -> Client:
    """Return a client for the supervisor that this command line means.

    `timeout` is in seconds and bounds each wait for an answer; `None` waits for ever.

    Raises:
        click.ClickException: no configuration says where a supervisor would be.
    """
    known = ctx.find_root().obj
    known["supervisor"] = found = _client(known.get("config"), timeout)
    return found


def _client(config: str | None, timeout: float | None) -> Client:
    token = os.environ.get("LEASEHOLD_TOKEN")
    socket = os.environ.get("LEASEHOLD_SOCKET")
    if socket and not config:
        return Client(socket, token, timeout)
    from supervisor.world.config.discover import DiscoverError, find_config, socket_beside

    try:
        return Client(socket_beside(find_config(config, os.environ, Path.cwd()), os.environ), token, timeout)
    except DiscoverError as error:
        raise click.ClickException(str(error)) from error


def place() -> dict[str, str]:
    """Return what tells the supervisor which folder relative paths mean."""
    return {"cwd": str(Path.cwd())}
