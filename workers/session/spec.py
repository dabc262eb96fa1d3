"""What the supervisor asks of one worker: `spec.json` in the session's folder, read once."""

from __future__ import annotations

import json
import math
import os
import signal

from workers.session.clock import FOREVER
from workers.session.notify import PRIVATE

SCHEMA = 1


class SpecError(ValueError):
    """The specification cannot be used; the text says which key is wrong and how."""


class Budget:
    """Lengths in seconds. `FOREVER` where the session has no such limit.

    `wall` is the whole life of the harness, `warn` how long before its end the session is told,
    `grace` the time between the soft signal and KILL, `startup` how long both logs may stay empty,
    `resident` how long the harness may live on after its work was reported finished.
    """

    __slots__ = ("grace", "resident", "startup", "wall", "warn")

    def __init__(self, wall: float, warn: float, grace: float, startup: float, resident: float) -> None:
        self.wall = wall
        self.warn = warn
        self.grace = grace
        self.startup = startup
        self.resident = resident


class GuardSpec:
    """How the session's writes are held to its leases; `wait`, `git_wait` and `patience` in seconds.

    Where `root` is a work tree of its own, `checkout` is the one that it belongs to and `others` the folder with those
    of all sessions; else both are empty.
    """

    __slots__ = (
        "aliases",
        "checkout",
        "control",
        "env",
        "git",
        "git_dir",
        "git_wait",
        "hooks",
        "keep_dumpable",
        "leases",
        "open_when_away",
        "others",
        "own_hooks",
        "patience",
        "repo",
        "required",
        "root",
        "spare_hooks",
        "target",
        "token",
        "wait",
    )

    def __init__(self, content: dict[str, object]) -> None:
        self.repo = _text(content, "repo")
        self.root = _absolute(content, "root")
        self.git = _absolute(content, "git")
        self.git_dir = _absolute(content, "git_dir")
        self.control = _absolute(content, "control")
        self.token = _text(content, "token")
        self.target = str(content.get("target") or "")
        self.hooks = _absolute(content, "hooks")
        self.spare_hooks = _absolute(content, "spare_hooks")
        self.own_hooks = _absolute(content, "own_hooks")
        self.env = _env(content)
        self.wait = _seconds(content, "wait")
        self.git_wait = _seconds(content, "git_wait")
        self.patience = _seconds(content, "patience")
        self.open_when_away = content.get("open_when_away") is True
        self.keep_dumpable = content.get("keep_dumpable") is True
        self.required = content.get("required") is True
        self.leases = _leases(content)
        self.checkout = _absolute(content, "checkout") if content.get("checkout") is not None else ""
        self.others = _absolute(content, "others") if self.checkout else ""
        self.aliases = {
            os.fsencode(name): os.fsencode(command) for name, command in _env(content, "aliases").items()
        }


class Spec:
    """One session to run: the command with its surroundings, its limits, and where to listen."""

    __slots__ = (
        "argv",
        "budget",
        "cgroup",
        "confine",
        "cwd",
        "env",
        "folder",
        "guard",
        "log_limit",
        "session",
        "socket",
        "soft_signal",
        "stdin",
        "task",
    )

    def __init__(self, folder: str, content: dict[str, object]) -> None:
        self.folder = folder
        if content.get("schema") != SCHEMA:
            raise SpecError(f"schema is {content.get('schema')!r}; this worker reads schema {SCHEMA}")
        self.session = _text(content, "session")
        self.task = _text(content, "task")
        self.argv = _argv(content)
        self.env = _env(content)
        self.cwd = _absolute(content, "cwd")
        self.stdin = _text(content, "stdin") if content.get("stdin") is not None else os.devnull
        self.socket = _absolute(content, "socket")
        self.budget = _budget(content)
        self.log_limit = int(_seconds(content, "log_limit"))
        self.soft_signal = _signal(content)
        self.cgroup = _cgroup(content)
        self.guard = _guard(content)
        self.confine = _confine(content)

    def path(self, name: str) -> str:
        """Return the path of one of the session's own files."""
        return os.path.join(self.folder, name)


def read_spec(folder: str) -> Spec:
    """Return the specification in `folder`.

    Raises:
        SpecError: it is missing, is not JSON, or a key is missing or wrong.
    """
    path = os.path.join(folder, "spec.json")
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path} is not a JSON object")
    try:
        return Spec(folder, content)
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None


def _leases(content: dict[str, object]) -> list[object]:
    value = content.get("leases")
    if not isinstance(value, list):
        raise SpecError("leases must be a list")
    return value


def _guard(content: dict[str, object]) -> GuardSpec | None:
    value = content.get("guard")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise SpecError("guard must be an object or null")
    try:
        return GuardSpec(value)
    except SpecError as error:
        raise SpecError(f"guard.{error}") from None


def _text(content: dict[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise SpecError(f"{key} must be a text that is not empty")
    return value


def _absolute(content: dict[str, object], key: str) -> str:
    value = _text(content, key)
    if not value.startswith("/"):
        raise SpecError(f'{key} must be an absolute path, not "{value}"')
    return value


def _argv(content: dict[str, object]) -> list[str]:
    value = content.get("argv")
    if not isinstance(value, list) or not value or not value[0] or not all(_plain(word) for word in value):
        raise SpecError("argv must be a list of texts, the program first")
    return value


def _env(content: dict[str, object], name: str = "env") -> dict[str, str]:
    value = content.get(name)
    if not isinstance(value, dict) or not all(map(_plain, value.values())):
        raise SpecError(f"{name} must be an object of texts")
    if not all(key and "=" not in key and "\0" not in key for key in value):
        raise SpecError(f"{name} has a name that is empty or contains =")
    return {key: text for key, text in value.items() if key not in PRIVATE}


def _plain(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _budget(content: dict[str, object]) -> Budget:
    value = content.get("budget")
    if not isinstance(value, dict):
        raise SpecError("budget must be an object with wall, warn and grace in seconds")
    return Budget(
        wall=_seconds(value, "wall"),
        warn=_seconds(value, "warn"),
        grace=_seconds(value, "grace"),
        startup=_seconds(value, "startup") if value.get("startup") is not None else FOREVER,
        resident=_seconds(value, "resident") if value.get("resident") is not None else FOREVER,
    )


def _seconds(content: dict[str, object], key: str) -> float:
    value = content.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise SpecError(f"{key} must be a number that is zero or more")
    return value


def _signal(content: dict[str, object]) -> int:
    name = _text(content, "soft_signal") if "soft_signal" in content else "TERM"
    number = getattr(signal, "SIG" + name, None)
    if not isinstance(number, signal.Signals):
        raise SpecError(f'soft_signal "{name}" is not a signal; write for instance "TERM" or "INT"')
    return int(number)


def _confine(content: dict[str, object]) -> list[str] | None:
    """Return the paths at and below which alone the session may write, or `None` for everywhere."""
    value = content.get("confine")
    if value is None:
        return None
    if not isinstance(value, list) or not all(_plain(path) and path.startswith("/") for path in value):
        raise SpecError("confine must be null or a list of absolute paths")
    return value


def _cgroup(content: dict[str, object]) -> str | None:
    value = content.get("cgroup")
    if value is None or value == "own" or (isinstance(value, str) and value.startswith("/")):
        return value
    raise SpecError(f'cgroup must be null, "own" or the absolute path of a cgroup, not {value!r}')
