"""The secrets that this command line knows of, to mask them in what it prints of a session's log."""

from __future__ import annotations

import os
from pathlib import Path

import click

from supervisor.cli.connect import client
from supervisor.core.sessions.masking import secrets_in
from supervisor.world.config.discover import DiscoverError, find_config
from supervisor.world.config.load import ConfigError, load
from supervisor.world.config.secrets import environment_of, secrets_of
from supervisor.world.control.client import Refused, Unreachable


def known_secrets(ctx: click.Context) -> list[str]:
    """Return the secrets of one's own environment and of all harnesses of the configuration.

    What the configuration takes from the supervisor's environment is known while that runs, if this account may look there.
    """
    found = secrets_in(os.environ)
    try:
        config = find_config(ctx.find_root().obj.get("config"), os.environ, Path.cwd())
        settings = load(config, os.environ)
    except (DiscoverError, ConfigError):
        return found  # the supervisor runs on an earlier one
    for environ in filter(None, (dict(os.environ), _supervisor(ctx))):
        for harness in settings.harness.values():
            found += secrets_of(harness, environ)
    return found


def _supervisor(ctx: click.Context) -> dict[str, str]:
    try:
        with client(ctx) as supervisor:
            return environment_of(supervisor.call("status")["pid"])
    except (Unreachable, Refused):
        return {}
