"""The filter, run by a small interpreter of classic BPF: which calls it holds, on every architecture."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from workers.guard.architecture import AARCH64, ARM, I386, NUMBERS, X86_64
from workers.guard.program import WRITES, build

ALLOW, HOLD, ERRNO = 0x7FFF0000, 0x7FC00000, 0x00050000
PAIRS = [(X86_64, X86_64), (X86_64, I386), (AARCH64, AARCH64), (AARCH64, ARM)]


def run(program: bytes, arch: int, number: int, *args: int) -> int:
    """Return what the program answers to a call."""
    words = [*args, *[0] * (6 - len(args))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *words)
    lines = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        code, yes, no, value = lines[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x05:
                at += value
            case 0x15:
                at += yes if accumulator == value else no
            case 0x35:
                at += yes if accumulator >= value else no
            case 0x45:
                at += yes if accumulator & value else no
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


def program(native: int, *, hold_exec: bool = True, keep_dumpable: bool = True) -> bytes:
    return build(native, hold_exec=hold_exec, keep_dumpable=keep_dumpable)


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_every_call_that_can_write_is_held(native: int, arch: int) -> None:
    others = {"open", "openat", "open_by_handle_at", "prctl", "io_uring_setup", "acct", "seccomp"}
    always = set(NUMBERS[arch]) - others

    held = {name for name in always if run(program(native), arch, NUMBERS[arch][name]) == HOLD}

    assert held == always


@pytest.mark.parametrize(("native", "arch"), PAIRS)
@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (os.O_RDONLY, ALLOW),
        (os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY, ALLOW),
        (os.O_WRONLY, HOLD),
        (os.O_RDWR, HOLD),
        (os.O_RDONLY | os.O_CREAT, HOLD),
        (os.O_RDONLY | os.O_TRUNC, HOLD),
        (os.O_WRONLY | os.O_APPEND, HOLD),
    ],
)
def test_an_open_is_held_by_its_flags(native: int, arch: int, flags: int, answer: int) -> None:
    numbers = NUMBERS[arch]

    assert run(program(native), arch, numbers["openat"], 3, 0x1000, flags) == answer
    if "open" in numbers:
        assert run(program(native), arch, numbers["open"], 0x1000, flags) == answer


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_a_file_handle_opens_for_reading_only(native: int, arch: int) -> None:
    number = NUMBERS[arch]["open_by_handle_at"]

    assert run(program(native), arch, number, 3, 0x1000, os.O_RDONLY) == ALLOW
    assert run(program(native), arch, number, 3, 0x1000, os.O_RDWR) == ERRNO | errno.EPERM


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_the_kernel_keeps_no_accounts_in_a_file_that_a_program_names(native: int, arch: int) -> None:
    assert run(program(native), arch, NUMBERS[arch]["acct"], 0x1000) == ERRNO | errno.EPERM


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_io_uring_is_absent(native: int, arch: int) -> None:
    assert run(program(native), arch, NUMBERS[arch]["io_uring_setup"]) == ERRNO | errno.ENOSYS


def test_x32_calls_are_absent() -> None:
    assert run(program(X86_64), X86_64, 0x40000000 + 257, 0, 0, os.O_WRONLY) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_hiding_its_memory_succeeds_for_a_program_and_does_nothing(native: int, arch: int) -> None:
    number = NUMBERS[arch]["prctl"]

    assert run(program(native), arch, number, 4, 0) == ERRNO
    assert run(program(native), arch, number, 4, 1) == ALLOW
    assert run(program(native), arch, number, 38, 1) == ALLOW
    assert run(program(native, keep_dumpable=False), arch, number, 4, 0) == ALLOW


@pytest.mark.parametrize(("native", "arch"), PAIRS)
def test_an_exec_is_held_only_when_asked_for(native: int, arch: int) -> None:
    for name in ("execve", "execveat"):
        assert run(program(native, hold_exec=False), arch, NUMBERS[arch][name]) == ALLOW


@pytest.mark.parametrize("native", [X86_64, AARCH64])
def test_reads_and_an_unknown_architecture_pass(native: int) -> None:
    assert run(program(native), 0x12345678, NUMBERS[native]["openat"], 0, 0, WRITES) == ALLOW
    assert run(program(native), native, 0) in {ALLOW, HOLD}  # 0 is read on x86_64, io_setup on aarch64
    assert run(program(native), native, 999) == ALLOW


@pytest.mark.parametrize("native", [X86_64, AARCH64])
def test_the_program_fits_the_kernels_limit_and_jumps_forward_only(native: int) -> None:
    code = program(native)

    assert len(code) % 8 == 0
    assert len(code) // 8 <= 4096
    for at, (op, yes, no, value) in enumerate(struct.iter_unpack("=HBBI", code)):
        furthest = at + 1 + (value if op == 0x05 else max(yes, no))
        assert furthest <= len(code) // 8
