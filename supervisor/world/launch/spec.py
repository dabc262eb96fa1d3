"""A session's folder as the worker finds it: the brief, and spec.json that says what to run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from supervisor.core.leases.lease import Lease
from supervisor.core.sessions.budget import Budget
from supervisor.world.launch.rung import Rung

SCHEMA = 1
PROMPT = "prompt.md"
NOTICE = "notice"
HOME = "home"
OWN_CGROUP = "own"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may use: `memory` in bytes, `processes` counted with threads; `None` is no limit."""

    memory: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class GuardSpec:
    """How the worker is to hold the session to its leases in the work tree `root` of repository `name`.

    `wait` (seconds) is how long a write waits for another session's lease, `git_wait` a git command for
    another session's to end, `patience` how long either waits for a supervisor that is away; `open_when_away` lets writes pass after that instead of refusing them.
    `required`: the session must not run without. `git` is the program, `git_dir` the common git directory.
    `leases` is what the session holds at its start, `env` are variables that hold instead once the
    guard is in place. `hooks` is the folder that git then looks in, `spare_hooks` the one with every hook there is,
    `own_hooks` the repository's own, as far as its configuration goes at the start,
    `target` names the branch that the session's own will be integrated into.
    Where `root` is a work tree of its own, `checkout` is the one that it belongs to, and `others` the folder with those of
    all sessions.
    `aliases` are git's own commands by the aliases that stand for them.
    """

    name: str
    root: Path
    git: str
    git_dir: Path
    control: Path
    token: str
    aliases: Mapping[str, str]
    wait: float
    git_wait: float
    patience: float
    open_when_away: bool
    keep_dumpable: bool
    required: bool
    hooks: Path
    spare_hooks: Path
    own_hooks: Path
    env: Mapping[str, str]
    leases: tuple[Lease, ...] = ()
    target: str = ""
    checkout: Path | None = None
    others: Path | None = None

    def as_spec(self) -> dict[str, object]:
        """Return it as spec.json has it."""
        return {
            "repo": self.name,
            "root": str(self.root),
            "git": self.git,
            "git_dir": str(self.git_dir),
            "control": str(self.control),
            "token": self.token,
            "aliases": dict(self.aliases),
            "wait": self.wait,
            "git_wait": self.git_wait,
            "patience": self.patience,
            "open_when_away": self.open_when_away,
            "keep_dumpable": self.keep_dumpable,
            "required": self.required,
            "hooks": str(self.hooks),
            "spare_hooks": str(self.spare_hooks),
            "own_hooks": str(self.own_hooks),
            "env": dict(self.env),
            "target": self.target,
            "checkout": str(self.checkout) if self.checkout is not None else None,
            "others": str(self.others) if self.others is not None else None,
            "leases": [msgspec.to_builtins(lease) for lease in self.leases],
        }


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What one worker is to run. `command` may hold the placeholders of `fill_command`.

    `cgroup` is the launcher's to fill in: `None` for none, `OWN_CGROUP` for the one in which the worker is
    started, or the directory of one that was made for the session and that the worker is to enter. `limits`
    hold where the launcher's rung can hold them. `rung` is the one on which the session is started. `files`
    and `links` (to what is there) are made below the folder `HOME`, the harness's own. `stop` is the signal that ends it kindly.
    `confine` are the paths at and below which alone it may write, `None` for everywhere.
    """

    session: str
    task: str
    command: Sequence[str]
    prompt: str
    env: Mapping[str, str]
    cwd: Path
    budget: Budget
    log_limit: int
    socket: Path
    model: str = ""
    repo: Path | None = None
    cgroup: str | None = None
    limits: Limits = Limits()
    rung: Rung = Rung.SWEEP
    guard: GuardSpec | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, Path] = field(default_factory=dict)
    stop: str = "TERM"
    confine: tuple[Path, ...] | None = None


def fill_command(spec: SessionSpec, folder: Path) -> tuple[list[str], bool]:
    """Return the argument vector, and whether the prompt is in it (else it goes to standard input).

    `{prompt}`, `{prompt_file}`, `{task}`, `{session}`, `{model}` and `{repo}` are filled in; other
    braces stay as they are, since commands have braces of their own.
    """
    values = {
        "{prompt}": spec.prompt,
        "{prompt_file}": str(folder / PROMPT),
        "{task}": spec.task,
        "{session}": spec.session,
        "{model}": spec.model,
        "{repo}": str(spec.repo or ""),
    }
    takes_prompt = any("{prompt}" in word or "{prompt_file}" in word for word in spec.command)
    return [_filled(word, values) for word in spec.command], takes_prompt


def write_session_folder(spec: SessionSpec, folder: Path) -> None:
    """Make the folder with the brief and spec.json; only its owner can read them (they hold secrets).

    Raises:
        OSError: it exists already, or cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True)
    argv, takes_prompt = fill_command(spec, folder)
    _make_home(spec, folder / HOME)
    (folder / PROMPT).write_text(spec.prompt, encoding="utf-8", errors="surrogateescape")
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "session": spec.session,
        "task": spec.task,
        "argv": argv,
        "env": dict(spec.env),
        "cwd": str(spec.cwd),
        "stdin": None if takes_prompt else str(folder / PROMPT),
        "budget": spec.budget.as_spec(),
        "log_limit": spec.log_limit,
        "socket": str(spec.socket),
        "soft_signal": spec.stop,
        "guard": spec.guard.as_spec() if spec.guard is not None else None,
        "confine": None if spec.confine is None else [str(path) for path in spec.confine],
        "cgroup": spec.cgroup,
        "rung": spec.rung.value,
    }
    path = folder / "spec.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)


def _make_home(spec: SessionSpec, home: Path) -> None:
    home.mkdir(mode=0o700)
    for name, content in spec.files.items():
        path = home / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o700 if content.startswith(b"#!") else 0o600)
    for name, target in spec.links.items():
        if target.exists():
            path = home / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.symlink_to(target)


def _filled(word: str, values: Mapping[str, str]) -> str:
    # One pass, so that a brace inside a prompt is never taken for a placeholder.
    parts: list[str] = []
    rest = word
    while rest:
        found = [(at, name) for name in values if (at := rest.find(name)) >= 0]
        if not found:
            break
        at, name = min(found)
        parts += [rest[:at], values[name]]
        rest = rest[at + len(name) :]
    return "".join([*parts, rest])
