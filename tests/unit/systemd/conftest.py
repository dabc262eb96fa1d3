"""Where the tests of installing units install them, and what."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.world.config.load import load
from supervisor.world.systemd.install.program import Program
from supervisor.world.systemd.install.site import system_site
from supervisor.world.systemd.install.values import Wanted
from tests.unit.systemd.host import CONFIG, DEV


@pytest.fixture
def site(tmp_path):
    return system_site(tmp_path / "root")


@pytest.fixture
def wanted(tmp_path) -> Wanted:
    file = tmp_path / "config.toml"
    file.write_text(CONFIG)
    return Wanted(
        settings=load(file, {}),
        account=DEV,
        program=Program("1.0", ("/bin/sh",), Path("/bin/sh"), Path("/opt"), Path("/opt")),
        checkouts=(),
        path="/bin",
        environment_file=Path("/etc/leasehold/environment"),
        credentials=Path("/etc/leasehold/credentials"),
        systemd=252,
    )
