"""Globs: one path segment at a time, and any number of segments for two stars."""

from __future__ import annotations

import pytest

from supervisor.core.leases.pattern import Segment, escape, pattern


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("*", "a", True),
        ("*", ".hidden", True),
        ("*", "a/b", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("*.py", ".py", True),
        ("a*a", "a", False),
        ("[abc].x", "b.x", True),
        ("[!abc].x", "b.x", False),
        ("[^abc].x", "d.x", True),
        ("[a-c].x", "b.x", True),
        ("[c-a].x", "b.x", True),
        ("[]].x", "].x", True),
        ("[!]].x", "].x", False),
        ("[a-].x", "-.x", True),
        (r"[\]a].x", "].x", True),
        ("[!].x", "[!].x", True),
        (r"\*.x", "*.x", True),
        (r"\*.x", "a.x", False),
        ("*a*b*", "xxaxxbxx", True),
        ("*a*b*", "xxbxxaxx", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("**/b", "b", True),
        ("a/**", "a", True),
        ("*", "line\nbreak", True),
        ("?", "\U0001f600", True),
    ],
)
def test_a_glob_matches_exactly_these_paths(glob: str, path: str, *, expected: bool) -> None:
    assert pattern(glob).matches(path) is expected


@pytest.mark.parametrize("name", ["plain", "a[b]c", "st*r", "wh?t", "back\\slash", "[!x]"])
def test_an_escaped_name_matches_itself_and_is_literal(name: str) -> None:
    segment = Segment(escape(name))

    assert segment.literal == name
    assert segment.matches(name)


@pytest.mark.parametrize(
    ("glob", "anchor"), [("src/*.py", "src"), ("*.py", ""), ("a/b/**/c", "a/b"), (r"a/\[x\]/*", "a/[x]")]
)
def test_the_anchor_is_the_literal_directory_in_front(glob: str, anchor: str) -> None:
    assert pattern(glob).anchor == anchor


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("[a-m]", "[n-z]", False),
        ("[!a-m]", "[!n-z]", True),
        ("[!\\\\-\U0010ffff]", "[a-z]", False),
        ("*a", "b*", True),
        ("a?", "?b", True),
        ("a?", "?bc", False),
        ("*x*", "abc", False),
        ("*b*", "abc", True),
        ("**/x", "y/*", True),
        ("**/x", "y/z", False),
        ("**/a/**/b", "a/*/*", True),
        ("a/*/c", "**/d", False),
    ],
)
def test_two_globs_meet_when_one_path_is_matched_by_both(a: str, b: str, *, expected: bool) -> None:
    assert pattern(a).meets(pattern(b)) is expected
    assert pattern(b).meets(pattern(a)) is expected
