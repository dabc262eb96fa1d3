"""Names as the gate's client sends them, turned back into names as the file system has them."""

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
