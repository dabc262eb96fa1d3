"""The brief's template: sections filled in, empty ones closed up, and a bound on the task's text."""

from __future__ import annotations

from supervisor.core.sessions.brief import BODY_LIMIT, Brief, render
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


def test_a_template_of_one_s_own_orders_the_sections_and_keeps_other_braces() -> None:
    text = render(brief("Do it."), "Hello {name}.\n\n{others}\n\n{body}\n\n{title}\n")

    assert text == "Hello {name}.\n\nDo it.\n\n# Fix {body} {x}\n"


def test_a_long_text_is_cut_by_bytes_and_says_where_the_rest_is() -> None:
    text = render(brief("ä" * BODY_LIMIT), "{body}")

    assert len(text.encode()) < BODY_LIMIT + 200
    assert text.endswith(f"[{BODY_LIMIT} bytes more: `leasehold task show k` has all of it]\n")
