"""Which of an agent's own sessions goes on."""

from __future__ import annotations

from pathlib import Path

from supervisor.daemon.equipping import _links, _native
from supervisor.world.harness.adapter import Prepared
from supervisor.world.harness.registry import find


def before(folder: Path, told: str, printed: str = "") -> Path:
    (folder / "home").mkdir(parents=True)
    (folder / "home/harness").write_text(told)
    (folder / "out.log").write_text(printed)
    return folder


def test_an_agent_that_was_given_an_id_goes_on_by_it_though_it_was_killed_before_it_told_it(
    tmp_path: Path,
) -> None:
    assert _native(find("copilot"), before(tmp_path / "a", 'copilot\nu-u\n{}\n"/a"\n'), Path("/b")) == "u-u"


def test_an_agent_that_makes_its_own_id_goes_on_by_what_it_printed(tmp_path: Path) -> None:
    started = '{"type":"thread.started","thread_id":"t-1"}\n'

    assert (
        _native(find("codex"), before(tmp_path / "a", 'codex\nu-u\n{}\n"/a"\n', started), Path("/b")) == "t-1"
    )
    assert (
        _native(find("codex"), before(tmp_path / "b", 'codex\nu-u\n{}\n"/a"\n', "noise\n"), Path("/a")) == ""
    )


def test_nothing_goes_on_in_another_agent_or_where_nothing_was_kept(tmp_path: Path) -> None:
    assert _native(find("codex"), before(tmp_path / "a", 'claude\nu-u\n{}\n"/a"\n'), Path("/a")) == ""
    assert _native(find("claude"), tmp_path / "none", Path("/a")) == ""
    assert _native(find("claude"), before(tmp_path / "b", "claude"), Path("/a")) == ""


def test_an_agent_that_keeps_its_sessions_by_folder_goes_on_in_the_same_one_only(tmp_path: Path) -> None:
    earlier = before(tmp_path / "a", 'gemini\nu-u\n{}\n"/a"\n')

    assert _native(find("gemini"), earlier, Path("/a")) == "u-u"
    assert _native(find("gemini"), earlier, Path("/b")) == ""


def test_what_an_agent_fetches_is_shared_by_all_sessions_where_the_account_has_none(tmp_path: Path) -> None:
    account, state = tmp_path / "account", tmp_path / "state"
    prepared = Prepared(
        ("x",), links={"a/settings": account, "login": tmp_path / "none"}, fetched=("a/settings",)
    )

    first, second = (_links(find("opencode"), prepared, state) for _ in range(2))
    account.mkdir()
    own = _links(find("opencode"), prepared, state)

    assert (
        first == second == {"a/settings": state / "fetched/opencode/a/settings", "login": tmp_path / "none"}
    )
    assert first["a/settings"].is_dir()
    assert own["a/settings"] == account
