"""The secrets that a session of a harness is given: they are masked wherever its words are shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from supervisor.core.sessions.masking import secrets_in
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.models import HarnessSettings
from supervisor.world.launch.environment import session_base


def secrets_of(harness: HarnessSettings, environ: Mapping[str, str]) -> list[str]:
    """Return what `env_from` names, values of variables that are named like secrets, and passwords in URLs.

    `environ` is the supervisor's environment, which its sessions inherit.
    """
    passed = pass_through(harness.env_from, environ).values
    given = {**session_base(environ), **harness.env}
    passwords = [_password(value) for value in (*passed.values(), *given.values())]
    return [*passed.values(), *secrets_in(given), *filter(None, passwords)]


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty where this account may not read it."""
    try:
        lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(line).partition("=") for line in lines)
    return {name: value for name, _, value in pairs if name}


def _password(value: str) -> str:
    if "://" not in value or "@" not in value:
        return ""
    try:
        return urlsplit(value).password or ""
    except ValueError:
        return ""
