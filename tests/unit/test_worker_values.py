"""What the worker reads and says: specification, /proc, texts."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from workers.session.clock import FOREVER, hour, span
from workers.session.command import Command, Unrunnable, explain, find_program
from workers.session.durable import write_durable, write_whole
from workers.session.harness import Exit
from workers.session.life import Ending
from workers.session.logs import Notices
from workers.session.proc import parse_stat
from workers.session.record import Times, exit_record
from workers.session.spec import SpecError, read_spec
from workers.session.sweep import Swept

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD: dict[str, Any] = {
    "schema": 1, "session": "k3f9x2", "task": "key", "argv": ["claude", "-p"], "env": {"PATH": "/bin"},
    "cwd": "/tmp", "stdin": None, "budget": {"wall": 3000.0, "warn": 300.0, "grace": 10.0, "startup": None},
    "log_limit": 1000, "socket": "/run/s",
}  # fmt: skip


def write(folder: Path, **changes: object) -> str:
    (folder / "spec.json").write_text(json.dumps(GOOD | changes))
    return str(folder)


def test_a_specification_is_read_with_its_defaults(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, unknown="key"))

    assert (spec.session, spec.task, spec.argv, spec.stdin, spec.soft_signal) == (
        "k3f9x2", "key", ["claude", "-p"], "/dev/null", 15,
    )  # fmt: skip
    assert (spec.budget.wall, spec.budget.startup, spec.budget.resident) == (3000.0, FOREVER, FOREVER)
    assert spec.path("out.log") == str(tmp_path / "out.log")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema is 2; this worker reads schema 1"),
        ({"session": ""}, "session must be a text that is not empty"),
        ({"argv": []}, "argv must be a list of texts, the program first"),
        ({"argv": ["a\0b"]}, "argv must be a list of texts, the program first"),
        ({"argv": "ls"}, "argv must be a list of texts, the program first"),
        ({"env": {"A": 1}}, "env must be an object of texts"),
        ({"env": {"A=B": "1"}}, "env has a name that is empty or contains ="),
        ({"cwd": "here"}, 'cwd must be an absolute path, not "here"'),
        ({"socket": None}, "socket must be a text that is not empty"),
        ({"budget": 5}, "budget must be an object with wall, warn and grace in seconds"),
        ({"budget": {"wall": 1, "warn": 1}}, "grace must be a number that is zero or more"),
        ({"budget": {"wall": -1, "warn": 1, "grace": 1}}, "wall must be a number that is zero or more"),
        ({"budget": {"wall": True, "warn": 1, "grace": 1}}, "wall must be a number that is zero or more"),
        ({"log_limit": float("nan")}, "log_limit must be a number that is zero or more"),
        ({"soft_signal": "LOUD"}, 'soft_signal "LOUD" is not a signal; write for instance "TERM" or "INT"'),
    ],
)
def test_a_bad_key_is_named_with_what_it_should_be(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = write(tmp_path, **changes)

    with pytest.raises(SpecError) as refusal:
        read_spec(folder)

    assert str(refusal.value) == f"{folder}/spec.json: {message}"


def test_a_missing_or_broken_specification_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"cannot read .*spec\.json: No such file"):
        read_spec(str(tmp_path))
    for content, complaint in (("{", "is not JSON"), ("[]", "is not a JSON object")):
        (tmp_path / "spec.json").write_text(content)
        with pytest.raises(SpecError, match=complaint):
            read_spec(str(tmp_path))


def test_a_process_name_may_contain_spaces_and_brackets() -> None:
    content = b"42 (a) R (b) S 7 41 40 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654 0 0"

    stat = parse_stat(42, content)

    assert (stat.pid, stat.state, stat.parent, stat.group, stat.start_ticks) == (42, "S", 7, 41, 987654)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "0.3s"),
        (2.0, "2s"),
        (45.4, "45s"),
        (300, "5m"),
        (330, "5m30s"),
        (2700, "45m"),
        (3900, "1h05m"),
        (0, "0s"),
    ],
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_an_hour_is_said_with_its_zone() -> None:
    assert hour(86400 + 3661.0) == "01:01:01 UTC"


@pytest.mark.parametrize(
    ("ended", "sentence"),
    [
        (Exit(0, None), "exited with code 0"),
        (Exit(None, 9), "was ended by SIGKILL"),
        (Exit(None, 40), "was ended by signal 40"),
    ],
)
def test_an_exit_is_a_sentence(ended: Exit, sentence: str) -> None:
    assert ended.sentence() == sentence


def test_survivors_and_leaks_stand_in_the_record() -> None:
    swept = Swept()
    swept.leaked, swept.leaks = [{"pid": 5, "command": "mcp-server", "rss_kib": 4000}], 1
    swept.survivors = [{"pid": 6, "state": "D", "wchan": "fuse_wait"}]

    record = exit_record(Ending("stop", "anna", "lunch"), Times(1.0, 3.0, 2.0), swept)

    assert record["leaked"] == swept.leaked
    assert record["survivors"] == swept.survivors
    assert (record["code"], record["signal"]) == (None, None)


def test_a_program_is_found_as_a_shell_would_find_it(tmp_path: Path) -> None:
    for folder, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").write_text("#!/bin/sh\n")
        (tmp_path / folder / "tool").chmod(mode)
    env = {"PATH": "first:second"}

    assert find_program(["tool"], env, str(tmp_path)) == str(tmp_path / "second" / "tool")
    assert find_program(["./second/tool"], env, str(tmp_path)) == str(tmp_path / "second" / "tool")
    with pytest.raises(Unrunnable, match="is a directory, not a program"):
        find_program([str(tmp_path)], env, str(tmp_path))
    with pytest.raises(Unrunnable, match=r"first/tool. is not executable"):
        find_program(["tool"], {"PATH": "first"}, str(tmp_path))


@pytest.mark.parametrize(
    ("stage", "number", "sentence"),
    [
        ("chdir", errno.EACCES, 'the working directory "/home" cannot be entered: permission denied'),
        (
            "prepare",
            errno.EPERM,
            "the harness's process could not be prepared (prepare): operation not permitted",
        ),
        ("exec", errno.ETXTBSY, '"/bin/x" cannot be run: a process has it open for writing'),
        ("exec", errno.EACCES, '"/bin/x" cannot be run: permission denied'),
    ],
)
def test_a_failed_start_is_explained(stage: str, number: int, sentence: str) -> None:
    assert explain(Command("/bin/x", ["x"], {}, "/home"), stage, number) == sentence


@pytest.mark.parametrize("write_json", [write_whole, write_durable])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, write_json: Any) -> None:
    path = str(tmp_path / "exit.json")
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})

    assert json.loads((tmp_path / "exit.json").read_text()) == {"a": 2}
    assert os.listdir(tmp_path) == ["exit.json"]  # noqa: PTH208  - names are what is compared


@pytest.mark.parametrize("write_json", [write_whole, write_durable])
@pytest.mark.parametrize("instead", ["a pipe", "a link", "a pipe that is read"])
def test_a_file_is_written_whatever_a_session_put_in_its_place(
    tmp_path: Path, write_json: Any, instead: str
) -> None:
    place = tmp_path / "exit.json.tmp"
    others = tmp_path / "others"
    others.write_text("as it was")
    reader = -1
    if instead == "a link":
        place.symlink_to(others)
    else:
        os.mkfifo(place)
        reader = os.open(place, os.O_RDONLY | os.O_NONBLOCK) if "read" in instead else -1

    write_json(str(tmp_path / "exit.json"), {"a": 1})

    assert json.loads((tmp_path / "exit.json").read_text()) == {"a": 1}
    assert others.read_text() == "as it was"
    if reader >= 0:
        os.close(reader)


def test_a_notice_waits_for_no_reader_of_a_pipe_that_a_session_put_in_its_place(tmp_path: Path) -> None:
    notices = Notices(str(tmp_path))
    (tmp_path / "notice").unlink()
    os.mkfifo(tmp_path / "notice")

    with pytest.raises(OSError, match="No such device"):
        notices.add("held")

    reader = os.open(tmp_path / "notice", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="not a regular file"):
        notices.add("held")
    os.close(reader)


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_a_notice_follows_no_link_to_a_file_of_others(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    notices = Notices(str(tmp_path))
    others = tmp_path / "others"
    others.write_bytes(b"x" * (1 << 20))
    (tmp_path / "notice").unlink()
    link(others, tmp_path / "notice")

    with pytest.raises(OSError, match=r"symbolic links|another name"):
        notices.add("held")

    assert others.read_bytes() == b"x" * (1 << 20)


def test_notices_begin_anew_before_they_grow_large(tmp_path: Path) -> None:
    notices = Notices(str(tmp_path))
    for _ in range(300):
        notices.add("x" * 5_000)

    text = (tmp_path / "notice").read_text()
    assert text.startswith("[earlier notices dropped]\n")
    assert text.endswith("x\n")
    assert len(text) < (1 << 20) + 6_000
