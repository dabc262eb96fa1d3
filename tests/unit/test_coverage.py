"""A set of scopes covers what its members cover."""

from __future__ import annotations

import pytest

from supervisor.core.leases.coverage import Coverage
from supervisor.core.leases.scope import covers, parse_scopes

TEXTS = ("a.txt", "src/", "docs/**/*.md", "resource:port-1")
PATHS = ("a.txt", "A.TXT", "a.txt/b", "src/x/y", "src", "docs/a/b.md", "docs/a/b.txt", "b.txt", "port-1")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fold_case", [False, True])
def test_it_agrees_with_asking_each_scope(path: str, fold_case: bool) -> None:  # noqa: FBT001
    scopes = [scope for text in TEXTS for scope in parse_scopes(text, "app", fold_case=fold_case)]

    expected = any(covers(scope, path, fold_case=fold_case) for scope in scopes)

    assert (path in Coverage(scopes, fold_case=fold_case)) is expected
