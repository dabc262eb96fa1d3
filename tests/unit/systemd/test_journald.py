"""Log lines in journald's own protocol; journald is a datagram socket here."""

from __future__ import annotations

import array
import io
import os
import socket
import struct
from collections.abc import Iterator

import pytest
import structlog

from supervisor.world.logs import configure_logs
from supervisor.world.systemd.journald import JournalSocket, entry, field_name, is_journal, to_fields


@pytest.fixture
def journald(tmp_path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.settimeout(10)
        yield sock


def parsed(data: bytes) -> dict[str, str]:
    """Read an entry as journald does."""
    fields: dict[str, str] = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[name.decode()] = value.decode()
        data = rest
    return fields


def test_a_line_becomes_a_sentence_and_a_field_for_each_value():
    (message,), fields = to_fields(
        None, "warning", {"event": "commit.refused", "level": "warning", "session": "s1", "paths": ["a", "b"]}
    )

    assert message == 'commit.refused session=s1 paths=["a", "b"]'
    assert fields == {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "leasehold",
        "LEASEHOLD_EVENT": "commit.refused",
        "LEASEHOLD_SESSION": "s1",
        "LEASEHOLD_PATHS": '["a", "b"]',
    }


def test_a_value_with_line_breaks_stands_below_the_sentence_and_goes_with_its_length():
    (message,), fields = to_fields(None, "error", {"event": "oops", "level": "error", "exception": "a\nb=c"})

    assert message == "oops\na\nb=c"
    assert parsed(entry({"MESSAGE": message, **fields}))["LEASEHOLD_EXCEPTION"] == "a\nb=c"


def test_a_text_that_is_not_unicode_is_spelled_out():
    assert entry({"MESSAGE": "\udcff"}) == b"MESSAGE=\\udcff\n"


@pytest.mark.parametrize(("name", "field"), [("pid", "LEASEHOLD_PID"), ("a-b c", "LEASEHOLD_A_B_C")])
def test_the_name_of_a_field_has_only_what_journald_takes(name, field):
    assert field_name(name) == field
    assert len(field_name("x" * 200)) <= 64


def test_an_entry_that_no_datagram_holds_goes_as_a_sealed_file(journald):
    sender = JournalSocket(io.StringIO(), journald.getsockname())
    sender.msg("x" * (1 << 20), PRIORITY="6")
    data, ancillary, _, _ = journald.recvmsg(1024, socket.CMSG_SPACE(8))
    (_, _, rights), *_ = ancillary
    with os.fdopen(array.array("i", rights)[0], "rb") as file:
        assert data == b""
        file.seek(0)
        assert parsed(file.read()) == {"MESSAGE": "x" * (1 << 20), "PRIORITY": "6"}
    sender.close()


def test_when_journald_is_away_the_sentence_goes_to_standard_error(tmp_path):
    out = io.StringIO()
    sender = JournalSocket(out, str(tmp_path / "nobody"))
    sender.msg("still said", PRIORITY="6")
    sender.close()

    assert out.getvalue() == "still said\n"


def test_only_the_stream_that_systemd_opened_is_the_journal(tmp_path):
    with (tmp_path / "err").open("w") as file:
        found = os.fstat(file.fileno())
        assert is_journal(file, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not is_journal(file, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino + 1}"})
        assert not is_journal(file, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_the_log_of_a_service_goes_to_journald_in_fields(journald, tmp_path, monkeypatch):
    from supervisor.world.systemd import journald as module

    monkeypatch.setattr(module, "SOCKET", journald.getsockname())
    with (tmp_path / "err").open("w") as file:
        found = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        configure_logs("auto", "info", file)
        try:
            structlog.get_logger("leasehold").warning("task.parked", task="t1", why="too often")
            structlog.get_logger("leasehold").debug("unheard")
        finally:
            structlog.get_config()["logger_factory"].close()
            structlog.reset_defaults()
    fields = parsed(journald.recv(4096))

    assert fields["MESSAGE"] == "task.parked task=t1 why=too often"
    assert fields["LEASEHOLD_TASK"] == "t1"
    assert fields["PRIORITY"] == "4"
