"""Secrets made unreadable in what is shown or kept of a session's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "[masked]"
_SHORTEST = 8  # characters; what is shorter is no secret, and would blot out plain words

# Shapes of keys that providers give out. Each begins with something that plain text does not.
_SHAPES = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{16,}              # Anthropic, OpenAI and those that do as they do
    | \b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{20,}
    | \bgithub_pat_[A-Za-z0-9_]{20,}
    | \bglpat-[A-Za-z0-9_-]{16,}
    | \bAIza[A-Za-z0-9_-]{30,}
    | \bAKIA[A-Z0-9]{16}\b
    | \bxox[abprs]-[A-Za-z0-9-]{10,}
    | \b(?:npm|pypi)[_-][A-Za-z0-9_-]{30,}
    | \bhf_[A-Za-z0-9]{20,}
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/-]{16,}=*
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[\s\S]*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE,
)
_HINT = re.compile(r"sk-|gh[pousr]_|github_pat_|glpat-|AIza|AKIA|xox|npm_|pypi-|hf_|eyJ|earer |PRIVATE KEY")


_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values of variables that are named like secrets."""
    return [value for name, value in environ.items() if name.upper().endswith(_NAMES)]


def _forms(value: str) -> tuple[str, ...]:
    """Return how a value stands in text: as it is, within JSON, and line by line where it has several."""
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    return (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], *lines)


class Masks:
    """Hides known values and the shapes of keys."""

    __slots__ = ("_values",)

    def __init__(self, values: Iterable[str] = ()) -> None:
        forms = {form for value in values for form in _forms(value)}
        long = sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, long))) if long else None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        return _SHAPES.sub(MASK, text) if _HINT.search(text) else text

    def all(self, value: Any) -> Any:
        """Return a JSON value whose texts are without secrets."""
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return {name: self.all(inner) for name, inner in value.items()}
            case list() | tuple():
                return [self.all(inner) for inner in value]
            case _:
                return value
