"""Overlap is sound: whatever two scopes have in common, it is never denied."""

from __future__ import annotations

import re
from itertools import permutations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core.leases.pattern import pattern
from supervisor.core.leases.scope import (
    Kind,
    Scope,
    contains,
    covers,
    file_scope,
    overlaps,
    parse_scopes,
    path_key,
)

NAMES = ("a", "b", "ab", "ba", "a.b", "b.a")
PATHS = ["/".join(parts) for depth in (1, 2, 3) for parts in product(NAMES[: 7 - depth], repeat=depth)]

piece = st.sampled_from(["a", "b", ".", "*", "?", "[ab]", "[!a]", "[a-b]", "\\*", "**"])
segment = st.one_of(
    st.sampled_from(NAMES), st.just("**"), st.lists(piece, min_size=1, max_size=4).map("".join)
)
globs = st.lists(segment, min_size=1, max_size=4).map("/".join)
texts = st.one_of(st.sampled_from(PATHS), st.sampled_from(PATHS).map(lambda path: path + "/"), globs)
quiet = settings(deadline=None, max_examples=300)


def parsed(text: str) -> Scope:
    (scope,) = parse_scopes("./" + text, "app")
    return scope


scopes = texts.filter(lambda text: text not in ("..", ".") and "/../" not in f"/{text}/").map(parsed)


def naive(glob: str) -> re.Pattern[str]:
    """Translate a glob of this file's alphabet to one regular expression over whole paths."""
    out = ""
    for at, part in enumerate(glob.split("/")):
        if part == "**":
            out += "(?:/[^/]+)*"
            continue
        body = re.sub(
            r"\\\*|\*+|\?|\.", lambda m: {"\\*": r"\*", "?": "[^/]", ".": r"\."}.get(m[0], "[^/]*"), part
        )
        out += ("/" if at or not out else "") + body.replace("[!a]", "[^a/]")
    return re.compile(out)


@quiet
@given(scopes.filter(lambda scope: scope.kind is Kind.GLOB), st.sampled_from(PATHS))
def test_a_glob_matches_what_a_plain_regular_expression_matches(scope: Scope, path: str) -> None:
    expected = naive(scope.key).fullmatch("/" + path) is not None

    assert pattern(scope.key).matches(path) is expected


@quiet
@given(scopes, scopes)
def test_promise_2_scopes_with_a_path_in_common_overlap(a: Scope, b: Scope) -> None:
    common = [path for path in PATHS if covers(a, path) and covers(b, path)]

    assert overlaps(a, b) or not common
    assert overlaps(a, b) == overlaps(b, a)
    assert overlaps(a, a)


@quiet
@given(scopes, scopes)
def test_a_scope_that_contains_another_has_all_its_paths(outer: Scope, inner: Scope) -> None:
    if contains(outer, inner):
        assert overlaps(outer, inner)
        assert [path for path in PATHS if covers(inner, path) and not covers(outer, path)] == []


@quiet
@given(scopes, scopes, scopes)
def test_what_overlaps_a_contained_scope_overlaps_the_one_that_contains_it(
    a: Scope, b: Scope, c: Scope
) -> None:
    for outer, inner, third in permutations((a, b, c)):
        assert not (contains(outer, inner) and overlaps(inner, third)) or overlaps(outer, third)


@quiet
@given(scopes)
def test_what_is_shown_parses_to_the_same_scope(scope: Scope) -> None:
    assert parse_scopes(scope.text, "app") == (scope,)


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=6
).filter(lambda name: name not in (".", "..") and name.casefold() != ".git")


@quiet
@given(st.lists(names, min_size=1, max_size=3).map("/".join), st.booleans())
def test_any_name_a_file_system_can_have_makes_a_scope_that_shows_and_covers_itself(
    path: str,
    fold_case: bool,  # noqa: FBT001  - drawn by hypothesis, by position
) -> None:
    scope = file_scope(path, "app", fold_case=fold_case)

    assert covers(scope, path, fold_case=fold_case)
    assert parse_scopes(scope.text, "app", fold_case=fold_case) == (scope,)
    assert path_key(path, fold_case=fold_case) == scope.key
