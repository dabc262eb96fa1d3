"""Reading the journal itself when no supervisor runs: what happened is known without one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supervisor.cli.connect import client
from supervisor.world.control.client import Unreachable

if TYPE_CHECKING:
    from supervisor.world.journal.reader import Reader


def ask_or_read(ctx: click.Context, method: str, read: Callable[[Reader], Any], /, **params: Any) -> Any:
    """Call a reading method of the supervisor, or without one answer from the journal, and say so.

    Raises:
        Unreachable: no supervisor runs, and there is no journal either.
    """
    try:
        with client(ctx) as supervisor:
            return supervisor.call(method, **params)
    except Unreachable:
        reader = _reader(ctx)
        if reader is None:
            raise
    click.echo(
        "leasehold: no supervisor runs; this is from its journal and its sessions' own records", err=True
    )
    with reader:
        return read(reader)


def _reader(ctx: click.Context) -> Reader | None:
    from supervisor.world.config.discover import DiscoverError, find_config, state_beside
    from supervisor.world.journal.errors import JournalError
    from supervisor.world.journal.journal import Journal

    config = (ctx.find_root().obj or {}).get("config")
    try:
        path = find_config(config, os.environ, Path.cwd())
        return Journal.open_reader(state_beside(path, os.environ))
    except (DiscoverError, JournalError):
        return None
