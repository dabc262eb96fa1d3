"""Which paths git's ignore rules could match at all."""

from __future__ import annotations

import pytest

from workers.guard.patterns import Patterns

_USUAL = Patterns(
    b"# built\n/build/\nnode_modules/\n*.log\n.venv\n__pycache__/\n*.py[cod]\n.env*\n!.env.example\ndocs/_build\n"
)


@pytest.mark.parametrize(
    "path", [b"src/main.py", b"README.md", b"docs/index.md", b"src/modules/a.ts", b"env/a", b"log/a.txt"]
)
def test_git_need_not_be_asked_about_what_no_pattern_could_match(path):
    assert not _USUAL.may_match(path)


@pytest.mark.parametrize(
    "path",
    [
        b"build/a",
        b"web/node_modules/x/y.js",
        b"a.log",
        b"sub/a.LOG",
        b"a.pyc",
        b".env.local",
        b"docs/_build/x",
    ],
)
def test_git_is_asked_about_what_a_pattern_could_match(path):
    assert _USUAL.may_match(path)


@pytest.mark.parametrize(
    "rules",
    [
        b"*",
        b"a/*",
        b"**",
        b"[a-z]",
        b"[!x]",
        b"foo\\ ",
        b" lead",
        b"trail ",
        b"x[a/b]y",
        b"tab\t",
        b"two\r\r",
    ],
)
def test_a_rule_that_is_not_understood_leaves_it_to_git(rules):
    assert Patterns(rules).may_match(b"anything/at/all")


def test_empty_rules_match_nothing():
    assert not Patterns(b"\n# comment\n\r\n!kept\n/\n").may_match(b"a/b")
