"""A bar chart as SVG, drawn by hand: lease pairs a second beside peers, with the spread of the rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.report import Spread

_WIDTH, _BAR, _GAP, _LEFT, _RIGHT, _HEAD = 760, 18, 6, 150, 190, 34
_COLOURS = {
    "leasehold": "#2563eb",
    "daemon": "#60a5fa",
    "redis": "#94a3b8",
    "postgres": "#94a3b8",
    "floor": "#d4d4d8",
}


def plot(results: dict[str, Any], path: Path) -> Path:
    """Draw the cells of `pairs` that matter to a reader, and return where.

    Raises:
        KeyError: `results` has no pairs.
    """
    cells = [cell for cell in results["pairs"]["cells"] if cell["connections"] == 64]
    parts: list[str] = []
    top = 10
    for cell in cells:
        top = _group(parts, cell, top)
    note = f"{results['versions']['processor']}, kernel {results['versions']['kernel']}, {results['versions']['python']}"
    parts.append(
        f'<text x="10" y="{top + 14}" class="note">{escape(note)}; bars: median, lines: least to most</text>'
    )
    style = (
        "text{font:13px system-ui,sans-serif;fill:#334155}.head{font-weight:600}"
        ".note{font-size:11px;fill:#64748b}@media(prefers-color-scheme:dark){text{fill:#e2e8f0}.note{fill:#94a3b8}}"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 26}" role="img">'
        f"<title>Lease pairs per second</title><style>{style}</style>{''.join(parts)}</svg>\n"
    )
    return path


def _group(parts: list[str], cell: dict[str, Any], top: int) -> int:
    servers = [name for name in cell["rounds"][0]["servers"] if name != "floor"]
    spreads = {
        name: Spread.of([measured["servers"][name]["per_second"] for measured in cell["rounds"]])
        for name in servers
    }
    most = max(spread.most for spread in spreads.values()) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / most
    parts.append(f'<text x="10" y="{top + 16}" class="head">{escape(cell["cell"])}: pairs a second</text>')
    top += _HEAD - 8
    for name, spread in sorted(spreads.items(), key=lambda item: -item[1].median):
        middle = top + _BAR / 2
        length = spread.median * scale
        parts.append(
            f'<text x="{_LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{_COLOURS[name]}"/>'
            f'<path d="M{_LEFT + spread.least * scale:.1f} {middle:.1f}H{_LEFT + spread.most * scale:.1f}"'
            f' stroke="#0f172a" stroke-width="1.5"/>'
            f'<text x="{_LEFT + max(length, spread.most * scale) + 8:.1f}" y="{middle + 4:.1f}">{spread.median:,.0f}</text>'
        )
        top += _BAR + _GAP
    return top + 10
