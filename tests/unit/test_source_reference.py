"""The reference of tasks names what the program understands, no less and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from supervisor.core.tasks.task import Stage
from supervisor.world.sources.frontmatter import load, split
from supervisor.world.sources.vocabulary import ALIAS_OF, KEYS, PRIORITY_OF, STAGE_OF, normal

TEXT = (Path(__file__).parents[2] / "docs/reference/tasks.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    below = TEXT.split(f"\n{heading}\n", 1)[1]
    lines = [line for line in re.split(r"\n#+ ", below)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_key_and_other_name_is_in_the_table() -> None:
    table = rows("## Keys")
    keys = {word for row in table for word in CODE.findall(row[0])}
    also = {normal(word) for row in table for word in CODE.findall(row[1])}

    assert keys | also == KEYS | ALIAS_OF.keys()


@pytest.mark.parametrize(
    ("row", "stage"), [*enumerate((Stage.OPEN, Stage.ACTIVE, Stage.WAITING, Stage.CLOSED))]
)
def test_every_word_for_a_state_is_in_the_table(row: int, stage: Stage) -> None:
    words = CODE.findall(rows("### Words for `state`")[row][1])

    assert set(words) == {word for word, meant in STAGE_OF.items() if meant is stage}


def test_every_word_for_a_priority_is_in_the_table_with_its_number() -> None:
    said = {word: int(row[1]) for row in rows("### Words for `priority`") for word in CODE.findall(row[0])}

    assert said == PRIORITY_OF


def test_the_example_is_a_task_file() -> None:
    example = TEXT.split("```markdown\n", 1)[1].split("```", 1)[0]
    parts = split(example)

    assert parts is not None
    assert load(parts[0])["paths"] == ["README.md", "docs/"]
    assert parts[1].startswith("# Write the README")
