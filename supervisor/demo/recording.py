"""A picture of a real run: its most telling instants, and the report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path

from rich.console import Console, RenderableType

from supervisor.demo.lanes import Lanes, News, Tone
from supervisor.demo.screen import Audience, picture

WIDTH = 112  # characters
_WEIGHT = {Tone.PLAIN: 0, Tone.GOOD: 1, Tone.WAIT: 2, Tone.BAD: 4, Tone.GUARD: 4}


class Recording:
    """Keeps, for each run, the picture of the instant with the most to see."""

    def __init__(self) -> None:
        self._pictures: list[RenderableType] = []

    @contextmanager
    def of(self, show: AbstractContextManager[Audience]) -> Iterator[Audience]:
        """Show a run to `show` and to ourselves."""
        with show as audience:
            witness = _Witness(audience)
            yield witness
        if witness.best is not None:
            self._pictures.append(witness.best)

    def save(self, path: Path, report: RenderableType) -> None:
        """Draw the pictures and the report into an SVG file."""
        console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
        for drawn in (*self._pictures, report):
            console.print(drawn)
        path.write_text(console.export_svg(title="leasehold demo"), encoding="utf-8")


class _Witness:
    """Passes everything on, and remembers the fullest instant: many sessions, much news of consequence."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._most = 0
        self.best: RenderableType | None = None

    def show(self, lanes: Lanes, at: float) -> None:
        self._audience.show(lanes, at)
        much = 10 * lanes.busy() + sum(_WEIGHT[news.tone] for news in lanes.news)
        if much > self._most:
            self._most = much
            self.best = picture(deepcopy(lanes), at)

    def tell(self, news: News) -> None:
        self._audience.tell(news)
