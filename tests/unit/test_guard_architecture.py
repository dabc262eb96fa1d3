"""The tables of system calls are those of the kernel's headers, whatever machine the tests run on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workers.guard.architecture import AARCH64, ARM, I386, NATIVE, NUMBERS, RUNS_TOO, X86_64
from workers.guard.program import WRITES

NAMES = {"x86_64": X86_64, "i386": I386, "aarch64": AARCH64, "arm": ARM}


def headers() -> dict[str, dict[str, int]]:
    """Return what the checked-in excerpt says, by architecture and name."""
    found: dict[str, dict[str, int]] = {name: {} for name in NAMES}
    for line in Path(__file__).with_name("kernel_numbers.txt").read_text().splitlines():
        if not line.startswith("#"):
            arch, name, number = line.split()
            found[arch][name] = int(number, 0)
    return found


def calls(arch: str) -> dict[str, int]:
    """Return the calls of the excerpt alone."""
    return {name: number for name, number in headers()[arch].items() if name.islower()}


@pytest.mark.parametrize("arch", NAMES)
def test_every_number_is_the_kernels_and_no_call_that_exists_is_left_out(arch: str) -> None:
    of_kernel = calls(arch)
    if NAMES[arch] not in NATIVE.values():
        del of_kernel["seccomp"]  # made by the worker, which is never a 32-bit program of a 64-bit kernel

    assert of_kernel == NUMBERS[NAMES[arch]]


@pytest.mark.parametrize("arch", NAMES)
def test_every_architecture_is_called_what_the_kernel_calls_it(arch: str) -> None:
    assert headers()[arch]["AUDIT_ARCH"] == NAMES[arch]


@pytest.mark.parametrize("arch", NAMES)
def test_the_flags_that_ask_to_write_are_the_same_everywhere(arch: str) -> None:
    flags = headers()[arch]
    asking = flags["O_WRONLY"] | flags["O_RDWR"] | flags["O_CREAT"] | flags["O_TRUNC"]

    assert asking == WRITES


@pytest.mark.parametrize(("native", "other"), [("x86_64", "i386"), ("aarch64", "arm")])
def test_the_flags_of_a_machine_are_those_of_the_32_bit_programs_that_it_runs(
    native: str, other: str
) -> None:
    def flags(arch: str) -> dict[str, int]:
        return {name: value for name, value in headers()[arch].items() if name.startswith("O_")}

    assert RUNS_TOO[NAMES[native]] == NAMES[other]
    assert flags(native) == flags(other)


def test_the_excerpt_is_true_of_this_machine() -> None:
    flags = headers().get(os.uname().machine)
    if flags is None:
        pytest.skip(f"no table for {os.uname().machine}")

    assert {name: getattr(os, name) for name in flags if name.startswith("O_")} == {
        name: value for name, value in flags.items() if name.startswith("O_")
    }
