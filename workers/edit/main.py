"""Ask whether the files of one tool call may be edited, in the agent's own words: HARNESS PHASE, the call on standard input.

An agent's hook is a courtesy that tells the model early and in words. It is no fence: when nobody can be asked, it lets
the call pass, and guard and gate say what they have to say.
"""

import _socket
import posix

from workers.edit.paths import edited
from workers.gate.wire import parsed, quoted, text_of

_PATIENCE = 20.0  # seconds for the exchange; agents give a hook about thirty
_LIMIT = 1 << 24  # bytes that are read of a call
_FAULT = -32603  # the supervisor's own; that is no refusal


def main(words: list[str]) -> int:
    """Return the exit code that means what was answered, and print what goes with it."""
    harness, phase = words
    try:
        call = parsed(_read(0) or b"{}")
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict):
        call = {}
    tool, paths = edited(call)
    if phase in {"before", "after"} and not paths:
        return 0
    why = _asked(harness, phase, tool, paths, _text(call, "cwd"))
    return _refuse(harness, why) if why and phase == "before" else 0


def _asked(harness: str, phase: str, tool: str, paths: list[str], cwd: str) -> str:
    """Return why the supervisor says no, "" when it does not or cannot be asked."""
    where = posix.environ.get(b"LEASEHOLD_SOCKET", b"")
    token = posix.environ.get(b"LEASEHOLD_TOKEN", b"")
    if not where or not token:
        return ""
    named = ",".join([_path(path) for path in paths[:200]])
    request = (
        '{"jsonrpc":"2.0","id":1,"method":"hook.edit","params":{'
        f'"token":{quoted(text_of(token))},"harness":{quoted(harness)},"phase":{quoted(phase)},'
        f'"tool":{_path(tool[:100])},"cwd":{_path(cwd or _here())},"paths":[{named}]}}}}\n'
    ).encode()
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        connection.settimeout(_PATIENCE)
        connection.connect(where)
        connection.sendall(request)
        line = b""
        while not line.endswith(b"\n"):
            part = connection.recv(1 << 16)
            if not part:
                return ""
            line += part
        answer = parsed(line)
    except (OSError, ValueError, RecursionError) as error:
        _complain(f"the supervisor was not asked: {error}")
        return ""
    finally:
        connection.close()
    refused = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(refused, dict):
        return ""
    if refused.get("code") == _FAULT:
        _complain(_text(refused, "message"))
        return ""
    return _text(refused, "message") or "refused"


def _refuse(harness: str, why: str) -> int:
    """Say no as this agent hears it."""
    why = f"LEASE DENIED: {why}"
    said = quoted(why)
    if harness in {"claude", "codex", "qwen"}:
        answer = (
            '{"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny",'
            f'"permissionDecisionReason":{said}}}}}'
        )
    elif harness == "gemini":
        answer = f'{{"decision":"deny","reason":{said}}}'
    elif harness == "copilot":
        answer = f'{{"permissionDecision":"deny","permissionDecisionReason":{said}}}'
    else:
        posix.write(2, why.encode("utf-8", "replace"))
        return 1
    posix.write(1, f"{answer}\n".encode())
    return 0


def _complain(why: str) -> None:
    posix.write(2, f"leasehold: {why}\n".encode("utf-8", "replace"))


def _here() -> str:
    try:
        return posix.getcwd()
    except OSError:  # it was removed
        return ""


def _path(path: str) -> str:
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # JSON can spell half a character, which no file's name has
        raw = path.encode("utf-8", "surrogatepass")
    return quoted(text_of(raw))


def _text(table: dict[str, object], key: str) -> str:
    found = table.get(key)
    return found if isinstance(found, str) else ""


def _read(fd: int) -> bytes:
    parts = []
    size = 0
    while size < _LIMIT and (part := posix.read(fd, 1 << 16)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
