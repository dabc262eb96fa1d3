"""The system calls that can change a file tree, by architecture: the same number means different calls.

Numbers are those of the kernel's own tables: arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl,
include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl; AUDIT_ARCH values of include/uapi/linux/audit.h.
"""

from __future__ import annotations

import os

X86_64 = 0xC000003E
I386 = 0x40000003
AARCH64 = 0xC00000B7
ARM = 0x40000028

X32_BIT = 0x40000000  # the x32 numbers of x86_64 begin here

# Every call by its number. `open` and `openat` are held only when their flags ask to write.
NUMBERS: dict[int, dict[str, int]] = {
    X86_64: {
        "openat": 257,
        "open": 2,
        "openat2": 437,
        "open_by_handle_at": 304,
        "creat": 85,
        "truncate": 76,
        "renameat2": 316,
        "renameat": 264,
        "rename": 82,
        "unlinkat": 263,
        "unlink": 87,
        "linkat": 265,
        "link": 86,
        "symlinkat": 266,
        "symlink": 88,
        "mkdirat": 258,
        "mkdir": 83,
        "rmdir": 84,
        "mknodat": 259,
        "mknod": 133,
        "execve": 59,
        "execveat": 322,
        "acct": 163,
        "prctl": 157,
        "io_uring_setup": 425,
        "seccomp": 317,
    },
    I386: {
        "openat": 295,
        "open": 5,
        "openat2": 437,
        "open_by_handle_at": 342,
        "creat": 8,
        "truncate": 92,
        "truncate64": 193,
        "renameat2": 353,
        "renameat": 302,
        "rename": 38,
        "unlinkat": 301,
        "unlink": 10,
        "linkat": 303,
        "link": 9,
        "symlinkat": 304,
        "symlink": 83,
        "mkdirat": 296,
        "mkdir": 39,
        "rmdir": 40,
        "mknodat": 297,
        "mknod": 14,
        "execve": 11,
        "execveat": 358,
        "acct": 51,
        "prctl": 172,
        "io_uring_setup": 425,
    },
    AARCH64: {
        "openat": 56,
        "openat2": 437,
        "open_by_handle_at": 265,
        "truncate": 45,
        "renameat2": 276,
        "renameat": 38,
        "unlinkat": 35,
        "linkat": 37,
        "symlinkat": 36,
        "mkdirat": 34,
        "mknodat": 33,
        "execve": 221,
        "execveat": 281,
        "acct": 89,
        "prctl": 167,
        "io_uring_setup": 425,
        "seccomp": 277,
    },
    ARM: {
        "openat": 322,
        "open": 5,
        "openat2": 437,
        "open_by_handle_at": 371,
        "creat": 8,
        "truncate": 92,
        "truncate64": 193,
        "renameat2": 382,
        "renameat": 329,
        "rename": 38,
        "unlinkat": 328,
        "unlink": 10,
        "linkat": 330,
        "link": 9,
        "symlinkat": 331,
        "symlink": 83,
        "mkdirat": 323,
        "mkdir": 39,
        "rmdir": 40,
        "mknodat": 324,
        "mknod": 14,
        "execve": 11,
        "execveat": 387,
        "acct": 51,
        "prctl": 172,
        "io_uring_setup": 425,
    },
}

NATIVE = {"x86_64": X86_64, "aarch64": AARCH64}

# What a kernel of the first architecture also runs: 32-bit programs.
RUNS_TOO = {X86_64: I386, AARCH64: ARM}

WORD = {X86_64: 8, I386: 4, AARCH64: 8, ARM: 4}  # bytes of a pointer


class UnknownMachineError(Exception):
    """The guard knows no table for this machine."""


def native() -> int:
    """Return the AUDIT_ARCH of this machine.

    Raises:
        UnknownMachineError: there is no table for it.
    """
    machine = os.uname().machine
    if machine not in NATIVE:
        raise UnknownMachineError(f"no table of system calls for {machine}")
    return NATIVE[machine]
