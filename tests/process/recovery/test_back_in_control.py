"""How soon a supervisor that was killed over living sessions has them all again."""

from __future__ import annotations

import pytest

from benchmarks import adopt

pytestmark = pytest.mark.process


def test_promise_7_a_killed_supervisor_is_back_in_control_within_ten_seconds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")  # short: sockets lie below it

    found = adopt.run(folder, quick=True)  # it compares the sessions' processes before and after

    assert found["steps"]["a lease is granted"]["worst_ms"] < 10_000
