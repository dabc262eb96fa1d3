"""Secrets are masked by their value and by their shape, and nothing else is."""

from __future__ import annotations

import pytest

from supervisor.core.sessions.masking import MASK, Masks

LONG = "a1B2" * 10


@pytest.mark.parametrize(
    "key",
    [
        "sk-" + "ant-api03-" + LONG,
        "sk-" + "proj-" + LONG,
        "ghp_" + LONG,
        "github_pat_" + LONG,
        "glpat-" + LONG,
        "AIza" + LONG,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "xoxb-" + "123456789012-abc",
        "hf_" + LONG,
    ],
)
def test_a_key_is_masked_by_its_shape(key: str) -> None:
    assert Masks().text(f"export KEY='{key}';") == f"export KEY='{MASK}';"


def test_a_bearer_token_is_masked_and_the_word_stays() -> None:
    assert Masks().text(f"Authorization: Bearer {LONG}") == f"Authorization: Bearer {MASK}"


def test_a_private_key_is_masked_whole_also_when_its_end_is_missing() -> None:
    begin = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n"
    text = f"{begin}{LONG}\n{LONG}\n"

    assert Masks().text(f"here:\n{text}-----END OPENSSH PRIVATE KEY-----\nthere") == f"here:\n{MASK}\nthere"
    assert Masks().text(f"here:\n{text}") == f"here:\n{MASK}"


def test_a_known_value_is_masked_wherever_it_is() -> None:
    found = Masks(["correct horse"]).all({"a": ["xcorrect horsex", 1, None], "b": {"c": "correct horse"}})

    assert found == {"a": [f"x{MASK}x", 1, None], "b": {"c": MASK}}


def test_the_longer_of_two_values_goes_first() -> None:
    assert Masks(["password1", "password123"]).text("password123") == MASK


@pytest.mark.parametrize(
    "text",
    [
        "task-12 asks for a desk-lamp",
        "the risk-assessment-of-something-long",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "eyJust a word",
        "npm_config_cache",
        "short",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert Masks(["short", ""]).text(text) == text


def test_a_secret_is_found_within_json_and_line_by_line_too() -> None:
    masks = Masks(['say "friend" now', "first line of it\nsecond line of it"])

    assert masks.text('{"text": "say \\"friend\\" now"}') == '{"text": "[masked]"}'
    assert masks.text("a second line of it b") == "a [masked] b"
