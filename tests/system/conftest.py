"""Boxes for the tests on a real systemd. What cannot be booted is skipped, unless LEASEHOLD_TEST_SYSTEM says not to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.box.box import Box
from tests.system.box.host import limiting, missing, missing_limits

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.system)


def _needs(reason: str | None) -> None:
    if reason is None:
        return
    if os.environ.get("LEASEHOLD_TEST_SYSTEM") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def bootable() -> None:
    """Skip the test where no systemd can be booted."""
    _needs(missing())


@pytest.fixture(scope="module")
def box(bootable: None) -> Iterator[Box]:
    """Return a booted systemd, the same for all tests of a file."""
    with Box() as booted:
        yield booted


@pytest.fixture(scope="module")
def limiting_box() -> Iterator[Box]:
    """Return a booted systemd in which limits of memory and tasks bite."""
    _needs(missing_limits())
    with Box(limiting()) as booted:
        yield booted
