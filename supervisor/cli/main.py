"""The `leasehold` command: a group whose verbs are imported only when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from supervisor import __version__

# verb -> (module, attribute, one line for the list). The line is repeated here so that the list of
# verbs needs no imports; a test compares it with the verb's own help.
VERBS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "demo", "Watch four racing sessions, advisory and then under Leasehold."),
    "init": ("init", "init", "Write a commented configuration for a repository."),
    "check": ("check", "check", "Validate the configuration."),
    "doctor": ("doctor", "doctor", "Say what this host can enforce, and what it cannot."),
    "run": ("run", "run", "Run the supervisor in the foreground."),
    "status": ("status", "status", "Show the supervisor, its slots, backlog and collision account."),
    "ps": ("ps", "ps", "List the living sessions."),
    "events": ("events", "events", "Show what happened, or follow what happens."),
    "report": (
        "report",
        "report",
        "Show outcomes and grades by harness, model, tier, repository, lane and schedule, and the collision account.",
    ),
    "task": ("task", "task", "Add, list, show and steer tasks."),
    "next": ("next", "next_", "Show what would run next, and why others would not."),
    "explain": ("explain", "explain", "Say why a task would or would not run now."),
    "session": ("session", "session", "List, show, stop, kill, extend and pause sessions."),
    "lease": ("lease", "lease", "List, find, acquire and release leases."),
    "mcp": ("mcp", "mcp", "Serve a session's leases and task as MCP tools on standard input and output."),
    "salvage": (
        "salvage",
        "salvage",
        "List, show, apply and drop the uncommitted work kept from ended sessions.",
    ),
    "integrate": (
        "integrate",
        "integrate",
        "Bring the commits on a session's branch into their target.",
    ),
    "launch": ("launch", "launch", "Start one session now."),
    "pause": ("pause", "pause", "Start nothing new until `resume`."),
    "resume": ("pause", "resume", "End a pause or a drain, or the rest of a harness."),
    "drain": ("drain", "drain", "Let what runs finish and start nothing new."),
    "reload": ("reload", "reload", "Read configuration and task sources again."),
    "reprioritize": ("reload", "reprioritize", "Re-rank now, and preempt by policy."),
    "systemd": ("systemd", "systemd", "Install or uninstall the systemd units."),
    "completion": ("completion", "completion", "Print the shell completion script."),
}

GROUPS = ("session", "task", "lease", "salvage", "systemd")  # verbs that have verbs of their own


class Verbs(click.Group):
    """A group that knows its verbs by name and imports one when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  - click's signature
        """Return the verbs in the order in which a newcomer meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one verb."""
        if cmd_name not in VERBS:
            return None
        module, attribute, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"supervisor.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, _, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Offer the nearest verb for one that does not exist."""
        name = args[0]
        if name not in VERBS:
            from difflib import get_close_matches

            near = [f"{verb} {name}" for verb in GROUPS if self._has(ctx, verb, name)]
            near = near or get_close_matches(name, VERBS, 1)
            meant = f"; did you mean {' or '.join(map(_quoted, near))}?" if near else ""
            ctx.fail(f'no verb "{name}"{meant} (`leasehold --help` lists them)')
        return super().resolve_command(ctx, args)

    def _has(self, ctx: click.Context, verb: str, name: str) -> bool:
        group = self.get_command(ctx, verb)
        return isinstance(group, click.Group) and name in group.commands


def _quoted(text: str) -> str:
    return f'"{text}"'


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="leasehold")
@click.option(
    "-c",
    "--config",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Configuration file. Without it: $LEASEHOLD_CONFIG, the nearest .leasehold/config.toml "
    "upwards from here, ~/.config/leasehold/config.toml, /etc/leasehold/config.toml.",
)
@click.pass_context
def leasehold(ctx: click.Context, config: str | None) -> None:
    """Run many coding-agent sessions on the same repositories without races.

    Begin with `leasehold demo`, then `leasehold init` in a repository of yours.
    Exit codes: 0 done, 1 refused or failed (the reason is on stderr), 2 usage, 3 supervisor not
    reachable, 75 try later.
    """
    ctx.ensure_object(dict)["config"] = config


def main(argv: list[str] | None = None) -> Any:
    """Run the command line; end the process with the exit code of the contract."""
    from supervisor.world.control.client import Refused, Unreachable

    known: dict[str, Any] = {}
    try:
        leasehold.main(args=argv, prog_name="leasehold", standalone_mode=False, obj=known)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        sys.exit(130)
    except Refused as error:
        _say_refusal(error)
        sys.exit(75 if error.code == -32002 else 1)
    except Unreachable as error:
        click.echo(f"leasehold: {error}; {_way_out(error)}", err=True)
        sys.exit(3)
    except KeyError as error:
        if "supervisor" not in known:
            raise
        _say_other_version(known["supervisor"], error)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _way_out(error: Any) -> str:
    """Return what to do; where units are installed for the socket, it is theirs to start the supervisor."""
    import os

    from supervisor.world.control.client import Unreachable
    from supervisor.world.systemd.install.look import start_of

    if error.way_out != Unreachable.way_out:
        return str(error.way_out)
    command = start_of(error.path, os.environ)
    return f"`{command}` starts it" if command else str(error.way_out)


def _say_other_version(supervisor: Any, error: KeyError) -> None:
    """Name what an answer lacked: a supervisor that started before an upgrade answers as it was then."""
    from supervisor.world.control.client import Refused, Unreachable

    try:
        running = supervisor.call("status")["version"]
    except (Refused, Unreachable, KeyError):
        running = "another version"
    click.echo(
        f"leasehold: the answer of the supervisor ({running}) has no {error}, which this command ({__version__}) shows: "
        "it started before an upgrade; restart it (sessions go on)",
        err=True,
    )


def _say_refusal(error: Any) -> None:
    click.echo(f"leasehold: {error.message}", err=True)
    if isinstance(error.data, dict):
        for line in error.data.get("lines") or ():
            click.echo(f"  {line}", err=True)


if __name__ == "__main__":
    main()
