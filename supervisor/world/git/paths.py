"""Scopes as people write them, turned into what the kernel will see: symbolic links and folders resolved."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from supervisor.core.leases import braces
from supervisor.core.leases.pattern import escape, lex
from supervisor.world.git.repository import Repository

_NAMES = ("resource:", "effect:")
_NOT_NAMES = frozenset({"", ".", ".."})
_SPECIAL = re.compile(r"[*?\[\]{}\\\0]")


class ScopePathError(ValueError):
    """The text names a place outside the repository, or none at all; one line with the way out."""


def resolve_scope_texts(repo: Repository, texts: Iterable[str], cwd: Path | None = None) -> tuple[str, ...]:
    """Return scope texts relative to the root, as `core.scope.parse_scopes` reads them; duplicates dropped.

    Relative texts are taken from `cwd` (the root if not given). Symbolic links in the part that exists
    are followed, a folder that exists becomes a tree ("src" -> "src/"), an absolute path inside the
    repository becomes relative, and of a glob the part before its first wildcard is resolved. A text
    that names an existing file to the letter is that file, whatever characters it has. Resource names
    pass unchanged.

    Raises:
        ScopePathError: a text leads outside the repository (the link that does so is named), or through
            a loop of symbolic links.
    """
    root = str(repo.root)
    near = str(cwd) if cwd else root
    found: dict[str, None] = {}
    for text in texts:
        if not text.strip():
            raise ScopePathError('an empty text names no path; write "." for the folder that you are in')
        plain = _as_the_kernel_sees(root, near, text)
        if plain is not None:
            found[plain] = None
            continue
        start = Path(os.path.realpath(cwd)) if cwd else repo.root
        for resolved in _resolve(repo.root, start, text):
            found[resolved] = None
    return tuple(found)


def link_itself(repo: Repository, text: str, cwd: Path | None = None) -> str | None:
    """Return the path of the symbolic link that a text names, and not of what it leads to; `None` if it names none."""
    named = os.path.join(cwd or repo.root, text)  # noqa: PTH118  - a Path would drop a slash at the end
    if "\0" in text or not os.path.islink(named):  # noqa: PTH114  - no error
        return None
    place = Path(os.path.realpath(os.path.dirname(named)), os.path.basename(named))  # noqa: PTH119, PTH120  - the same
    return place.relative_to(repo.root).as_posix() if place.is_relative_to(repo.root) else None


def _as_the_kernel_sees(root: str, near: str, text: str) -> str | None:
    """Resolve a name without wildcards in a few system calls, however deep it lies; `None`: look closer.

    A lease is asked for at each edit, so the usual case, a file in the repository, is worth its own way.
    """
    if not text or _SPECIAL.search(text) or text.startswith(_NAMES):
        return None
    named = text if text.startswith("/") else f"{near}/{text}"
    head, missing = named, ""
    while (found := _opened(head)) is None:
        if os.path.islink(head):  # noqa: PTH114  - a string is what there is
            return None
        head, _, base = head.rpartition("/")
        if not head or base in _NOT_NAMES:
            return None
        missing = f"/{base}{missing}"
    real, is_folder = found
    if missing:
        if not is_folder:
            return None
        real, is_folder = real.rstrip("/") + missing, False
    prefix = root.rstrip("/") + "/"
    if not real.startswith(prefix) or _SPECIAL.search(real):
        return None
    path = real.removeprefix(prefix)
    if path.startswith(_NAMES) or path != path.strip():
        return None
    return f"{path}/" if is_folder else path


def _opened(path: str) -> tuple[str, bool] | None:
    """Return the real path behind `path`, and whether it is a folder; `None` if it cannot be reached."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        real = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115  - a string is what is wanted
        return real, stat.S_ISDIR(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _resolve(root: Path, start: Path, text: str) -> list[str]:
    if text.startswith(_NAMES) or "\0" in text:
        return [text]  # the parser of scopes has the better words for what is wrong with it
    if os.path.lexists(start / text):
        return [_literal(root, start, text, text.split("/"), [])]
    try:
        alternatives = braces.expand(text)
    except ValueError as error:
        raise ScopePathError(f'scope "{text}": {error}') from None
    return [_literal(root, start, text, *_split(alternative)) for alternative in alternatives]


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the segments before the first wildcard without their escapes, and the rest as written."""
    parts = text.split("/")
    plain: list[str] = []
    for at, part in enumerate(parts):
        try:
            characters = [glyph.literal for glyph in lex(part)]
        except ValueError:
            return plain, parts[at:]
        if None in characters:
            return plain, parts[at:]
        plain.append("".join(filter(None, characters)))
    return plain, []


def _literal(root: Path, start: Path, text: str, plain: list[str], rest: list[str]) -> str:
    named = os.path.join(start, "/".join(plain) or ("/" if text.startswith("/") else ""))  # noqa: PTH118  - keeps ".."
    real = Path(os.path.realpath(named))
    loop = next((place for place in (real, *real.parents) if os.path.islink(place)), None)  # noqa: PTH114  - no error
    if loop:
        raise ScopePathError(f'scope "{text}" goes through a loop of symbolic links at {loop}; mend the link')
    if not real.is_relative_to(root):
        raise ScopePathError(_outside(root, start, text, plain, real))
    path = escape(real.relative_to(root).as_posix()).replace("{", "\\{")
    is_folder = os.path.isdir(real) or (plain[-1:] == [""] and not os.path.exists(real))  # noqa: PTH110, PTH112  - no error
    tail = "/".join(rest) if rest else ("" if is_folder else None)
    if path == ".":
        path = tail or "./"
    elif tail is not None:
        path = f"{path}/{tail}"
    return f"./{path}" if path.startswith(_NAMES) else path


def _outside(root: Path, start: Path, text: str, plain: list[str], real: Path) -> str:
    """Return the refusal, naming the link that leaves the repository if it is one that does."""
    here = "/" if text.startswith("/") else str(start)
    for part in plain:
        below = os.path.join(here, part)  # noqa: PTH118  - a Path would drop the ".." that the kernel follows
        inside = Path(os.path.realpath(here)).is_relative_to(root)
        if inside and os.path.islink(below) and not Path(os.path.realpath(below)).is_relative_to(root):  # noqa: PTH114
            return (
                f'scope "{text}" leaves the repository {root}: the link {below} points to '
                f"{os.path.realpath(below)}; name a path inside the repository"
            )
        here = below
    return f'scope "{text}" is {real}, outside the repository {root}; name a path inside it'
