"""Reading a task's memory, tried on this process's own."""

from __future__ import annotations

import ctypes
import mmap
import os

import pytest

from workers.guard.memory import GoneError, Memory

_PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_PROT_NONE, _PROT_EXEC = 0, 4


@pytest.fixture
def pages():
    """Two pages of memory, and where they are."""
    with mmap.mmap(-1, 2 * _PAGE) as memory:
        view = ctypes.c_char.from_buffer(memory)
        yield memory, ctypes.addressof(view)
        del view


def _protect(address: int, protection: int) -> None:
    done = _libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(_PAGE), protection)
    assert done == 0, os.strerror(ctypes.get_errno())


def test_a_path_is_read_up_to_its_end_across_a_page(pages):
    memory, at = pages
    path = b"a/" * 30 + b"b"
    memory[_PAGE - 7 : _PAGE - 7 + len(path)] = path

    assert Memory(os.getpid()).text(at + _PAGE - 7) == path


def test_a_path_that_ends_where_nothing_more_is_mapped_is_read(pages):
    memory, at = pages
    memory[_PAGE - 5 : _PAGE] = b"name\0"
    _protect(at + _PAGE, _PROT_NONE)
    try:
        reading = Memory(os.getpid())
        assert reading.text(at + _PAGE - 5) == b"name"
        assert reading.word(at + _PAGE - 8, 8) is not None
        reading.close()
    finally:
        _protect(at + _PAGE, 3)


def test_memory_that_may_only_be_executed_is_read_as_the_kernel_does(pages):
    memory, at = pages
    memory[:5] = b"name\0"
    _protect(at, _PROT_EXEC)
    try:
        reading = Memory(os.getpid())
        assert reading.text(at) == b"name"
        reading.close()
    finally:
        _protect(at, 3)


def test_a_tag_above_an_address_is_taken_off_as_the_kernel_does(pages):
    memory, at = pages
    memory[:5] = b"name\0"

    assert Memory(os.getpid()).text(at | 0x2A << 57) == b"name"


def test_a_task_that_does_not_exist_is_gone():
    with pytest.raises(GoneError):
        Memory(2**31 - 1).text(4096)
