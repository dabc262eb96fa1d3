"""What a scope's text means, and which two scopes overlap."""

from __future__ import annotations

import pytest

from supervisor.core.leases.scope import (
    Kind,
    Scope,
    ScopeError,
    contains,
    covers,
    file_scope,
    overlaps,
    parse_scopes,
    tree_scope,
)


def one(text: str, *, fold_case: bool = False) -> Scope:
    (scope,) = parse_scopes(text, "app", fold_case=fold_case)
    return scope


@pytest.mark.parametrize(
    ("text", "kind", "shown", "key"),
    [
        ("src/a.py", Kind.FILE, "src/a.py", "src/a.py"),
        ("./src//a/../b", Kind.FILE, "src/b", "src/b"),
        (".github/workflows/ci.yml", Kind.FILE, ".github/workflows/ci.yml", ".github/workflows/ci.yml"),
        (".gitignore", Kind.FILE, ".gitignore", ".gitignore"),
        ("two words.txt", Kind.FILE, "two words.txt", "two words.txt"),
        (" edge ", Kind.FILE, " edge ", " edge "),
        ("src/", Kind.TREE, "src/", "src"),
        ("src/.", Kind.TREE, "src/", "src"),
        ("src/**", Kind.TREE, "src/", "src"),
        ("src/**/**", Kind.TREE, "src/", "src"),
        ("", Kind.TREE, "./", ""),
        (".", Kind.TREE, "./", ""),
        ("/", Kind.TREE, "./", ""),
        ("**", Kind.TREE, "./", ""),
        ("src/..", Kind.TREE, "./", ""),
        ("src/*.py", Kind.GLOB, "src/*.py", "src/*.py"),
        ("src/**/*.py", Kind.GLOB, "src/**/*.py", "src/**/*.py"),
        ("src/a**b", Kind.GLOB, "src/a*b", "src/a*b"),
        ("src/*/", Kind.GLOB, "src/*/**", "src/*/**"),
        (r"app/\[id\]/page.tsx", Kind.FILE, r"app/\[id]/page.tsx", "app/[id]/page.tsx"),
        ("a[b", Kind.FILE, r"a\[b", "a[b"),
        ("{{cookiecutter.name}}/a", Kind.FILE, "{{cookiecutter.name}}/a", "{{cookiecutter.name}}/a"),
        ("./resource:x", Kind.FILE, "./resource:x", "resource:x"),
        ("resource:port-5432", Kind.RESOURCE, "resource:port-5432", "resource:port-5432"),
        ("effect:gh/pr/12/comment", Kind.RESOURCE, "effect:gh/pr/12/comment", "effect:gh/pr/12/comment"),
        ("caf\u0065\u0301.txt", Kind.FILE, "caf\u00e9.txt", "caf\u00e9.txt"),
    ],
)
def test_a_text_is_normalised_to_one_scope(text: str, kind: Kind, shown: str, key: str) -> None:
    scope = one(text)

    assert (kind, shown, key) == (scope.kind, scope.text, scope.key)
    assert scope == one(scope.text)


def test_a_resource_belongs_to_the_machine_and_not_to_a_repository() -> None:
    assert one("resource:gpu").repo == ""
    assert overlaps(one("resource:gpu"), parse_scopes("resource:gpu", "other")[0])
    assert not overlaps(one("resource:gpu"), one("./resource:gpu"))


def test_braces_make_several_scopes_and_duplicates_are_dropped() -> None:
    texts = [scope.text for scope in parse_scopes("a/{b,c{d,e},b}.py", "app")]

    assert texts == ["a/b.py", "a/cd.py", "a/ce.py"]


def test_an_escaped_brace_is_an_ordinary_character() -> None:
    assert one(r"a\{b,c}").key == "a{b,c}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("../x", "leaves the repository"),
        ("a/../../x", "leaves the repository"),
        ("/etc/passwd", "absolute path"),
        ("a\0b", "NUL"),
        (".git", "git alone writes"),
        (".git/config", "git alone writes"),
        (".GIT/config", "git alone writes"),
        ("vendor/lib/.git/HEAD", "git alone writes"),
        (r"\.git/config", "git alone writes"),
        ("a/**/../b", 'after "\\*\\*"'),
        ("a\\", "backslash"),
        ("resource:", "not a resource name"),
        ("resource:port-*", "not a resource name"),
        ("{a,b,c,d,e,f,g,h}" * 3, "256"),
    ],
)
def test_a_text_that_cannot_be_leased_is_refused_in_one_line(text: str, what: str) -> None:
    with pytest.raises(ScopeError, match=what) as caught:
        parse_scopes(text, "app")

    assert "\n" not in str(caught.value)


