"""Which file a harness's command is, and in words why it could not be run."""

from __future__ import annotations

import errno
import os
import stat

_GUARD = {
    errno.EBUSY: "another guard is at work above this one, as inside a session",
    errno.EINVAL: "this kernel cannot hold system calls",
    errno.ENOSYS: "this kernel cannot hold system calls",
    errno.EPERM: "a sandbox around the worker forbids it",
    errno.EACCES: "a sandbox around the worker forbids it",
}

_CONFINE = {
    errno.ENOSYS: "this kernel was built without Landlock",
    errno.EOPNOTSUPP: "this kernel was started without Landlock (landlock is not in its lsm= list)",
    errno.EPERM: "a sandbox around the worker forbids it",
    errno.EACCES: "a sandbox around the worker forbids it",
    errno.E2BIG: "it is inside as many confinements as the kernel bears",
}


class Command:
    """A program's absolute path, its words, its environment, and the directory it starts in."""

    __slots__ = ("argv", "cwd", "env", "program")

    def __init__(self, program: str, argv: list[str], env: dict[str, str], cwd: str) -> None:
        self.program = program
        self.argv = argv
        self.env = env
        self.cwd = cwd


class Unrunnable(Exception):  # noqa: N818  - reads as what it says: the command is unrunnable
    """The command cannot be run; the text is one sentence with the way out."""


def find_program(argv: list[str], env: dict[str, str], cwd: str) -> str:
    """Return the absolute path of the program `argv[0]`, found as a shell in `cwd` would find it.

    Raises:
        Unrunnable: the working directory or the program is missing or unusable.
    """
    if not os.path.isdir(cwd):
        raise Unrunnable(f'the working directory "{cwd}" does not exist')
    name = argv[0]
    if "/" in name:
        path = os.path.normpath(os.path.join(cwd, name)) if not name.startswith("/") else name
        return _checked(path)
    search = env.get("PATH", os.defpath)
    candidates = [os.path.join(cwd, folder, name) for folder in search.split(os.pathsep)]
    present = [path for path in candidates if os.path.isfile(path)]
    for path in present:
        if os.access(path, os.X_OK):
            return path
    if present:
        return _checked(present[0])
    raise Unrunnable(f'"{name}" is not on the session\'s PATH ({search}); install it or give its full path')


def guard_refused(number: int) -> str:
    """Return why the kernel did not take the guard's filter, from the errno."""
    return f"the guard cannot be put in place: {_GUARD.get(number) or _reason(number)}"


def unconfinable(number: int, path: str | None = None) -> str:
    """Return why nothing can be confined, from the errno and the path that it is about, if any."""
    why = f'"{path}" cannot be looked at ({_reason(number)})' if path else _CONFINE.get(number)
    return why or _reason(number)


def confine_refused(number: int, path: str | None = None) -> str:
    """Return why a session that is to be confined cannot be."""
    why = unconfinable(number, path)
    return f"the session cannot be confined, which its repository's confine asks for: {why}"


def _checked(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise Unrunnable(f'"{path}" cannot be run: {_reason(error.errno)}') from None
    if stat.S_ISDIR(mode):
        raise Unrunnable(f'"{path}" is a directory, not a program')
    if not os.access(path, os.X_OK):
        raise Unrunnable(f'"{path}" is not executable for this user; chmod +x it, or name another program')
    return path


def explain(command: Command, stage: str, number: int) -> str:
    """Return the sentence for a step between fork and exec that failed with errno `number`."""
    if stage == "chdir":
        return f'the working directory "{command.cwd}" cannot be entered: {_reason(number)}'
    if stage == "confine":
        return confine_refused(number)
    if stage == "guard":
        return f'{guard_refused(number)}, and leases.required_level is "kernel"'
    if stage != "exec":
        return f"the harness's process could not be prepared ({stage}): {_reason(number)}"
    program = command.program
    match number:
        case errno.ENOENT:
            return f'"{program}" cannot be run: the interpreter that its first line or header names does not exist'
        case errno.ENOEXEC:
            return f'"{program}" cannot be run: it is neither a program of this machine nor a script that begins with #!'
        case errno.E2BIG:
            return f'"{program}" cannot be run: its arguments and environment are too long for the kernel'
        case errno.ETXTBSY:
            return f'"{program}" cannot be run: a process has it open for writing'
        case _:
            return f'"{program}" cannot be run: {_reason(number)}'


def _reason(number: int | None) -> str:
    return os.strerror(number or 0).lower()
