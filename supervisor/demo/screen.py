"""The show: lanes and news as they happen on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from supervisor.demo.lanes import NEWS, Lanes, News, Tone

_STYLE = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WAIT: "yellow",
    Tone.BAD: "bold red",
    Tone.GUARD: "bold cyan",
}


class Audience(Protocol):
    """Whoever is shown a run."""

    def show(self, lanes: Lanes, at: float) -> None:
        """Show how things stand `at` seconds into the run."""

    def tell(self, news: News) -> None:
        """Tell one piece of news."""


class Nobody:
    """Nobody looks: only the figures are wanted."""

    def show(self, lanes: Lanes, at: float) -> None:
        """Show nothing."""

    def tell(self, news: News) -> None:
        """Tell nothing."""


class Lines:
    """Not a terminal: a line for each piece of news, and for the beginning of each run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._title = ""

    def show(self, lanes: Lanes, at: float) -> None:  # noqa: ARG002  - the audience's signature
        """Print the title once."""
        if lanes.title != self._title:
            self._title = lanes.title
            self._console.print(Text(f"\n{lanes.title}"))

    def tell(self, news: News) -> None:
        """Print the news."""
        line = f"{news.at:5.1f}s  {news.session:<8}  {news.task:<18}  {news.text}"
        self._console.print(Text(line, _STYLE[news.tone]), soft_wrap=True)


class Stage:
    """A terminal: lanes that change in place."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=False)

    @contextmanager
    def open(self) -> Iterator[Stage]:
        """Show one run; its last picture stays on the screen."""
        with self._live:
            yield self

    def show(self, lanes: Lanes, at: float) -> None:
        """Draw the lanes anew."""
        self._live.update(picture(lanes, at), refresh=True)

    def tell(self, news: News) -> None:
        """News is in the picture."""


def picture(lanes: Lanes, at: float) -> RenderableType:
    """Return the lanes, the news and the counts of one instant."""
    grid = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    grid.add_column("", width=8, no_wrap=True)
    grid.add_column("task", width=18, no_wrap=True)
    grid.add_column("for", width=5, justify="right")
    grid.add_column("now", ratio=1, no_wrap=True, overflow="ellipsis")
    crowd = lanes.crowd()
    for lane in lanes.lanes:
        if lane is None:
            grid.add_row(Text("-", "dim"), Text("free slot", "dim"), "", "")
            continue
        same = sum(other is not None and other.task == lane.task for other in lanes.lanes)
        task = Text(lane.task, "bold red" if crowd > 1 and same > 1 else "bold")
        grid.add_row(lane.session, task, f"{at - lane.since:.0f}s", Text(lane.text, _STYLE[lane.tone]))
    news = Table.grid(padding=(0, 2), expand=True)
    news.add_column(width=6, no_wrap=True, justify="right")
    news.add_column(width=8, no_wrap=True)
    news.add_column(width=14, no_wrap=True)
    news.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for item in lanes.news:
        news.add_row(f"{item.at:.1f}s", item.session, item.task, Text(item.text, _STYLE[item.tone]))
    for _ in range(NEWS - len(lanes.news)):
        news.add_row("", "", "", "")
    counts = "   ".join(f"{name} {count}" for name, count in lanes.counts.items())
    return Panel(
        Group(grid, news),
        title=f"{lanes.title}  {at:.1f}s",
        title_align="left",
        subtitle=counts,
        subtitle_align="right",
        border_style="red" if "advisory" in lanes.title else "green",
    )
