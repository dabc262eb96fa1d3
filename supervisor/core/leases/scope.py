"""Scopes: what a lease covers, in a form in which any two can be compared soundly.

Two scopes overlap when a path may belong to both; where that cannot be told, they overlap. FILE is
one path, TREE a path and all below it, GLOB the paths a pattern matches, RESOURCE a name that is
the machine's and no path at all. A FILE also overlaps what lies below it, because the two can
only exist one after the other: somebody will turn the file into a directory, or back.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass

from supervisor.core.leases import braces
from supervisor.core.leases.pattern import escape, lex, pattern


class Kind(enum.Enum):
    """What sort of thing a scope names."""

    FILE = "file"
    TREE = "tree"
    GLOB = "glob"
    RESOURCE = "resource"


# A member of an enum costs a descriptor call at each use; a module's name is looked up at once.
_FILE, _TREE, _GLOB, _RESOURCE = Kind.FILE, Kind.TREE, Kind.GLOB, Kind.RESOURCE


class ScopeError(ValueError):
    """The text does not name a scope that can be leased; the message says why, and the way out."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Part of a repository, or a machine-wide resource (then `repo` is empty).

    `text` is what people see, and parses to the same scope again. `key` is for comparing: a path
    without escapes for FILE and TREE (the root is ""), a canonical pattern for GLOB, the whole name
    for RESOURCE; in NFC, and case-folded where the file system ignores case.
    """

    kind: Kind
    repo: str
    text: str
    key: str


_RESOURCES = ("resource:", "effect:")

# Most paths look like this: normal already, nothing to escape, nothing of git's, nothing to fold but case.
_PLAIN = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.+@=-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.+@=-]*")


def parse_scopes(text: str, repo: str, *, fold_case: bool = False) -> tuple[Scope, ...]:
    """Return the scopes that `text` names in `repo`; braces make several, duplicates are dropped.

    Symbolic links and directories written without a slash are not known here: resolve them first.

    Raises:
        ScopeError: one line that names the text, what is wrong with it, and what to write instead.
    """
    if _PLAIN.fullmatch(text) and not fold_case:
        return (Scope(_FILE, repo, text, text),)
    try:
        scopes = [_parse_one(one, repo, fold_case=fold_case) for one in braces.expand(text)]
    except ScopeError:
        raise
    except ValueError as error:
        raise ScopeError(f'scope "{text}": {error}') from None
    return tuple(dict.fromkeys(scopes))


def file_scope(path: str, repo: str, *, fold_case: bool = False) -> Scope:
    """Return the FILE scope of a repository-relative path as the system knows it; no character is special.

    Raises:
        ScopeError: the path is the repository itself, leaves it, or belongs to git.
    """
    if not fold_case and _PLAIN.fullmatch(path):
        return Scope(_FILE, repo, path, path)
    parts, _ = _normal(path.split("/"), path)
    if not parts:
        raise ScopeError(f'"{path}" is the whole repository, not a file in it; use a tree scope')
    return _literal(_FILE, parts, repo, fold_case=fold_case)


def tree_scope(path: str, repo: str, *, fold_case: bool = False) -> Scope:
    """Return the TREE scope of a repository-relative directory; no character is special, "" is the root.

    Raises:
        ScopeError: the path leaves the repository or belongs to git.
    """
    parts, _ = _normal(path.split("/"), path)
    return _literal(_TREE, parts, repo, fold_case=fold_case)


def path_key(path: str, *, fold_case: bool = False) -> str:
    """Return the comparison key of a normalised repository-relative path."""
    key = path if path.isascii() else unicodedata.normalize("NFC", path)
    return unicodedata.normalize("NFC", key.casefold()) if fold_case else key


def _parse_one(text: str, repo: str, *, fold_case: bool) -> Scope:
    for prefix in _RESOURCES:
        if text.startswith(prefix):
            return _resource(text, prefix)
    if text.strip("/") == "":
        return _literal(_TREE, [], repo, fold_case=fold_case)
    parts, is_tree = _normal(text.split("/"), text)
    wild = [part == "**" or any(glyph.literal is None for glyph in lex(part)) for part in parts]
    while parts and parts[-1] == "**":
        parts.pop()
        wild.pop()
        is_tree = True
    if any(wild):
        return _glob(parts, repo, is_tree=is_tree, fold_case=fold_case)
    plain = ["".join(glyph.literal or "" for glyph in lex(part)) for part in parts]
    for part in plain:
        _refuse_git(part, text)
    return _literal(_TREE if is_tree else _FILE, plain, repo, fold_case=fold_case)


def _normal(raw: list[str], text: str) -> tuple[list[str], bool]:
    """Return the path's parts without ".", ".." and empty ones, and whether it must be a directory."""
    if "\0" in text:
        raise ScopeError(f"scope {text!r} has a NUL character, which no path can contain; remove it")
    if text.startswith("/"):
        raise ScopeError(f'scope "{text}" is an absolute path; write it relative to the repository')
    parts: list[str] = []
    for part in raw:
        if part == "..":
            if not parts:
                raise ScopeError(f'scope "{text}" leaves the repository; name a path inside it')
            if parts[-1] == "**":
                raise ScopeError(
                    f'scope "{text}" has ".." after "**", which names no one place; write it out'
                )
            parts.pop()
        elif part not in ("", "."):
            _refuse_git(part, text)
            if not (part == "**" and parts and parts[-1] == "**"):
                parts.append(part)
    return parts, not parts or raw[-1] in ("", ".", "..")


