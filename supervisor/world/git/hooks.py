"""Put the commit gate into a session: hook scripts in a folder of ours, found through the environment alone."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import workers
from supervisor.world.git.repository import HEADS, Repository
from supervisor.world.git.run import configuration

# Every hook that a command in a session can run. core.hooksPath hides the repository's own folder, so a
# name that is missing here would switch that hook off. Left out are the hooks of a receiving repository
# (git does not hand the environment on to it, and the mere presence of push-to-checkout or
# proc-receive changes what a push does).
NAMES = (
    "applypatch-msg",
    "commit-msg",
    "p4-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "p4-prepare-changelist",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "prepare-commit-msg",
    "reference-transaction",
    "sendemail-validate",
)
# What every commit needs; under the guard, which sees branches move, each other one is there only for the sake of
# the repository's own hook of that name: an empty one costs a process at every commit.
TRAILERS = ("applypatch-msg", "commit-msg", "prepare-commit-msg")
# These come after what every commit does, so our script puts their links in when the repository has one.
LATE = ("post-commit", "post-index-change")
_SCRIPT = "hook"
_CONFIG = "gitconfig"


class HooksError(Exception):
    """The hook scripts cannot be put in place, so no commit would be gated."""


def install_hooks(folder: Path, names: Iterable[str] = NAMES) -> None:
    """Write the hook scripts into `folder`, which the supervisor owns; doing it again repairs them.

    The script itself is read-only: a hook installer that asks git for the hook folder would write here,
    through one of the names.

    Raises:
        HooksError: the folder cannot be written, or programs in it cannot be run.
    """
    package = Path(workers.__file__).parent
    script = (package / "hooks" / _SCRIPT).read_text(encoding="utf-8")
    script = script.replace("@PYTHON@", shlex.quote(sys.executable))
    script = script.replace("@ROOT@", shlex.quote(str(package.parent)))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _place(folder / _SCRIPT, script, 0o500)
        _place(folder / _CONFIG, f"[core]\n\thooksPath = {_quoted(str(folder))}\n", 0o400)
        for name in names:
            _link(folder / name)
    except OSError as error:
        raise HooksError(f"git hooks cannot be written to {folder}: {error.strerror}") from error
    if not os.access(folder / _SCRIPT, os.X_OK):
        # git would pass over them without a word.
        raise HooksError(
            f"programs in {folder} cannot be run (the file system is mounted noexec?); set "
            "supervisor.state_dir to a folder on a file system without noexec"
        )


def needed(repo: Repository) -> tuple[str, ...]:
    """Return the names that a guarded session needs: for trailers, and those of the repository's own hooks."""
    own = own_hooks(repo)
    return tuple(name for name in NAMES if name in TRAILERS or os.access(own / name, os.X_OK))


def needed_alone(repo: Repository) -> tuple[str, ...]:
    """Return the names that a session without a guard needs: nobody else sees branches move, or hooks installed."""
    own = own_hooks(repo)
    return tuple(name for name in NAMES if name not in LATE or os.access(own / name, os.X_OK))


def own_hooks(repo: Repository) -> Path:
    """Return the folder of the repository's own hooks, as its configuration has it for this work tree."""
    return repo.hooks if repo.hooks.is_absolute() else repo.root / repo.hooks


def environment(
    repo: Repository, folder: Path, inherited: Mapping[str, str], *, target: str = ""
) -> dict[str, str]:
    """Return the variables that put a session in `repo` under the gate whose scripts lie in `folder`.

    They hold for the repository and its worktrees; any other repository that the session works in keeps
    its own hooks, untouched. `inherited` is the environment that the session gets otherwise:
    configuration which the operator passes through GIT_CONFIG_COUNT stays, ours is added behind it, and said
    again in GIT_CONFIG_PARAMETERS, which wins: some harnesses give their shell more pairs, with an empty
    core.hooksPath among them. A GIT_CONFIG_PARAMETERS of the operator is not handed on.

    `target` is the branch that the session's own branch will be integrated into, where it has one: what
    the target or a remote has already is then not held against the session.
    """
    count = inherited.get("GIT_CONFIG_COUNT", "")
    place = int(count) if count.isdecimal() else 0
    condition = "includeIf.gitdir/i:" if repo.fold_case else "includeIf.gitdir:"
    shared = _literal(str(repo.common_dir))
    names = [f"{condition}{pattern}.path" for pattern in (shared, f"{shared}/worktrees/**")]
    file = str(folder / _CONFIG)
    variables = configuration([(name, file) for name in names], after=place) | {
        "LEASEHOLD_REPO_GIT": str(repo.common_dir),
        "LEASEHOLD_REPO_HOOKS": str(repo.hooks),
    }
    variables["GIT_CONFIG_PARAMETERS"] = " ".join(f"{_shell(name)}={_shell(file)}" for name in names)
    if not target:
        variables["GIT_OPTIONAL_LOCKS"] = "0"  # in its own work tree nobody else's commit can fail by them
    else:
        variables["LEASEHOLD_TARGET"] = HEADS + target.removeprefix(HEADS)
    return variables


def _place(path: Path, content: str, mode: int) -> None:
    old = None
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        if not path.is_symlink():
            old = path.stat()
            if path.read_text(encoding="utf-8") == content:
                path.chmod(mode)
                return
    # Whole or not at all: a session may be running the old one at this moment.
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(content, encoding="utf-8")
    new.chmod(mode)
    if old:
        # The script believes what living sessions were told about hooks up to its own age.
        os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(path)


def _link(path: Path) -> None:
    if path.is_symlink() and path.readlink() == Path(_SCRIPT):
        return
    path.unlink(missing_ok=True)
    path.symlink_to(_SCRIPT)


def _quoted(value: str) -> str:
    """Return `value` as git's configuration files write it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _shell(value: str) -> str:
    """Return `value` as git quotes it for GIT_CONFIG_PARAMETERS, exclamation marks included."""
    return "'" + value.replace("'", "'\\''").replace("!", "'\\!'") + "'"


def _literal(path: str) -> str:
    """Return the pattern that matches `path` and nothing else."""
    return "".join("\\" + char if char in "\\*?[" else char for char in path)
