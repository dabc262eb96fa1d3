"""The fence around a session's own work tree: what lies beyond it is refused, and what is shared is free."""

from __future__ import annotations

import pytest

from workers.guard.fence import Fence
from workers.guard.gitline import CommandLine
from workers.guard.ground import Ground


class Rules:
    """What git ignores, without git."""

    def covers(self, path: bytes) -> bool:
        return path.startswith((b"cache/", b".leasehold/"))

    def close(self) -> None:
        pass


OWN = b"/srv/app/.leasehold/state/worktrees/app/s1"


@pytest.fixture
def fence() -> Fence:
    others = Ground(b"/srv/app/.leasehold/state/worktrees/app")
    return Fence(Ground(OWN), Ground(b"/srv/app"), others, Rules())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path",
    [
        OWN,
        OWN + b"/a.py",
        b"/tmp/x",
        b"/srv/app/.git/refs/heads/x",
        b"/srv/app/cache/x",
        b"/srv/app",
        b"/srv",
    ],
)
def test_its_own_tree_gits_files_what_is_ignored_and_the_rest_of_the_host_are_free(fence: Fence, path: bytes):
    assert fence.trespass(path, moves=False) is None


@pytest.mark.parametrize(
    ("path", "moves", "said"),
    [
        (b"/srv/app/a.py", False, "/srv/app/a.py is in the checkout, which changes by integration only"),
        (b"/srv/app", True, "is a folder around the session's own work tree"),
        (b"/srv/app/src", True, "/srv/app/src is in the checkout"),
        (OWN[:-1] + b"2/a.py", False, "is in the work tree of session s2"),
        (OWN[:-3], True, "is a folder around the session's own work tree"),
    ],
)
def test_the_checkout_and_the_other_work_trees_are_refused_by_name(
    fence: Fence, path: bytes, said: str, *, moves: bool
):
    why = fence.trespass(path, moves=moves)

    assert why is not None
    assert said in why
    assert f"this session works in {OWN.decode()}" in why


@pytest.mark.parametrize(
    ("at", "words", "free"),
    [
        (OWN, b"git reset --hard", True),
        (OWN + b"/src", b"git commit -qm x", True),
        (b"/srv/app", b"git status", True),
        (b"/srv/app", b"git fetch origin", True),
        (b"/srv/app", b"git reset --hard", False),
        (b"/srv/app", b"git symbolic-ref HEAD", True),
        (b"/srv/app", b"git branch --show-current", True),
        (b"/srv/app", b"git symbolic-ref HEAD refs/heads/other", False),
        (b"/srv/app/src", b"git add -A", False),
        (OWN[:-1] + b"2", b"git checkout main", False),
        (b"/home/other", b"git reset --hard", True),
    ],
)
def test_git_may_read_anywhere_and_write_only_at_home(fence: Fence, at: bytes, words: bytes, *, free: bool):
    why = fence.strays(at, CommandLine(words.split(), {}))

    assert (why is None) is free
