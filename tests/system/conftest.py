"""Boxes for the tests on a real systemd. What cannot be booted is skipped, unless LEASEHOLD_TEST_SYSTEM says not to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.box.box import Box
from tests.system.box.host import limiting, missing, missing_limits
from tests.system.fleet import Fleet, binds

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.system)


def needs(reason: str | None) -> None:
    """Skip the test for a reason, if there is one; where the tests are required, let it fail."""
    if reason is None:
        return
    if os.environ.get("LEASEHOLD_TEST_SYSTEM") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def bootable() -> None:
    """Skip the test where no systemd can be booted."""
    needs(missing())


@pytest.fixture(scope="module")
def box(bootable: None) -> Iterator[Box]:
    """Return a booted systemd, the same for all tests of a file."""
    with Box() as booted:
        yield booted


@pytest.fixture(scope="module")
def limiting_box() -> Iterator[Box]:
    """Return a booted systemd in which limits of memory and tasks bite."""
    needs(missing_limits())
    with Box(limiting()) as booted:
        yield booted


@pytest.fixture(scope="module")
def fleet(bootable: None) -> Iterator[Fleet]:
    """Return an installation with its service running, the same for all tests of a file."""
    with Box(binds=binds()) as booted:
        made = Fleet(booted)
        made.prepare()
        made.configure()
        made.install()
        yield made
        made.close()
