"""`python -m tests.process.guard_table` tries the write matrix and writes its table into docs/reference/guard.md."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from tests.process.guard_matrix import Outcome, attempt, compile_raw, make_repository, missing
from tests.process.guard_routes import ROUTES, End, Route
from tests.process.refusing_gate import commit_everything

PAGE = Path(__file__).parents[2] / "docs/reference/guard.md"
BEGIN, END = "<!-- routes: make matrix -->", "<!-- end of routes -->"
_LONGEST = 88  # characters of what a program printed
_HEAD = (
    "| route | with the guard | the program printed | without it |",
    "|---|---|---|---|",
)
_GATE = {
    "refused": "changed; its commit refused",
    "landed": "changed; its commit lands",
    "nothing": "changed; nothing to commit",
}


def named_in(page: str) -> dict[str, str]:
    """Return the routes of a page's table, and what comes of each."""
    _, _, rest = page.partition(BEGIN)
    table, _, _ = rest.partition(END)
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name.replace("\\|", "|"): end for name, end, *_ in rows[1:]}


def written(end: End) -> str:
    """Return what stands in the table for an end."""
    return {End.REFUSED: "EBUSY", End.CLOSED: "no such call", End.MISSED: "**missed**"}[end]


def main() -> None:
    """Print the table, and put it into the page; exit with 1 when a route ended otherwise than it should."""
    with tempfile.TemporaryDirectory(prefix="leasehold-matrix-") as name:
        folder = Path(name)
        raw = compile_raw(folder)
        rows, wrong, left_out = [*_HEAD], 0, []
        for number, route in enumerate(ROUTES):
            if lacking := missing(route, raw):
                left_out.append(f"{route.name} ({lacking})")
                continue
            found = attempt(route, make_repository(folder / f"{number}", route.held), raw)
            wrong += found.end is not route.end and route.keep_dumpable
            rows.append(_row(route, found, _without(route, folder / f"{number}-bare", raw), folder))
    table = "\n".join(rows)
    sys.stdout.write(table + "\n")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    if left_out:
        sys.exit(f"the page is left as it is; not tried for want of a program: {', '.join(left_out)}")
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    sys.exit(f"{wrong} of {len(ROUTES)} routes did not end as they should" if wrong else 0)


def _row(route: Route, found: Outcome, without: str, folder: Path) -> str:
    end = found.end if route.keep_dumpable else route.end
    name = route.name.replace("|", "\\|")
    said = _printed(found, folder) if route.keep_dumpable else ""
    return f"| {name} | {written(end)} | {said} | {without} |"


def _printed(found: Outcome, folder: Path) -> str:
    lines = [line for line in found.printed.splitlines() if line.strip()]
    said = next((line for line in lines if re.search(r"busy|EBUSY", line)), lines[-1] if lines else "")
    said = re.sub(rf"{re.escape(str(folder))}/\d+/", "", said)
    said = re.sub(r"/{9,}", "/…/", re.sub(r"^/bin/sh: \d+: ", "sh: ", said))
    said = said if len(said) <= _LONGEST else said[:_LONGEST] + "…"
    said = said.replace("|", "\\|").replace("`", "'").replace("\ufffd", "?")
    return f"`{said}`" if said.strip() else ""


def _without(route: Route, folder: Path, raw: Path | None) -> str:
    if route.swap:
        return ""  # there is no look that it could race with
    root = make_repository(folder, route.held)
    found = attempt(route, root, raw, guard=False)
    if not found.changed:
        return "unchanged"
    if not (root / ".git").exists():
        return "the checkout is gone"
    return _GATE[commit_everything(root, os.fsdecode(route.held))]


if __name__ == "__main__":
    main()
