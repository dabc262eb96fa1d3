"""Command lines for settings that only take a text."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def shell(words: Sequence[str]) -> str:
    """Return words as a shell reads them."""
    return shlex.join(words)
