"""Text for the control socket: any bytes as a JSON string, and the answer read back.

`_json` is a shared library: it is loaded only for what plain slicing cannot do.
"""

_ALLOWED = b'{"id":1,"result":{"ok":true'
ESCAPE = 0x10FF00  # private use; ESCAPE + byte stands for one byte that is not part of UTF-8 text


def text_of(raw: bytes) -> str:
    """Return a path, ref or other bytes as text that every JSON decoder accepts.

    UTF-8 is itself. A byte that is not UTF-8 becomes the character U+10FF00 + byte, because lone
    surrogates are no JSON text. A name that holds such a character already has its bytes escaped in the
    same way, so two different names never become one text.
    """
    return escaped(raw.decode("utf-8", "surrogateescape"))


def escaped(text: str) -> str:
    """Return the same of bytes that are text already, with surrogate escapes for what is not UTF-8."""
    return text if text.isascii() else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return chr(ESCAPE + (code & 0xFF))
    if code >= ESCAPE + 0x80:
        return "".join(chr(ESCAPE + byte) for byte in char.encode())
    return char


def quoted(text: str) -> str:
    """Return `text` as a JSON string in ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    import _json

    return _json.encode_basestring_ascii(text)


def is_allowed(line: bytes) -> bool:
    """Return whether the line is the usual answer that lets an update pass, as the supervisor writes it."""
    return line.startswith(_ALLOWED) and line[len(_ALLOWED) : len(_ALLOWED) + 1] in (b"}", b",")


class _Plain:
    """How `_json` is told to decode: no hooks, no surprises."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012  - the scanner clears it itself


def parsed(line: bytes) -> object:
    """Return the value of one line of JSON.

    Raises:
        ValueError: the line is not JSON.
    """
    import _json

    try:
        value, _ = _json.make_scanner(_Plain)(line.decode(), 0)  # type: ignore[arg-type]  # reads attributes only
    except StopIteration as error:
        raise ValueError("not JSON") from error
    return value
