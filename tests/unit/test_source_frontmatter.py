"""The YAML head of a Markdown file: found, bounded, never trusted."""

from __future__ import annotations

import pytest

from supervisor.world.sources.frontmatter import heading, load, split
from supervisor.world.sources.values import Refused


def test_front_matter_and_body_are_parted() -> None:
    assert split("---\na: 1\n---\n\n# Title\n") == ("a: 1\n", "# Title")


@pytest.mark.parametrize(
    "text", ["", "# No front matter\n", "----\na: 1\n---\n", "--- a\nb: 1\n---\n", "\n---\na: 1\n---\n"]
)
def test_a_text_that_does_not_begin_with_the_fence_has_none(text: str) -> None:
    assert split(text) is None


@pytest.mark.parametrize("text", ["\ufeff---\na: 1\n---\nb", "---\r\na: 1\r\n---\r\nb", "--- \na: 1\n...\nb"])
def test_windows_lines_byte_order_marks_and_dots_are_understood(text: str) -> None:
    assert split(text) == ("a: 1\n", "b")


def test_front_matter_that_never_closes_is_refused() -> None:
    with pytest.raises(Refused, match="never closed"):
        split("---\na: 1\n\n# Title\n")


def test_front_matter_has_a_largest_size() -> None:
    with pytest.raises(Refused, match="larger than 256 KiB"):
        split("---\na: '" + "x" * 300_000 + "'\n---\n")


def test_an_empty_block_is_an_empty_mapping() -> None:
    assert load("") == load("# only a comment\n") == load("~\n") == {}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("a: b: c\n", "broken front matter (line 2): mapping values are not allowed"),
        ("ok: 1\nbad: [1, 2\n", "broken front matter (line 4)"),
        ("a: 1\n\tb: 2\n", "broken front matter (line 3)"),
        ("- a\n- b\n", "the front matter is a list"),
        ("just words\n", 'the front matter is "just words"'),
        ("a: 1\na: 2\n", 'the key "a" is given twice (line 3)'),
        ("a: !!python/object/apply:os.system ['true']\n", "broken front matter (line 2)"),
        ("a: &x [1]\nb: *x\n", "YAML alias"),
        ("a: &x {c: 1}\nb: {<<: *x}\n", "YAML alias"),
        ("a: &x [*x]\n", "YAML alias"),
        ("created: 2026-02-30\n", "broken front matter: day is out of range"),
        ("a: \x07\n", "broken front matter"),
        ("a: 1\n--- \nb: 2\n", "broken front matter"),
        ("? [a]\n: b\n", "broken front matter"),
        ("a: " + "[" * 100_000, "nest"),
        ("- " * 100_000, "nested more than 16 deep"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(block: str, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        load(block)

    assert words in refusal.value.what
    assert refusal.value.what.isprintable()
    assert refusal.value.fix


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    levels = [f"k{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]

    with pytest.raises(Refused, match="alias"):
        load("k0: &a0 {x: y}\n" + "\n".join(levels))


def test_the_title_is_the_first_heading_outside_code() -> None:
    assert heading("intro\n\n#  The title #\n\n# Another") == "The title"
    assert heading("## Only smaller ones\n#hashtag") is None
    assert heading("```\n# a comment\n```\n# After code") is None
