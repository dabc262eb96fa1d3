"""What is told to a service manager, and what it hands over; the manager is a datagram socket here."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator

import pytest

from supervisor.world.systemd.attached import attach
from supervisor.world.systemd.listen import pid_of, take_handed
from supervisor.world.systemd.notify import Notifier, watchdog_seconds


@pytest.fixture
def manager(tmp_path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        yield sock


def said(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().splitlines()


def with_descriptor(manager: socket.socket) -> tuple[list[str], int]:
    data, ancillary, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(8))
    (_, _, rights), *_ = ancillary
    return data.decode().splitlines(), array.array("i", rights)[0]


def test_a_message_reaches_the_socket_that_the_variable_names(manager):
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "HOME": "/"}
    notifier = Notifier.taken_from(environ)

    assert notifier.send("READY=1", "STATUS=up")
    assert said(manager) == ["READY=1", "STATUS=up"]
    assert environ == {"HOME": "/"}  # no child may speak for us


def test_an_address_with_an_at_sign_is_an_abstract_one():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.bind(f"\0leasehold-test-{os.getpid()}")
        assert Notifier(f"@leasehold-test-{os.getpid()}").send("READY=1")
        assert said(sock) == ["READY=1"]


def test_without_a_manager_nothing_is_sent_and_nothing_fails():
    notifier = Notifier.taken_from({})

    assert not notifier.connected
    assert not notifier.send("READY=1")
    assert not notifier.barrier(1.0)


def test_a_manager_that_went_away_is_no_fault(tmp_path):
    assert not Notifier(str(tmp_path / "gone")).send("READY=1")


def test_a_status_is_one_line_and_not_longer_than_a_screen(manager):
    Notifier(manager.getsockname()).status("two\nlines " + "x" * 1000)

    (line,) = said(manager)
    assert line.startswith("STATUS=two lines xxx")
    assert len(line) < 250


def test_a_descriptor_to_keep_goes_with_its_name(manager):
    read, write = os.pipe()
    try:
        Notifier(manager.getsockname()).keep("s1", read)
        lines, copy = with_descriptor(manager)
        os.write(write, b"x")
        assert lines == ["FDSTORE=1", "FDNAME=s1"]
        assert os.read(copy, 1) == b"x"
        os.close(copy)
    finally:
        os.close(read)
        os.close(write)


def test_a_barrier_is_over_once_the_manager_has_closed_its_end_and_not_before(manager):
    notifier = Notifier(manager.getsockname())

    assert not notifier.barrier(0.01)
    lines, theirs = with_descriptor(manager)
    assert lines == ["BARRIER=1"]
    os.close(theirs)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "500000"}, 0.5),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_names_our_pid(environ, seconds):
    assert watchdog_seconds(environ, 7) == seconds
    assert environ == {}


def test_what_is_handed_to_another_process_is_not_touched():
    environ = {"LISTEN_PID": "8", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "ctl:s1"}
    handed = take_handed(environ, 7)

    assert handed.control is None
    assert handed.kept == {}
    assert environ == {}


def test_a_kept_pidfd_is_believed_only_for_the_process_that_it_stands_for():
    from supervisor.world.systemd.listen import Handed

    handed = Handed(kept={"s1": os.pidfd_open(os.getpid())})
    try:
        assert handed.pidfd("s1", os.getpid() + 1) is None
        assert handed.pidfd("other", os.getpid()) is None
        fd = handed.pidfd("s1", os.getpid())
        assert fd is not None
        assert pid_of(fd) == os.getpid()
        os.close(fd)
        assert handed.pidfd("s1", os.getpid()) is None
    finally:
        handed.close()


def test_a_descriptor_that_is_no_pidfd_stands_for_no_process():
    read, write = os.pipe()
    try:
        assert pid_of(read) is None
    finally:
        os.close(read)
        os.close(write)


def test_attaching_takes_every_variable_out_of_the_environment():
    environ = {
        "NOTIFY_SOCKET": "/x",
        "WATCHDOG_USEC": "3",
        "WATCHDOG_PID": "1",
        "LISTEN_PID": "1",
        "PATH": "/",
    }
    attach(environ, 7)

    assert environ == {"PATH": "/"}
