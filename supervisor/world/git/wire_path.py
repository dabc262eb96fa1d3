"""Names of files as they travel over the control socket, and as the file system has them."""

from __future__ import annotations

import os

_ESCAPE = 0x10FF00  # the client writes U+10FF00 + byte for a byte that is not UTF-8


def decode_path(text: str) -> str:
    """Return the path for `text` from the gate's client; bytes that are not UTF-8 as surrogate escapes.

    Lone surrogates, Python's own notation, are no JSON text: see `workers.gate.wire.text_of`.
    """
    if text.isascii():
        return text
    raw = bytearray()
    for char in text:
        code = ord(char)
        if code >= _ESCAPE + 0x80:
            raw.append(code & 0xFF)
        else:
            raw += os.fsencode(char)
    return os.fsdecode(bytes(raw))


def encode_path(text: str) -> str:
    """Return `text`, with bytes that are not UTF-8 as surrogate escapes, in the way of the gate's client."""
    return text if text.isascii() else "".join(map(_escaped, text))


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return chr(_ESCAPE + (code & 0xFF))
    if code >= _ESCAPE + 0x80:
        return "".join(chr(_ESCAPE + byte) for byte in char.encode())
    return char
