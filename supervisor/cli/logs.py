"""Reading a session's log: whole, or as it grows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from supervisor.cli.masked import Masked
from supervisor.cli.pretty import Pretty
from supervisor.world.control.client import Client
from workers.session.logfile import read_kept


def print_log(path: str, through: Pretty | Masked | None = None) -> None:
    """Write what was kept of a log to standard output, or what it means; a gap shows as one line."""
    with _told(path):
        for chunk in read_kept(path):
            sys.stdout.buffer.write(chunk if through is None else through.read(chunk))
        if through is not None:
            sys.stdout.buffer.write(through.rest())


def follow_log(path: str, supervisor: Client, session: str, through: Pretty | Masked | None = None) -> None:
    """Write the log as it grows, or what it means, until the session has ended."""
    with _told(path):
        for chunk in _grown(Path(path), supervisor, session):
            sys.stdout.buffer.write(chunk if through is None else through.read(chunk))
            sys.stdout.buffer.flush()
        if through is not None:
            sys.stdout.buffer.write(through.rest())


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Say in one line why a log cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise click.ClickException(
            f"{path}: there is no such log; it was removed, or not begun yet"
        ) from error
    except PermissionError as error:
        raise click.ClickException(
            f"{path}: this account may not read it; ask as {_whose(Path(path))} or as root"
        ) from error


def _whose(path: Path) -> str:
    for folder in path.parents:
        try:
            return folder.owner()
        except (OSError, KeyError):  # out of sight, or of nobody that has a name
            continue
    return "its owner"


def _grown(path: Path, supervisor: Client, session: str) -> Iterator[bytes]:
    from asyncinotify import Inotify, Mask

    with Inotify(sync_timeout=1.0) as inotify, path.open("rb") as log:
        inotify.add_watch(path, Mask.MODIFY)
        while True:
            if chunk := log.read():
                yield chunk
                continue
            # A modified log wakes us at once; the time-out is for the end of the session.
            quiet = inotify.sync_get() is None
            if quiet and supervisor.call("session.show", session=session)["state"] == "ended":
                yield log.read()
                return
