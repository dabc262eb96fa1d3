"""Facts about the supervisor itself that `status` shows and no decision needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervisor.core.moment import Moment
from supervisor.world.footing import Footing


@dataclass(slots=True)
class Situation:
    """`generation` counts the configurations in force since the start, refused ones not.

    `refused` has the problems for which the last reload kept the earlier configuration. `started_at` is in Unix seconds, `footing` what the host
    was found to offer. `last_signal` says which signal was acknowledged last, when, and
    what came of it. `orphans` are the uncommitted files per repository that belong to no session.
    `strays` says of each session that lives without the journal's knowledge what it is and how it is ended; `unknown` says why of each session whose
    life or death cannot be proven just now. `integrations` has the branches on their way into their targets.
    """

    config: Path
    started_at: float
    footing: Footing
    generation: int = 1
    refused: list[str] = field(default_factory=list)
    last_signal: dict[str, Any] | None = None
    orphans: dict[str, tuple[str, ...]] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)
    schedules: Callable[[Moment], list[dict[str, Any]]] = lambda _now: []
    unknown: Callable[[], dict[str, str]] = dict
    integrations: Callable[[], list[dict[str, Any]]] = list
