"""A log is printed as it was written, but for secrets."""

from __future__ import annotations

from supervisor.cli.masked import Masked
from supervisor.core.sessions.masking import secrets_in

KEY = b"sk-" + b"ant-" + b"a1B2" * 8


def test_keys_and_named_values_are_masked_across_pieces_and_other_bytes_are_not_touched():
    masked = Masked(secrets_in({"MY_TOKEN": "correct horse", "HOME": "/home/somebody"}))
    given = b"key " + KEY + b"\xff\n/home/somebody said correct horse\nlast " + KEY
    shown = b"".join(masked.read(given[at : at + 7]) for at in range(0, len(given), 7)) + masked.rest()

    assert shown == b"key [masked]\xff\n/home/somebody said [masked]\nlast [masked]"


def test_a_private_key_over_many_lines_is_masked_to_its_end():
    given = b"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\nb\n"

    shown = Masked().read(given)

    assert b"MIIE" not in shown
    assert b"abcd" not in shown
    assert shown.startswith(b"a\n")
    assert shown.endswith(b"\nb\n")
