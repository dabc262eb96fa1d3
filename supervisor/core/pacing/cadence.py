"""Due times: by cron in a time zone, or at intervals that do not drift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ScheduleError(ValueError):
    """A cron expression or an interval means nothing."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields read in `zone`, with Debian's rules for changes of the clock.

    A time that is skipped in spring comes right after the gap; one that happens twice in autumn
    counts once. Expressions with a star for the hour or the minute follow elapsed time instead.

    Raises:
        ScheduleError: the expression is not valid, or never due.
    """

    expression: str
    zone: tzinfo

    def __post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise ScheduleError(
                f'cron "{self.expression}": it takes five fields, for instance "30 7 * * mon-fri"'
            )
        try:
            next(CronSim(self.expression, EPOCH))
        except CronSimError as error:
            raise ScheduleError(
                f'cron "{self.expression}": {error}; write for instance "30 7 * * mon-fri"'
            ) from None
        except StopIteration:
            raise ScheduleError(f'cron "{self.expression}" is never due') from None


@dataclass(frozen=True, slots=True)
class Every:
    """Each whole multiple of `seconds` (at least 1) after the epoch: it does not drift, nor move at a restart.

    Raises:
        ScheduleError: the interval is shorter than a second.
    """

    seconds: float

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ScheduleError(f"every {self.seconds} s: at least 1 s")


def due_times(cadence: Cron | Every, after: datetime) -> Iterator[datetime]:
    """Yield the due times later than `after` (aware), in UTC, each later than the one before.

    Raises:
        ScheduleError: a cron expression has no due time in the next decades.
    """
    after = after.astimezone(UTC)
    match cadence:
        case Every(seconds):
            step = timedelta(seconds=seconds)
            number = (after - EPOCH) // step
            while True:
                number += 1
                yield EPOCH + step * number
        case Cron(expression, zone):
            last = after
            for local in CronSim(expression, after.astimezone(zone)):
                due_at = local.astimezone(UTC)
                if due_at > last:  # not where the clock of the zone was set back over it
                    yield due_at
                    last = due_at
            raise ScheduleError(f'cron "{expression}" is never due after {after}')
