"""The gate's client and the socket: answers that are none, supervisors that are gone, odd and many names."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.process.children.checkout import Checkout
from tests.process.children.gatekeeper import Gatekeeper

pytestmark = pytest.mark.process


def answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)


def answer_each(listener: socket.socket, answers: Iterable[bytes]) -> None:
    for answer in answers:
        answer_once(listener, answer)


class TestTheClient:
    def test_a_supervisor_that_is_gone_refuses_in_one_clear_line(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        before = session.tip()
        session.write("mine/b")
        session.git("add", "mine/b")

        said = session.refused(
            "commit", "-m", "x", LEASEHOLD_SOCKET=f"{keeper.path}.gone", LEASEHOLD_GATE_WAIT="0"
        )

        assert session.tip() == before
        lines = [line for line in said.splitlines() if line.startswith("leasehold:")]
        assert len(lines) == 1
        assert (
            f"does not answer at {keeper.path}.gone (No such file or directory), so the update is" in lines[0]
        )

    @pytest.mark.parametrize(
        "answer", [b"", b"nonsense\n", b"[]\n", b'{"id":1}\n', b'{"result":{"ok":1}}\n', b'{"result":']
    )
    def test_an_answer_that_is_none_refuses(self, session: Checkout, tmp_path: Path, answer: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "odd"))
            listener.listen()
            session.write("mine/b")
            session.git("add", "mine/b")
            clerk = threading.Thread(target=answer_once, args=(listener, answer))
            clerk.start()
            odd = str(tmp_path / "odd")
            said = session.refused("commit", "-m", "x", LEASEHOLD_SOCKET=odd, LEASEHOLD_GATE_WAIT="0")
            clerk.join(10)

        assert said.count("leasehold: ") == 1

    def test_a_supervisor_that_dies_between_question_and_answer_is_asked_again(
        self, session: Checkout, tmp_path: Path
    ) -> None:
        answers = (b"", b'{"result":', b'{"id":1,"result":{"ok":true}}\n')
        session.write("mine/b")
        session.git("add", "mine/b")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "restarting"))
            listener.listen()
            clerk = threading.Thread(target=answer_each, args=(listener, answers))
            clerk.start()
            session.git("commit", "-q", "-m", "x", LEASEHOLD_SOCKET=str(tmp_path / "restarting"))
            clerk.join(10)

        assert session.git("log", "-1", "--format=%s") == "x"

    def test_names_of_any_bytes_arrive_as_they_are(self, session: Checkout, keeper: Gatekeeper) -> None:
        names = [
            b"mine/caf\xc3\xa9",
            b"mine/\xff\xfe",
            b'mine/li"ne\nbreak',
            "mine/\U0010ff90".encode(),
            b"mine/\\x",
        ]
        for name in names:
            (Path(os.fsdecode(os.fsencode(session.root) + b"/" + name))).write_text("x")
        session.git("add", "mine")
        session.git("commit", "-q", "-m", "odd")

        assert sorted(map(os.fsencode, keeper.paths())) == sorted(names)

    def test_a_commit_of_many_files_is_asked_in_lines_of_bounded_length(
        self, session: Checkout, keeper: Gatekeeper
    ) -> None:
        (session.root / "mine/many").mkdir()
        names = [f"mine/many/{'x' * 180}{number}" for number in range(1500)]
        for name in names:
            (session.root / name).touch()
        session.git("add", "mine")

        session.git("commit", "-q", "-m", "many")

        assert len(keeper.asked) > 1
        assert sorted(keeper.paths()) == sorted(names)
