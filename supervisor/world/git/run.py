"""Run one git command beside the event loop: bounded, clean of foreign environment, and gone afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable

import anyio

DEFAULT_TIMEOUT = 30.0
_KILL_WAIT = 10.0  # seconds a killed git may need to leave the kernel (a dead network file system)

# Which configuration files git reads and how it names a committer is the operator's business; everything
# else that begins with GIT_ would point the command at another repository, index or hook folder.
_KEPT = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_EXEC_PATH",
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_CEILING_DIRECTORIES",
    }
)


class GitError(Exception):
    """A git command did not do what was asked.

    `status` is its exit status: negative for a signal, `None` when it never ran or ran out of time.
    `stderr` is what git said.
    """

    def __init__(self, message: str, *, status: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.stderr = stderr


class GitTimeoutError(GitError):
    """The command was still running at its limit; it and its children were killed."""


def clean_environment() -> dict[str, str]:
    """Return this process's environment without anything that redirects git or belongs to a session."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LEASEHOLD_") and (not name.startswith("GIT_") or name in _KEPT)
    }
    # Reads must never take index.lock from a session that is committing, nor wait for a password.
    return environment | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def configuration(settings: Iterable[tuple[str, str]], *, after: int = 0) -> dict[str, str]:
    """Return the variables that add settings to git's configuration, behind the `after` that it is given already."""
    variables: dict[str, str] = {}
    count = after
    for key, value in settings:
        variables[f"GIT_CONFIG_KEY_{count}"] = key
        variables[f"GIT_CONFIG_VALUE_{count}"] = value
        count += 1
    return variables | {"GIT_CONFIG_COUNT": str(count)}


async def git(
    repo: str | os.PathLike[str],
    *args: str,
    timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109  - the limit must also end the process, not only the wait
    stdin: bytes = b"",
    hooks: bool = False,
    extra_env: dict[str, str] | None = None,
    warnings: list[str] | None = None,
) -> bytes:
    """Run `git ARGS` in `repo` and return its standard output; what it warns of is added to `warnings`.

    Output goes to memory files, so a grandchild that outlives git cannot hold the answer back. No hook
    and no file-system monitor of the repository runs unless `hooks` is set. `timeout` is in seconds. When
    the caller is cancelled, git and its children are killed and reaped before the cancellation goes on.

    Raises:
        GitTimeoutError: git was still running after `timeout`.
        GitError: git is not installed, failed, or was killed.
    """
    quiet = () if hooks else ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
    argv = ["git", "-C", os.fspath(repo), *quiet, *args]
    name = f"git {args[0]}" if args else "git"
    with contextlib.ExitStack() as files:
        try:
            source, out, err = (_memory_file(files, content) for content in (stdin, b"", b""))
        except OSError as error:
            raise GitError(f"git cannot be started: {error.strerror}") from error
        status = await _run(argv, clean_environment() | (extra_env or {}), (source, out, err), timeout)
        if status == 0:
            if warnings is not None:
                said = _content(err).decode("utf-8", "surrogateescape")
                warnings += [line.removeprefix("warning: ") for line in said.splitlines()]
            return _content(out)
        said = _content(err).decode("utf-8", "replace").strip()
    if status is None:
        raise GitTimeoutError(
            f"{name} in {os.fspath(repo)} was still running after {timeout:g} s and was killed; "
            "look for a slow disk, a huge untracked folder or a stuck filter program",
            stderr=said,
        )
    reason = _reason(said) or (f"killed by signal {-status}" if status < 0 else f"exit status {status}")
    raise GitError(f"{name} in {os.fspath(repo)} failed: {reason}", status=status, stderr=said)


async def _run(
    argv: list[str], environment: dict[str, str], stdio: tuple[int, int, int], limit: float
) -> int | None:
    """Return the exit status, or `None` when `limit` seconds came first; in every case git is reaped."""
    try:
        process = subprocess.Popen(  # noqa: ASYNC220  - forks and execs in 0.1 ms; waiting is by pidfd
            argv, env=environment, stdin=stdio[0], stdout=stdio[1], stderr=stdio[2], start_new_session=True
        )
    except FileNotFoundError as error:
        raise GitError("git is not installed or not in PATH; install git 2.31 or newer") from error
    except OSError as error:
        raise GitError(f"git cannot be started: {error.strerror}") from error
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError as error:
        process.kill()  # nobody could wait for it; it is not reaped yet, so the number is its own
        process.wait()
        raise GitError(f"git cannot be watched: {error.strerror}") from error
    exited = False
    try:
        with anyio.move_on_after(limit):
            await anyio.wait_readable(pidfd)
            exited = True
    finally:
        if not exited:
            # The leader is not reaped yet, so its number still names its group and nobody else's.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with anyio.move_on_after(_KILL_WAIT, shield=True):
                await anyio.wait_readable(pidfd)
        os.close(pidfd)
        process.poll()
    return process.returncode if exited else None


def _memory_file(files: contextlib.ExitStack, content: bytes) -> int:
    fd = os.memfd_create("git", os.MFD_CLOEXEC)
    files.callback(os.close, fd)
    written = 0
    while written < len(content):
        written += os.pwrite(fd, content[written:], written)
    return fd


def _content(fd: int) -> bytes:
    # By position: the offset is shared with whatever git left running.
    size = os.fstat(fd).st_size
    parts: list[bytes] = []
    while size > 0 and (part := os.pread(fd, size, sum(map(len, parts)))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _reason(said: str) -> str:
    """Return the one line of git's complaint that names the cause."""
    lines = [line for line in said.splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("fatal: ", "error: ")):
            return line.split(": ", 1)[1]
    return lines[0] if lines else ""
