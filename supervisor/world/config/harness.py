"""What can be said of a harness's command line and variables without looking at the host."""

from __future__ import annotations

import re
from difflib import get_close_matches

PLACEHOLDERS = ("prompt", "prompt_file", "task", "session", "model", "repo")
_BRACED = re.compile(r"\{([A-Za-z_]+)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_command(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command that has a program, no NUL, and no placeholder that looks misspelt.

    Other words in braces are left alone, since commands have braces of their own.

    Raises:
        ValueError: it has one of these faults.
    """
    if not words or not words[0]:
        raise ValueError('is empty; name a program, for instance ["claude", "-p", "{prompt}"]')
    for word in words:
        if "\0" in word:
            raise ValueError("has a NUL character, which no program can be given")
        for name in _BRACED.findall(word):
            near = get_close_matches(name, PLACEHOLDERS, 1, 0.75)
            if name not in PLACEHOLDERS and near:
                raise ValueError(f"no placeholder {{{name}}}; did you mean {{{near[0]}}}?")
    return words


def check_adapter(name: str) -> str:
    """Return the name of an adapter that there is.

    Raises:
        ValueError: there is none of that name, or it cannot be loaded.
    """
    from supervisor.world.harness.registry import find  # noqa: PLC0415  - a file without one need not load them

    find(name)
    return name


# How long a commit waits for a supervisor is the operator's affair.
_SETTABLE = frozenset({"LEASEHOLD_GATE_WAIT"})


def check_variable(name: str) -> None:
    """Accept the name of a variable that a configuration may set.

    Raises:
        ValueError: it is no name, or one that each session gets from the supervisor.
    """
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f'"{name}" is not the name of an environment variable')
    if name.startswith("LEASEHOLD") and name not in _SETTABLE:
        raise ValueError(f"{name} is set by the supervisor; choose a name without LEASEHOLD")
