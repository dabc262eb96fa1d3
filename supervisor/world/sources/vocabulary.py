"""The keys and words that task files use: ours, those of existing task folders, and near misses."""

from __future__ import annotations

from functools import lru_cache

from supervisor.core.tasks.task import Stage, Tier

STAGES = {
    Stage.OPEN: ("open", "backlog", "todo", "new", "ready", "next", "pending", "not_started"),
    Stage.ACTIVE: ("active", "in_progress", "doing", "started"),
    Stage.WAITING: (
        "waiting", "paused", "blocked", "someday", "ready_for_review", "in_review", "review", "draft",
        "on_hold", "hold", "deferred", "postponed",
    ),
    Stage.CLOSED: (
        "closed", "done", "cancelled", "canceled", "completed", "complete", "finished", "resolved",
        "merged", "abandoned", "expired", "archived", "wontfix", "duplicate",
    ),
}  # fmt: skip
STAGE_OF = {word: stage for stage, words in STAGES.items() for word in words}

PRIORITY_OF = {
    "urgent": 40, "critical": 40, "p0": 40,
    "high": 30, "p1": 30,
    "medium": 20, "normal": 20, "p2": 20,
    "low": 10, "p3": 10,
    "none": 0, "p4": 0,
}  # fmt: skip

TIER_OF = {
    "1": Tier.UNDER_WAY, "under_way": Tier.UNDER_WAY, "active": Tier.UNDER_WAY,
    "2": Tier.BACKLOG, "backlog": Tier.BACKLOG,
    "3": Tier.STANDING, "standing": Tier.STANDING, "self_improvement": Tier.STANDING,
}  # fmt: skip

# Other names for keys. Where several are given, the key itself counts, then the first of these.
ALIAS_OF = {
    "id": "key",
    "number": "key",
    "status": "state",
    "description": "body",
    "category": "lane",
    "scope": "paths",
    "url": "origin",
    "created_at": "created",
    "createdat": "created",
}

# Every one of these names tasks that must be done before, so all of them are added together.
REQUIRES = ("requires", "depends", "depends_on", "blocked_by")

KEYS = frozenset(
    {
        "key", "title", "body", "state", "priority", "tags", "lane", "tier", "paths", "shared_paths",
        "resources", "budget", "harness", "model", "expects", "commit", "created", "repo", "origin",
        "wait", "waiting_for", *REQUIRES,
    }
)  # fmt: skip

# Words of other tools which are close to one of ours and mean something else.
_FOREIGN = frozenset({"created_by", "mode", "source", "sources", "updated", "blocks", "depended_on"})


def normal(word: str) -> str:
    """Return `word` as the tables here spell it: lower case, with underscores."""
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def near(key: str) -> str | None:
    """Return the known key that `key`, which is not known, was probably meant to be."""
    # An unbounded key would be compared, and kept, at its whole length.
    return _near(normal(key)) if len(key) <= 40 else None


@lru_cache(maxsize=1024)
def _near(word: str) -> str | None:
    """Return the known key that `word` is near to; the same keys of other tools come in every file."""
    if len(word) < 3 or word in _FOREIGN:
        return None
    known = sorted(KEYS | ALIAS_OF.keys())
    distance, best = min((_distance(word, other), other) for other in known)
    return best if distance <= (1 if len(word) <= 6 else 2) else None


def _distance(left: str, right: str) -> int:
    """Return the edit distance, a swap of two neighbouring letters counting once."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(right, 1):
            step = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                step = min(step, last[j - 2] + 1)
            row.append(step)
    return row[-1]
