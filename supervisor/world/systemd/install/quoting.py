"""Words as unit files want them."""

from __future__ import annotations

import os
from collections.abc import Iterable


def value(text: str | os.PathLike[str]) -> str:
    """Return a text that stands alone after `=`: specifiers are escaped."""
    return os.fspath(text).replace("%", "%%")


def word(text: str | os.PathLike[str]) -> str:
    """Return a text as one word of a list, for instance a path with spaces."""
    escaped = value(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped == "" or any(c in escaped for c in " \t;'\"\\#") else escaped


def command(words: Iterable[str | os.PathLike[str]]) -> str:
    """Return a command line of ExecStart=, in which `$` is special too."""
    return " ".join(word(os.fspath(text).replace("$", "$$")) for text in words)
