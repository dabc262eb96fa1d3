import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.lines import MAX_LINE, Lines, LineTooLongError
from supervisor.world.control.wire import failure_line, reply_line
from supervisor.world.git.wire_path import decode_path


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b""))), st.lists(st.integers(0, 200))
)
def test_lines_do_not_depend_on_how_the_bytes_were_cut(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    framing = Lines()

    heard = [line for a, b in itertools.pairwise(edges) for line in framing.feed(stream[a:b])]

    assert lines == heard


def test_an_unfinished_line_is_kept_for_its_end() -> None:
    framing = Lines()

    assert framing.feed(b'{"half"') == []
    assert framing.feed(b":1}\nnext\nand") == [b'{"half":1}', b"next"]
    assert framing.feed(b" more\n") == [b"and more"]


def test_a_line_of_the_limit_passes() -> None:
    line = b"x" * (MAX_LINE - 1)

    assert [line] == Lines().feed(line + b"\n")


@pytest.mark.parametrize("size", [MAX_LINE, MAX_LINE + 1, 2 * MAX_LINE])
def test_a_longer_line_is_refused_in_one_piece(size: int) -> None:
    with pytest.raises(LineTooLongError):
        Lines().feed(b"x" * size + b"\n")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_longer_line_is_refused_in_small_pieces(end: bytes) -> None:
    framing = Lines()
    piece = b"x" * 4096
    for _ in range(MAX_LINE // len(piece)):
        framing.feed(piece)

    with pytest.raises(LineTooLongError):
        framing.feed(b"x" + end)


def test_a_name_that_is_no_utf8_is_answered_as_clients_write_it() -> None:
    name = "h\udcff\udcfed.bin"

    line = reply_line(1, {"leases": [(name, 1)]})
    refused = failure_line(1, RpcError(Code.REFUSED, f"{name} is held", {"holders": {name: 2}}))

    ((sent, _),) = json.loads(line)["result"]["leases"]
    assert decode_path(sent) == name
    assert decode_path(next(iter(json.loads(refused)["error"]["data"]["holders"]))) == name
