"""Ask the supervisor whether the branches of a reference transaction may move; exit 0 only if all may."""

import _socket
import posix

from workers.gate.updates import GitFailedError, Update, judged, read_whole
from workers.gate.wire import is_allowed, parsed, quoted, text_of

_AGAIN = 0.1  # seconds between two tries to reach a supervisor that is being restarted
_PATIENCE = 30.0  # seconds for each step of the exchange
_PART = 400_000  # bytes of paths in one request; the supervisor takes no line above 1 MiB


class _Refused(Exception):  # noqa: N818  - an answer, not a fault
    """The branch may not move; the arguments are the lines to show."""


def main() -> int:
    """Judge the transaction on standard input; print why on standard error when it is refused."""
    lines = verdict(read_whole(0))
    if lines:
        _say(*lines)
        return 1
    return 0


def verdict(transaction: bytes, *, packs: bool = True) -> tuple[str, ...]:
    """Return why the branches of a transaction, lines "OLD NEW REF", may not move; nothing when all may.

    `packs`: a branch that it deletes may be one that git has packed.
    """
    try:
        updates = judged(transaction, packs=packs)
        if updates:
            _ask(updates)
    except _Refused as refusal:
        return refusal.args
    except GitFailedError as error:
        return (f"{error}, so nobody can tell which paths change; the update is refused",)
    return ()


def _ask(updates: list[Update]) -> None:
    where = posix.environ.get(b"LEASEHOLD_SOCKET", b"")
    if not where:
        raise _Refused(
            "LEASEHOLD_SOCKET is not set in this session, so nobody can be asked; the update is refused"
        )
    shown = where.decode("utf-8", "replace")
    try:
        try:
            _exchange(where, shown, updates)
        except (FileNotFoundError, ConnectionError, EOFError):
            if not _asked_again(where, shown, updates):
                raise
    except (OSError, EOFError) as error:
        reason = (
            "it took too long"
            if isinstance(error, TimeoutError)
            else (getattr(error, "strerror", "") or str(error))
        )
        raise _Refused(
            f"the supervisor does not answer at {shown} ({reason}), so the update is refused; "
            "your work is kept: repeat the command when the supervisor is back"
        ) from error


def _asked_again(where: bytes, shown: str, updates: list[Update]) -> bool:
    """Give a supervisor that is being restarted time to come back: nobody wants to lose a commit.

    One that died between question and answer is asked again too: to judge twice changes nothing.
    Return whether it came back; what it then refuses is raised.
    """
    import time

    until = time.monotonic() + float(posix.environ.get(b"LEASEHOLD_GATE_WAIT", b"10"))
    while time.monotonic() < until:
        time.sleep(_AGAIN)
        try:
            _exchange(where, shown, updates)
        except (FileNotFoundError, ConnectionError, EOFError):
            continue
        return True
    return False


def _exchange(where: bytes, shown: str, updates: list[Update]) -> None:
    with _socket_of_its_own() as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(where)
        for part in _parts(updates):
            connection.sendall(_request(part))
            _judge(_line(connection), shown)


class _socket_of_its_own:  # noqa: N801  - used as a verb; `socket` itself would cost the start more than the question
    def __enter__(self) -> _socket.socket:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def _parts(updates: list[Update]) -> list[list[Update]]:
    """Return the updates cut into requests of bounded length; a big one appears in several, piecewise."""
    parts: list[list[Update]] = [[]]
    room = _PART
    for update in updates:
        piece = Update(update.ref, update.old, update.new, update.kind, [])
        parts[-1].append(piece)
        for path in update.paths:
            room -= 6 * len(path) + 3  # escaped, a byte takes six characters at most
            if room < 0:
                piece = Update(update.ref, update.old, update.new, update.kind, [])
                parts.append([piece])
                room = _PART
            piece.paths.append(path)
    return parts


def _request(updates: list[Update]) -> bytes:
    token = quoted(text_of(posix.environ.get(b"LEASEHOLD_TOKEN", b"")))
    listed = ",".join(map(_listed, updates))
    head = '{"jsonrpc":"2.0","id":1,"method":"gate.check","params":{"token":'
    return f'{head}{token},"updates":[{listed}]}}}}\n'.encode()


def _listed(update: Update) -> str:
    ref, old, new = (quoted(text_of(name)) for name in (update.ref, update.old, update.new))
    paths = ",".join([quoted(text_of(path)) for path in update.paths])
    return f'{{"ref":{ref},"old":{old},"new":{new},"kind":"{update.kind}","paths":[{paths}]}}'


def _line(connection: _socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            raise EOFError("it closed the connection without an answer")
        line += part
    return line


def _judge(line: bytes, shown: str) -> None:
    if is_allowed(line):
        return
    try:
        answer = parsed(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _Refused(f"what answers at {shown} is not a supervisor, so the update is refused")
    result = answer.get("result")
    if isinstance(result, dict) and result.get("ok") is True:
        return
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    data = error.get("data")
    lines = data.get("lines") if isinstance(data, dict) else None
    message = error.get("message") or "the supervisor refused the update without a reason"
    raise _Refused(str(message), *(f"  {text}" for text in lines or ()))


def _say(*lines: str) -> None:
    posix.write(2, "".join(f"leasehold: {line}\n" for line in lines).encode("utf-8", "replace"))
