"""The tables of docs/reference/harnesses.md that the rigs know: which agent does which scenario, and what its model hears."""

from __future__ import annotations

from tests.harness.rigs import RIGS, Rig
from tests.harness.scenarios import SCENARIOS

BEGIN, END = "<!-- {name}: python tests/unit/test_docs.py -->", "<!-- end of {name} -->"


def filled(page: str) -> str:
    """Return the page with its tables as they have to be."""
    for name, table in (("scenarios", _scenarios()), ("refusals", _refusals())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"
    return page


def _scenarios() -> str:
    reasons: list[str] = []
    rows = [
        f"| {words} | {' | '.join(_cell(rig, name, reasons) for rig in RIGS.values())} |"
        for name, words in SCENARIOS.items()
    ]
    head = f"| | {' | '.join(RIGS)} |\n|---|{'---|' * len(RIGS)}"
    notes = [f"{number}. {reason}." for number, reason in enumerate(reasons, 1)]
    return "\n".join(["", head, *rows, "", *notes, ""])


def _cell(rig: Rig, scenario: str, reasons: list[str]) -> str:
    if (why := rig.cannot.get(scenario)) is None:
        return "not proved" if scenario in rig.unproved else "yes"
    reason = f"{rig.name}: {why}"
    if reason not in reasons:
        reasons.append(reason)
    return f"no ({reasons.index(reason) + 1})"


def _refusals() -> str:
    rows = [
        f"| {rig.name} | `{rig.refusal}` |"
        for rig in RIGS.values()
        if "refused" not in {*rig.cannot, *rig.unproved}
    ]
    return "\n".join(["", "| agent | the model is told |", "|---|---|", *rows, ""])
