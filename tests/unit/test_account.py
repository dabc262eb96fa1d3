"""What became another one in an account's home."""

from __future__ import annotations

import json
from pathlib import Path

from supervisor.world.harness.account import as_it_is, changed


def then(home: Path, *known: str) -> str:
    return json.dumps(as_it_is(home, [home / name for name in known]))


def test_known_files_that_were_written_made_or_removed_are_named_and_others_are_not(tmp_path: Path) -> None:
    for name in ("kept.json", "written.json", "removed.json", "history"):
        (tmp_path / name).write_text("{}")
    before = then(tmp_path, "kept.json", "written.json", "removed.json", "deep/made.json")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/made.json").write_text("{}")
    (tmp_path / "written.json").write_text("{1}")
    (tmp_path / "history").write_text("{1}")
    (tmp_path / "kept.json").unlink()
    (tmp_path / "kept.json").write_text("{}")  # the same anew, as some agents do at each start
    (tmp_path / "removed.json").unlink()

    assert changed(before) == ["~/deep", "~/deep/made.json", "~/removed.json", "~/written.json"]
    assert changed(then(tmp_path, "kept.json")) == []


def test_of_a_known_folder_its_entries_are_named(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    before = then(tmp_path, "settings")
    (tmp_path / "settings/a.toml").write_text("a")

    assert changed(before) == ["~/settings/a.toml"]


def test_new_names_in_a_home_that_is_a_checkout_are_work(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    before = then(tmp_path)
    (tmp_path / "new.py").write_text("")

    assert changed(before) == []


def test_a_home_that_is_not_there_and_a_record_that_is_none_tell_nothing(tmp_path: Path) -> None:
    for record in (
        then(tmp_path / "none", "x"),
        "",
        "{}",
        "[1]",
        '{"home": 7, "known": [], "names": [], "stamps": []}',
        '{"home": "/a", "known": [], "names": [], "stamps": {"/elsewhere": "x"}}',
        '{"home": "/a", "known": ["/a/\\u0000"], "names": [[]], "stamps": {}}',
        "[" * 100_000,
    ):
        assert changed(record) == []


def test_the_first_name_in_an_empty_home_is_new(tmp_path: Path) -> None:
    before = then(tmp_path)
    (tmp_path / ".agent").mkdir()

    assert changed(before) == ["~/.agent"]
