"""Links that a session names to give them back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from supervisor.daemon.verbs.leases import LeaseVerbs, Release
from supervisor.daemon.workshop import Workshop
from supervisor.world.control.caller import SessionCaller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.git.repository import Repository


def test_a_link_in_gits_own_folder_is_refused_like_any_path_there(
    house: Any, work: Any, tmp_path: Path
) -> None:
    house.offer(work("a", "one"))
    house.fill()
    house.started("a")
    git = tmp_path / ".git"
    git.mkdir()
    (git / "link").symlink_to("x")
    repos = {"repo": Repository(tmp_path, git, git, "main", False, git / "hooks", tmp_path)}
    nothing = cast("Any", None)
    shop = Workshop(nothing, repos, tmp_path, tmp_path, tmp_path, tmp_path, nothing, nothing)
    authority = cast("Any", SimpleNamespace(tables=house.tables, after=[]))
    verbs = LeaseVerbs(authority, shop, nothing, lambda _work: None)

    with pytest.raises(RpcError, match="git") as refused:
        verbs.release(SessionCaller(house.session("a").id, 1), Release(paths=(".git/link",)))

    assert refused.value.code is Code.REFUSED
