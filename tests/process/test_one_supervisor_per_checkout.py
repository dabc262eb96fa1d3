"""Two supervisors in one checkout would each give out the same files and tasks: the second one is refused."""

from __future__ import annotations

import signal

import anyio
import pytest

from supervisor.world.git.checkouts import Checkouts
from supervisor.world.git.repository import RepositoryError, open_repository

pytestmark = pytest.mark.process


def another(site, repo) -> str:
    """Write a configuration with a state of its own that serves a checkout; return its path."""
    path = site.root.parent / "another.toml"
    path.write_text(
        f'[supervisor]\nstate_dir = "{site.root.parent}/state"\nruntime_dir = "{site.root.parent}/run"\npool = false\n'
        f'[repos.one]\npath = "{repo}"\n[harness.sh]\ncommand = ["true"]\n'
    )
    return str(path)


def test_a_second_supervisor_with_another_configuration_is_refused_while_the_first_serves_the_checkout(site):
    site.configure("")
    first = site.start()
    config = another(site, site.root)

    refused = site.run("-c", config, "run", "--until-idle", code=1)
    site.end(first, signal.SIGKILL)
    site.run("-c", config, "run", "--until-idle")

    assert f"{site.root} is served by another supervisor (process {first.pid})" in refused.stderr
    assert "take the repository out of one of the two" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert site.git("status", "--porcelain") == ""


def test_a_reload_that_brings_a_checkout_of_another_supervisor_keeps_the_configuration_that_was(site):
    other = site.root.parent / "other"
    other.mkdir()
    site.git("init", "-q", "-b", "main", str(other))
    site.git("-C", str(other), "commit", "-q", "--allow-empty", "-m", "Begin")
    site.configure("", **{"repos.other": {"path": str(other)}})
    with_both = (site.root / ".leasehold/config.toml").read_text()
    site.configure("")
    site.start()
    theirs = anyio.run(open_repository, other)
    checkouts = Checkouts()
    checkouts.hold([theirs])

    (site.root / ".leasehold/config.toml").write_text(with_both)
    refused = site.run("reload", code=1)
    checkouts.keep(())
    site.run("reload")
    with pytest.raises(RepositoryError, match="is served by another supervisor"):
        checkouts.hold([theirs])
    site.configure("")
    site.run("reload")
    checkouts.hold([theirs])

    assert "configuration kept as it was (generation 1)" in refused.stderr
    assert f"{other} is served by another supervisor" in refused.stderr


def test_of_several_checkouts_all_are_held_or_none(site):
    other = site.root.parent / "other"
    site.git("worktree", "add", "-q", "--detach", str(other))
    ours, theirs = (anyio.run(open_repository, path) for path in (site.root, other))
    first, second = Checkouts(), Checkouts()
    first.hold([theirs])

    with pytest.raises(RepositoryError, match="another supervisor"):
        second.hold([ours, theirs])
    first.hold([ours, theirs, ours])
    first.keep([ours])
    second.hold([theirs])

    with pytest.raises(RepositoryError, match="another supervisor"):
        second.hold([ours])