def _refuse_git(part: str, text: str) -> None:
    if part.casefold() == ".git":
        raise ScopeError(
            f'scope "{text}" lies in .git, which git alone writes; lease the files of the work tree'
        )


def _literal(kind: Kind, parts: list[str], repo: str, *, fold_case: bool) -> Scope:
    path = "/".join(parts)
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    text = escape(path)
    if "{" in text and "," in text:
        text = text.replace("{", "\\{")
    if kind is _TREE:
        text += "/" if text else "./"
    if text.startswith(_RESOURCES):
        text = "./" + text
    key = path_key(path, fold_case=fold_case)
    return Scope(kind, repo, text, text if text == key else key)


def _glob(parts: list[str], repo: str, *, is_tree: bool, fold_case: bool) -> Scope:
    shown: list[str] = []
    keys: list[str] = []
    for part in parts:
        if part == "**":
            shown.append(part)
            keys.append(part)
            continue
        glyphs = lex(unicodedata.normalize("NFC", part))
        shown.append("".join(glyph.text for glyph in glyphs))
        # A class has no sure meaning once case is ignored; any character is the sound reading.
        folded = ["?" if fold_case and glyph.text[0] == "[" else glyph.text for glyph in glyphs]
        keys.append(path_key("".join(folded), fold_case=fold_case))
    if is_tree:
        shown.append("**")
        keys.append("**")
    text = "/".join(shown)
    if "{" in text and "," in text:
        text = text.replace("{", "\\{")
    if text.startswith(_RESOURCES):
        text = "./" + text
    key = "/".join(keys)
    return Scope(_GLOB, repo, text, text if text == key else key)


def _resource(text: str, prefix: str) -> Scope:
    name = text.removeprefix(prefix)
    if not name.strip("/ ") or any(char in "*?[\\" or char.isspace() for char in name):
        raise ScopeError(
            f'"{text}" is not a resource name; write for instance "resource:port-5432", one name each'
        )
    key = unicodedata.normalize("NFC", prefix + "/".join(part for part in name.split("/") if part))
    return Scope(_RESOURCE, "", key, key)


def overlaps(a: Scope, b: Scope) -> bool:
    """Return whether some path may belong to both; symmetric, and never false in doubt."""
    if a.repo != b.repo or (a.kind is _RESOURCE) is not (b.kind is _RESOURCE):
        return False
    if a.kind is _GLOB:
        return pattern(a.key).meets(pattern(b.key)) if b.kind is _GLOB else glob_meets(a, b)
    if b.kind is _GLOB:
        return glob_meets(b, a)
    return within(a.key, b.key) or within(b.key, a.key)


def within(key: str, directory: str) -> bool:
    """Return whether the path `key` is `directory` or lies below it."""
    return not directory or key == directory or key.startswith(directory + "/")


def glob_meets(glob: Scope, literal: Scope) -> bool:
    """Return whether a GLOB and a FILE or TREE overlap.

    A pattern that spells the file's name as a directory says that it will be one.
    """
    compiled = pattern(glob.key)
    states = compiled.walk(literal.key)
    if literal.kind is _TREE:
        return bool(states)
    return bool(states & compiled.accept) or within(compiled.anchor, literal.key)


def covers(held: Scope, path: str, *, fold_case: bool = False) -> bool:
    """Return whether the repository-relative `path` belongs to `held`."""
    return covers_key(held, path_key(path, fold_case=fold_case))


def covers_key(held: Scope, key: str) -> bool:
    """Return whether the path with the comparison key `key` belongs to `held`."""
    if held.kind is _FILE:
        return key == held.key
    if held.kind is _TREE:
        return within(key, held.key)
    return held.kind is _GLOB and pattern(held.key).matches(key)


def contains(outer: Scope, inner: Scope) -> bool:
    """Return whether whatever overlaps `inner` overlaps `outer` too, so that having `outer` is enough.

    A GLOB does not contain the FILEs it matches: what lies below such a file overlaps the FILE only.
    """
    if outer.repo != inner.repo:
        return False
    if outer.kind is inner.kind and outer.key == inner.key:
        return True
    if outer.kind is not _TREE or inner.kind is _RESOURCE:
        return False
    return within(pattern(inner.key).anchor if inner.kind is _GLOB else inner.key, outer.key)
