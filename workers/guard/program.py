"""The seccomp filter as a classic BPF program: which calls are held, which fail, which pass.

Pure: from tables to bytes. The program sees numbers only, never memory, so a path is looked at later.
"""

from __future__ import annotations

import errno
import struct

from workers.guard.architecture import NUMBERS, RUNS_TOO, X32_BIT, X86_64

# O_WRONLY, O_RDWR, O_CREAT and O_TRUNC: the same bits on every architecture of the table.
WRITES = 0o1 | 0o2 | 0o100 | 0o1000

_LOAD, _JUMP, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_HOLD = 0x7FC00000
_ERRNO = 0x00050000

_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16
_PR_SET_DUMPABLE = 4

# Held when the flags in this argument (counted from 0) ask to write.
_BY_FLAGS = {"openat": 2, "open": 1}
# Held always: what they name, or how, stands in memory.
_HELD = (
    *("creat", "openat2", "truncate", "truncate64", "rename", "renameat", "renameat2", "unlink", "unlinkat"),
    *("link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat"),
)
_EXEC = ("execve", "execveat")


class _Program:
    """Instructions with labels for jump targets; jumps go forward only, as the kernel demands."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str | None, str | None]] = []
        self._labels: dict[str, int] = {}

    def load(self, offset: int) -> None:
        self._lines.append((_LOAD, offset, None, None))

    def test(self, code: int, value: int, yes: str | None, no: str | None = None) -> None:
        """Go to a label when the test holds or fails; `None` goes on with the next line."""
        self._lines.append((code, value, yes, no))

    def jump(self, label: str) -> None:
        self._lines.append((_JUMP, 0, label, None))

    def answer(self, value: int) -> None:
        self._lines.append((_RETURN, value, None, None))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def assemble(self) -> bytes:
        out = []
        for at, (code, value, yes, no) in enumerate(self._lines):
            if code == _JUMP:
                out.append(struct.pack("=HBBI", code, 0, 0, self._distance(at, yes)))
            else:
                out.append(struct.pack("=HBBI", code, self._distance(at, yes), self._distance(at, no), value))
        return b"".join(out)

    def _distance(self, at: int, label: str | None) -> int:
        return 0 if label is None else self._labels[label] - at - 1


def build(native: int, *, hold_exec: bool, keep_dumpable: bool) -> bytes:
    """Return the program for a machine of the architecture `native` and the 32-bit one that it also runs.

    `hold_exec` holds execve and execveat as well. `keep_dumpable` answers a program that wants its memory
    unreadable with success and does nothing: else its paths could not be read, and it would write unseen.
    """
    program = _Program()
    program.load(_ARCH_AT)
    for arch in (native, RUNS_TOO[native]):
        program.test(_IF_EQUAL, arch, f"arch {arch}")
    program.jump("allow")
    for arch in (native, RUNS_TOO[native]):
        _table(program, arch, hold_exec=hold_exec, keep_dumpable=keep_dumpable)
    for label, value in (
        ("allow", _ALLOW),
        ("hold", _HOLD),
        ("absent", _ERRNO | errno.ENOSYS),
        ("forbidden", _ERRNO | errno.EPERM),
        ("done", _ERRNO),
    ):
        program.label(label)
        program.answer(value)
    return program.assemble()


def _table(program: _Program, arch: int, *, hold_exec: bool, keep_dumpable: bool) -> None:
    numbers = NUMBERS[arch]
    here = f"arch {arch}"
    program.label(here)
    program.load(_NUMBER_AT)
    if arch == X86_64:
        _far(program, _IF_AT_LEAST, X32_BIT, "absent", f"{here} not x32")
    for name, argument in _BY_FLAGS.items():  # the commonest first
        if name in numbers:
            program.test(_IF_EQUAL, numbers[name], None, f"{here} not {name}")
            program.load(_ARGS_AT + 8 * argument)
            _far(program, _IF_ANY_BIT, WRITES, "hold", f"{here} {name} reads")
            program.jump("allow")
            program.label(f"{here} not {name}")
    # A handle has no path to lease; to write by one takes a capability that ordinary users do not have either.
    other = f"{here} not by handle"
    program.test(_IF_EQUAL, numbers["open_by_handle_at"], None, other)
    program.load(_ARGS_AT + 8 * 2)
    _far(program, _IF_ANY_BIT, WRITES, "forbidden", f"{here} handle reads")
    program.jump("allow")
    program.label(other)
    # Process accounting: from then on the kernel itself writes to the file that it names.
    _far(program, _IF_EQUAL, numbers["acct"], "forbidden", f"{here} not acct")
    # io_uring opens files behind the filter's back; programs that find it absent do without.
    _far(program, _IF_EQUAL, numbers["io_uring_setup"], "absent", f"{here} not io_uring")
    if keep_dumpable:
        other = f"{here} not dumpable"
        program.test(_IF_EQUAL, numbers["prctl"], None, other)
        program.load(_ARGS_AT)
        program.test(_IF_EQUAL, _PR_SET_DUMPABLE, None, f"{here} other prctl")
        program.load(_ARGS_AT + 8)
        _far(program, _IF_EQUAL, 0, "done", f"{here} stays dumpable")
        program.label(f"{here} other prctl")
        program.jump("allow")
        program.label(other)
    for name in _HELD + (_EXEC if hold_exec else ()):
        if name in numbers:
            _far(program, _IF_EQUAL, numbers[name], "hold", f"{here} not {name}")
    program.jump("allow")


def _far(program: _Program, code: int, value: int, label: str, after: str) -> None:
    """Jump to a label that may be further away than the 255 instructions of a conditional jump."""
    program.test(code, value, None, after)
    program.jump(label)
    program.label(after)
