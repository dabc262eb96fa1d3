"""The write matrix below the real filter: no route changes a file that the policy refuses, but for the exceptions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.process.guard_matrix import attempt, compile_raw, make_repository, missing
from tests.process.guard_routes import ROUTES, End, Route
from tests.process.guard_table import PAGE, named_in, written
from tests.process.refusing_gate import commit_everything

pytestmark = [pytest.mark.guard, pytest.mark.process]

ROOT = Path(__file__).parents[2]
NOBODY = 65534
_AS_NOBODY_TOO = "non-dumpable program, allowed to be"


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return the program that makes system calls by hand."""
    return compile_raw(tmp_path_factory.mktemp("raw"))


def _need(route: Route, raw: Path | None) -> None:
    if lacking := missing(route, raw):
        pytest.skip(f"not installed: {lacking}")


def _expected(route: Route) -> End:
    return End.REFUSED if route.name == _AS_NOBODY_TOO and os.geteuid() == 0 else route.end


@pytest.mark.parametrize("route", ROUTES, ids=[route.name for route in ROUTES])
def test_a_refused_write_changes_nothing(tmp_path: Path, raw: Path | None, route: Route) -> None:
    _need(route, raw)

    outcome = attempt(route, make_repository(tmp_path, route.held), raw)

    assert outcome.end is _expected(route), outcome
    assert outcome.unreadable == 0 or route.name == _AS_NOBODY_TOO


EXCEPTIONS = [route for route in ROUTES if route.end is End.MISSED]


@pytest.mark.parametrize("route", EXCEPTIONS, ids=[route.name for route in EXCEPTIONS])
def test_what_the_guard_misses_does_not_get_past_the_gate(
    tmp_path: Path, raw: Path | None, route: Route
) -> None:
    _need(route, raw)
    root = make_repository(tmp_path, route.held)

    outcome = attempt(route, root, raw, guard=route.name != _AS_NOBODY_TOO)
    gate = commit_everything(root, os.fsdecode(route.held))

    assert outcome.changed
    assert gate == "refused"
    assert route.why


def test_every_route_ends_the_same_for_a_user_without_rights(raw: Path | None) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; the routes were tried as this one")
    with _folder_of_nobody() as folder:
        program = shutil.copy(raw, folder / "raw") if raw else None
        for package in ("tests", "workers"):  # the checkout may be closed to other users
            shutil.copytree(
                ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "harness")
            )
        python = _python_for_nobody()
        done = subprocess.run(
            [python, "-B", "-m", "tests.process.guard_matrix", folder, *([program] if program else [])],
            cwd=folder,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = {outcome["route"]: outcome for outcome in json.loads(done.stdout)["outcomes"]}

    wrong = {
        route.name: found[route.name]
        for route in ROUTES
        if route.name in found and found[route.name]["changed"] != (route.end is End.MISSED)
    }
    assert not wrong
    assert len(found) > len(ROUTES) / 2


def test_the_reference_shows_every_route_and_what_comes_of_it() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert named_in(page) == {route.name: written(route.end) for route in ROUTES}, "run: make matrix"


class _folder_of_nobody:  # noqa: N801  - used as a function
    """A folder that a user without rights can work in; pytest's own are closed to it."""

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="leasehold-matrix-")
        os.chown(self._folder.name, NOBODY, NOBODY)
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _python_for_nobody() -> str:
    for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        if python is None:
            continue
        try:
            enough = "import sys; sys.exit(sys.version_info < (3, 11))"
            subprocess.run([python, "-c", enough], user=NOBODY, group=NOBODY, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python of 3.11 or newer that a user without rights may run")
