"""Names of files as they travel over the control socket, and as the file system has them."""

from __future__ import annotations

import os

from workers.gate.wire import ESCAPE, escaped


def decode_path(text: str) -> str:
    """Return the path for `text` from the gate's client; bytes that are not UTF-8 as surrogate escapes.

    Lone surrogates, Python's own notation, are no JSON text: see `workers.gate.wire.text_of`.
    """
    if text.isascii():
        return text
    raw = bytearray()
    for char in text:
        code = ord(char)
        if code >= ESCAPE + 0x80:
            raw.append(code & 0xFF)
        else:
            raw += os.fsencode(char)
    return os.fsdecode(bytes(raw))


def encode_path(text: str) -> str:
    """Return `text`, with bytes that are not UTF-8 as surrogate escapes, in the way of the gate's client."""
    return escaped(text)
