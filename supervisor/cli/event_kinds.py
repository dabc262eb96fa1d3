"""The kinds of events, so that one which is misspelt is named instead of never coming."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

KINDS = (
    "clock.stepped",
    "commit.allowed",
    "commit.refused",
    "disk.freed",
    "disk.low",
    "git.unlocked",
    "harness.resting",
    "harness.resumed",
    "harness.stopped",
    "intensity.canary_failed",
    "intensity.paused",
    "intensity.resumed",
    "lane.canary_failed",
    "lane.held",
    "lane.paused",
    "lane.resumed",
    "lease.expired",
    "lease.granted",
    "lease.refused",
    "lease.released",
    "lease.wait_timed_out",
    "lease.waiting",
    "quota.used_up",
    "read.stale",
    "schedule.empty",
    "schedule.fired",
    "schedule.queued",
    "schedule.skipped",
    "session.adopted",
    "session.edited",
    "session.ended",
    "session.exited",
    "session.extended",
    "session.graded",
    "session.hooked",
    "session.integrated",
    "session.integrating",
    "session.integration_waits",
    "session.intended",
    "session.level",
    "session.model",
    "session.no_report",
    "session.paused",
    "session.preempt_after_turn",
    "session.resumed",
    "session.running",
    "session.said",
    "session.salvaged",
    "session.settling",
    "session.stopping",
    "session.stray",
    "session.stray_ended",
    "session.unhooked",
    "session.unintegrated",
    "session.unkillable",
    "session.unsalvaged",
    "session.usage",
    "session.wish",
    "source.changed",
    "source.problem",
    "supervisor.admission",
    "supervisor.reload_refused",
    "supervisor.reloaded",
    "supervisor.reprioritized",
    "supervisor.signal",
    "supervisor.started",
    "supervisor.stopping",
    "task.added",
    "task.cancelled",
    "task.held",
    "task.noted",
    "task.parked",
    "task.priority",
    "task.released",
    "task.retried",
    "worker.stood_still",
    "worktree.orphans",
    "worktree.salvaged",
    "write.refused",
)
_GROUPS = tuple(dict.fromkeys(kind.partition(".")[0] for kind in KINDS))


class KindType(click.ParamType[tuple[str, ...]]):
    """A kind of event such as session.ended, or a group of them such as session; the value has all that are meant."""

    name = "kind"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the kinds, or fail with those that are near."""
        if isinstance(value, tuple):
            return value
        if value in KINDS:
            return (value,)
        if value.rstrip(".*") in _GROUPS:
            return tuple(kind for kind in KINDS if kind.startswith(f"{value.rstrip('.*')}."))
        from difflib import get_close_matches

        near = get_close_matches(value, (*KINDS, *_GROUPS), 3, 0.6)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are those of {', '.join(_GROUPS)}"
        return self.fail(f'there is no event "{value}"; {hint}', param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002  - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the kinds that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(kind) for kind in (*_GROUPS, *KINDS) if kind.startswith(incomplete)]
