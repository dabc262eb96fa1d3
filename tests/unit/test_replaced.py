"""Whether a program is still the file that it was."""

from __future__ import annotations

from pathlib import Path

from supervisor.world.harness.replaced import replaced, stamps


def test_a_file_of_the_command_that_was_replaced_or_is_gone_is_named(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("one")
    line = stamps(("/bin/sh", str(program), "--flag", "agent"))

    assert replaced(line) == ""
    (tmp_path / "new").write_text("two!")
    (tmp_path / "new").replace(program)
    assert replaced(line) == str(program)
    program.unlink()
    assert replaced(line) == str(program)


def test_a_link_that_leads_to_another_version_counts_as_replaced(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).write_text(version)
    (tmp_path / "agent").symlink_to("1")
    line = stamps((str(tmp_path / "agent"),))
    (tmp_path / "agent").unlink()
    (tmp_path / "agent").symlink_to("2")

    assert replaced(line) == str(tmp_path / "agent")


def test_a_line_that_an_agent_has_spoilt_says_nothing(tmp_path: Path) -> None:
    assert [replaced(line) for line in ("", "{", "[1]", '"x"', b"\xff", "{}", '{"\\u0000": 1}')] == [
        ""
    ] * 6 + ["\0"]
