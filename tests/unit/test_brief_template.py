"""The brief's template: sections filled in, empty ones closed up, and a bound on the task's text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core.sessions.brief import (
    BODY_LIMIT,
    LIMIT,
    NOTES_LIMIT,
    TEMPLATE,
    Brief,
    Neighbour,
    misspelt,
    render,
)
from supervisor.core.tasks.notes import KEPT, TaskNote
from supervisor.core.tasks.task import Task


def brief(body: str = "Do it.\n\n\n\nWell.") -> Brief:
    task = Task(key="k", source="s", title="Fix {body} {x}", body=body)
    return Brief(session="9da9", task=task, now=0.0, budget=60.0, level="hooks")


def test_the_usual_brief_begins_with_the_task_and_leaves_no_hole_for_what_there_is_not() -> None:
    text = render(brief())

    assert text.startswith(
        "# Fix {body} {x}\n\nDo it.\n\n\n\nWell.\n\n## This session\n\n- session 9da9, task k\n"
    )
    assert "\n\n\n" not in text.partition("Well.")[2]
    assert text.endswith("\n")


def test_how_leases_are_enforced_is_one_word_and_what_it_means() -> None:
    of_a_repo = replace(brief().task, repo="app")

    assert "- leases are enforced by: hooks\n" in render(replace(brief(), task=of_a_repo))
    told = render(replace(brief(), task=of_a_repo, level="kernel: a foreign write fails"))
    assert "- leases are enforced by: kernel (a foreign write fails)\n" in told


def test_a_text_that_begins_with_its_title_does_not_say_it_twice() -> None:
    text = render(brief("# Fix {body} {x}\n\nDo it."))

    assert text.startswith("# Fix {body} {x}\n\nDo it.\n\n## This session\n")
    assert render(brief("# Fix {body} {x}\n\nDo it."), "{body}\n") == "# Fix {body} {x}\n\nDo it.\n"
    assert "# Another\n\nDo it." in render(brief("# Another\n\nDo it."))


def test_a_template_of_one_s_own_orders_the_sections_and_keeps_other_braces() -> None:
    text = render(brief("Do it."), "Hello {name}.\n\n{others}\n\n{body}\n\n{title}\n")

    assert text == "Hello {name}.\n\nDo it.\n\n# Fix {body} {x}\n"


def test_a_long_text_is_cut_by_bytes_and_says_where_the_rest_is() -> None:
    text = render(brief("ä" * BODY_LIMIT), "{body}")

    assert len(text.encode()) < BODY_LIMIT + 200
    assert text.endswith(f"[{BODY_LIMIT} bytes more: `leasehold task show k` has all of it]\n")


def test_of_long_notes_the_latest_are_shown_and_the_others_counted() -> None:
    notes = tuple(TaskNote("session 1", f"{number} " + "ж" * 3990, 0.0) for number in range(KEPT))
    text = render(replace(brief("Do it."), notes=notes), "{notes}")

    assert len(text.encode()) < NOTES_LIMIT + 200
    assert "ago: 29 ж" in text
    assert text.startswith(
        "## Notes on this task\n\n- 27 older: `leasehold task show k`\n- session 1, 0s ago: 27 ж"
    )


def test_no_brief_is_longer_than_what_a_program_takes_as_one_argument() -> None:
    longest = "ж" * 4000
    others = tuple(Neighbour("s", "t", longest[:500], (longest,) * 12) for _ in range(12))
    notes = tuple(TaskNote("operator", longest, 0.0) for _ in range(KEPT))
    text = render(replace(brief("ж" * BODY_LIMIT), notes=notes, neighbours=others), TEMPLATE * 2)

    assert LIMIT < len(text.encode()) < LIMIT + 100 < 128 << 10
    assert text.endswith(" bytes more did not fit here]\n")


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (TEMPLATE, []),
        ("{title} {name} ${x} {}", []),
        ("{title} {boddy}", ["no section {boddy}; did you mean {body}?"]),
        ("Do it. {rules}", ["neither {title} nor {body}: sessions would not be told their task"]),
        ("", ["neither {title} nor {body}: sessions would not be told their task"]),
    ],
)
def test_a_template_that_misspells_a_section_or_has_no_task_is_told(template: str, told: list[str]) -> None:
    assert misspelt(template) == told


def test_no_brief_has_a_character_that_no_argument_can_have() -> None:
    text = render(replace(brief("Do it."), notes=(TaskNote("session 1", "a\0b", 0.0),)), "{notes}\0")

    assert text.endswith("ago: ab\n")
