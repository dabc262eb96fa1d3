"""The tables of docs/reference/harnesses.md that the rigs know: which agent does which scenario, and what its model hears."""

from __future__ import annotations

import json

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
    notes: list[str] = []
    rows = [
        f"| {words} | {' | '.join(_cell(rig, name, notes) for rig in RIGS.values())} |"
        for name, words in SCENARIOS.items()
    ]
    head = f"| | {' | '.join(RIGS)} |\n|---|{'---|' * len(RIGS)}"
    numbered = [f"{number}. {note}." for number, note in enumerate(notes, 1)]
    return "\n".join(["", head, *rows, "", *numbered, ""])


def _cell(rig: Rig, scenario: str, notes: list[str]) -> str:
    if why := rig.cannot.get(scenario):
        return f"no ({_note(f'{rig.name}: {why}', notes)})"
    if keys := rig.keys.get(scenario):
        words = " and ".join(f"`{key} = {json.dumps(value)}`" for key, value in keys.items())
        return f"yes ({_note(f'{rig.name}: with {words}', notes)})"
    return "yes"


def _note(text: str, notes: list[str]) -> int:
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1


def _refusals() -> str:
    rows = [f"| {rig.name} | `{rig.refusal}` |" for rig in RIGS.values() if "refused" not in rig.cannot]
    return "\n".join(["", "| agent | the model is told |", "|---|---|", *rows, ""])
