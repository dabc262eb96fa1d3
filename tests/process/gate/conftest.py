"""A repository with the gate in it, and who answers the gate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from supervisor.world.git.hooks import environment, install_hooks
from supervisor.world.git.repository import Repository, open_repository
from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper


def opened(checkout: Checkout) -> Repository:
    return anyio.run(open_repository, checkout.root)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository to copy: mine/a and theirs/a on main, and commits on side branches."""
    checkout = Checkout.init(tmp_path_factory.mktemp("template"))
    checkout.commit("mine/a", "theirs/a", message="both")
    for branch, path in (("good", "mine/good"), ("bad", "theirs/bad")):
        checkout.git("checkout", "-q", "-b", branch, "main")
        checkout.commit(path, message=branch)
    checkout.git("checkout", "-q", "main")
    return checkout.root


@pytest.fixture
def plain(template: Path, tmp_path: Path) -> Checkout:
    """Return a repository outside any session."""
    shutil.copytree(template, tmp_path / "repo")
    return Checkout(tmp_path / "repo")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(tmp_path / "socket")
    yield keeper
    keeper.close()


Enter = Callable[..., Checkout]


@pytest.fixture
def enter(tmp_path: Path, keeper: Gatekeeper) -> Enter:
    """Return what puts a checkout into a session that holds mine/."""

    def enter(checkout: Checkout, *, target: str = "") -> Checkout:
        folder = tmp_path / "hooks"
        install_hooks(folder)
        identity = {
            "LEASEHOLD_SESSION": "s-7",
            "LEASEHOLD_TASK": "fix-it",
            "LEASEHOLD_SOCKET": str(keeper.path),
            "LEASEHOLD_TOKEN": 'se"cret',
        }
        injected = environment(opened(checkout), folder, checkout.env, target=target)
        return Checkout(checkout.root, checkout.env | identity | injected)

    return enter


@pytest.fixture
def session(plain: Checkout, enter: Enter) -> Checkout:
    return enter(plain)
