"""Where a harness's model is asked, as far as variables and arguments tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit

_VARIABLES = {
    "claude": ("ANTHROPIC_BASE_URL",),
    "codex": ("OPENAI_BASE_URL",),
    "gemini": ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"),
    "qwen": ("OPENAI_BASE_URL",),
    "copilot": ("COPILOT_PROVIDER_BASE_URL",),
    "gptme": ("OPENAI_BASE_URL",),
    "aider": ("OPENAI_API_BASE", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"),
    "mini-swe-agent": ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
}
_URL = re.compile(r"https?://[^\s\"']+")


def model_server(adapter: str, env: Mapping[str, str], args: Iterable[str]) -> str:
    """Return the URL that this harness asks, without credentials in it; "" where only the harness knows it."""
    named = [word for word in args if "base" in word.lower()]
    for text in (*named, *(env.get(name, "") for name in _VARIABLES.get(adapter, ()))):
        if (found := _URL.search(text)) is not None and (url := _bare(found.group())):
            return url
    return ""


def _bare(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
