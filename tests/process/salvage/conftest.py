"""What the tests of salvaging start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.salvage.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "repo")
