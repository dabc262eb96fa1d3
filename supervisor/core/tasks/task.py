"""A task as its source defines it, and what the supervisor knows of it besides."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Tier(enum.IntEnum):
    """Rungs of the selection cascade; a lower number is looked at first."""

    UNDER_WAY = 1
    BACKLOG = 2
    STANDING = 3


class Stage(enum.Enum):
    """What the source says of the task, in its own words mapped to four."""

    OPEN = "open"
    ACTIVE = "active"  # begun before, by a human or another session: tier 1
    WAITING = "waiting"  # the source says that it cannot run yet
    CLOSED = "closed"  # done or cancelled at the source


class Expects(enum.Enum):
    """What a session must leave behind for the task to count as done."""

    COMMIT = "commit"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work to be given to one session, as read from a source; never changed in place.

    `key` is the stable name of the work: the same key from two sources is one task. `paths` and
    `resources` are scopes as the author wrote them (`repo`-relative). `created` is Unix time in
    seconds and orders tasks of equal priority, oldest first. `budget` is in seconds, `None` for the
    harness's own. A higher `priority` runs first.
    """

    key: str
    title: str
    source: str
    repo: str = ""
    body: str = ""
    stage: Stage = Stage.OPEN
    tier: Tier = Tier.BACKLOG
    priority: int = 0
    created: float = 0.0
    lane: str = ""
    tags: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    shared_paths: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    budget: float | None = None
    harness: str | None = None
    model: str | None = None
    expects: Expects = Expects.COMMIT
    origin: str = ""  # where a human finds it: a file name, a queue id, a URL


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a source that could not be used: where, what is wrong, and the way out."""

    source: str
    where: str
    what: str
    fix: str = ""

    def sentence(self) -> str:
        """Return the one line that a user reads."""
        return f"{self.where}: {self.what}" + (f"; {self.fix}" if self.fix else "")


@dataclass(frozen=True, slots=True)
class Reading:
    """The outcome of reading one source once: its tasks, and the entries refused by name.

    A source is `unread` when nothing can be said about it, so that its last tasks hold.
    """

    source: str
    tasks: tuple[Task, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    unread: bool = False
