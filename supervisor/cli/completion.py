"""leasehold completion."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the shell completion script.

    For instance: leasehold completion bash > ~/.local/share/bash-completion/completions/leasehold
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  - click has these three
    click.echo(kind(ctx.find_root().command, {}, "leasehold", "_LEASEHOLD_COMPLETE").source())