def test_a_path_from_the_system_has_no_special_characters() -> None:
    scope = file_scope("app/[id]/*.{a,b}", "app")

    assert (scope.kind, scope.key) == (Kind.FILE, "app/[id]/*.{a,b}")
    assert one(scope.text) == scope
    assert tree_scope("app/[id]", "app") == one(r"app/\[id]/")
    assert tree_scope("", "app") == one(".")


def test_a_file_scope_of_the_whole_repository_is_refused() -> None:
    with pytest.raises(ScopeError, match="use a tree scope"):
        file_scope("./", "app")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/a.py", "src/b.py", False),
        ("src", "src/a.py", True),
        ("src", "srcs/a.py", False),
        ("src/", "src/a.py", True),
        ("src/", "src", True),
        ("src/", "srcs/", False),
        ("./", "any/thing.py", True),
        ("./", "any/*.py", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a.rs", False),
        ("src/*.py", "src/sub/a.py", False),
        ("src/*.py", "src", True),
        ("src/*.py", "src/", True),
        ("src/*/x.py", "src/sub/", True),
        ("src/*/x.py", "src/sub", False),
        ("src/*", "src/sub/", True),
        ("**/*.py", "README.md", False),
        ("**/*.py", "docs/", True),
        ("**/*.py", "setup.py", True),
        ("**/*.py", "a/b/c/setup.py", True),
        ("src/**/*.py", "src/**/*.rs", False),
        ("src/**/*.py", "src/**/test_*", True),
        ("src/*.py", "src/test_*", True),
        ("src/[a-f]*.py", "src/[g-z]*.py", False),
        ("src/[!a]*", "src/a*", False),
        ("src/??.py", "src/*a.py", True),
        ("src/??.py", "src/abc*", False),
        ("*/a/**", "b/**/c", True),
        ("a/**/c", "a/c", True),
        ("a/.*", "a/*", True),
        ("resource:db", "resource:db/main", True),
        ("resource:db", "resource:dbx", False),
        ("effect:gh/pr/1", "effect:gh/pr/2", False),
    ],
)
def test_two_scopes_overlap_when_a_path_may_belong_to_both(a: str, b: str, *, expected: bool) -> None:
    assert overlaps(one(a), one(b)) is expected
    assert overlaps(one(b), one(a)) is expected


def test_scopes_of_different_repositories_never_overlap() -> None:
    assert not overlaps(tree_scope("", "app"), tree_scope("", "lib"))


def test_case_is_ignored_where_the_file_system_ignores_it() -> None:
    assert overlaps(one("SRC/A.py", fold_case=True), one("src/a.PY", fold_case=True))
    assert not overlaps(one("SRC/A.py"), one("src/a.py"))
    assert one("SRC/A.py", fold_case=True).text == "SRC/A.py"
    assert covers(one("Src/", fold_case=True), "sRC/x", fold_case=True)
    assert overlaps(one("[A-Z].py", fold_case=True), one("q.py", fold_case=True))


@pytest.mark.parametrize(
    ("scope", "path", "expected"),
    [
        ("src/a.py", "src/a.py", True),
        ("src", "src/a.py", False),
        ("src/", "src/a.py", True),
        ("src/", "src", True),
        ("src/", "src2/a.py", False),
        ("./", "x", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a/b.py", False),
        ("src/**/*.py", "src/a/b.py", True),
        ("resource:x", "resource:x", False),
    ],
)
def test_a_scope_covers_the_paths_that_belong_to_it(scope: str, path: str, *, expected: bool) -> None:
    assert covers(one(scope), path) is expected


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("src/", "src/a.py", True),
        ("src/", "src/*.py", True),
        ("src/", "src/", True),
        ("src/sub/", "src/*/a.py", False),
        ("src/*.py", "src/a.py", False),
        ("src/*.py", "src/*.py", True),
        ("src/*", "src/*.py", False),
        ("src/*", "src/a/", False),
        ("src", "src/a.py", False),
        ("./", "resource:x", False),
        ("resource:x", "resource:x", True),
    ],
)
def test_containment_is_certain_or_denied(outer: str, inner: str, *, expected: bool) -> None:
    assert contains(one(outer), one(inner)) is expected
