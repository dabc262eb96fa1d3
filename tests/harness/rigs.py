"""How each agent is run against the scripted model: its command, its environment, and the files of its home."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.installs import Package


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rig is made for: the install, the model server and a home of its own."""

    install: Path
    program: Path
    url: str
    home: Path


@dataclass(frozen=True, slots=True)
class Rig:
    """One agent."""

    name: str
    package: Package
    command: Callable[[Setting], list[str]]
    env: Callable[[Setting], dict[str, str]]
    files: Callable[[Setting], dict[str, str]] = lambda _: {}
    cannot: dict[str, str] = field(default_factory=dict)  # scenario -> why


CLAUDE = Rig(
    "claude",
    Package("@anthropic-ai/claude-code", "npm", "2.1.330", "node_modules/.bin/claude"),
    command=lambda at: [
        *(str(at.program), "-p", "{prompt}", "--output-format", "stream-json", "--verbose"),
        *("--dangerously-skip-permissions", "--model", "claude-sonnet-4-5"),
    ],
    env=lambda at: {
        "ANTHROPIC_BASE_URL": at.url,
        "ANTHROPIC_API_KEY": "scripted",
        "CLAUDE_CONFIG_DIR": f"{at.home}/.claude",
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    },
)

CODEX = Rig(
    "codex",
    Package("@openai/codex", "npm", "0.169.0", "node_modules/.bin/codex"),
    command=lambda at: [
        *(str(at.program), "exec", "--json", "--dangerously-bypass-approvals-and-sandbox"),
        *("--skip-git-repo-check", "--model", "scripted", "{prompt}"),
    ],
    env=lambda at: {"CODEX_HOME": f"{at.home}/.codex", "SCRIPTED_KEY": "scripted"},
    files=lambda at: {".codex/config.toml": _codex_config(at.url)},
)

GEMINI = Rig(
    "gemini",
    Package("@google/gemini-cli", "npm", "0.61.0", "node_modules/.bin/gemini"),
    command=lambda at: [
        *(str(at.program), "--yolo", "--skip-trust", "-o", "stream-json", "--model", "gemini-2.5-pro"),
        *("-p", "{prompt}"),
    ],
    env=lambda at: {
        "GEMINI_API_KEY": "scripted",
        "GOOGLE_GEMINI_BASE_URL": at.url,
        "GEMINI_CLI_NO_RELAUNCH": "true",
    },
    files=lambda _: {
        ".gemini/settings.json": json.dumps(
            {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "privacy": {"usageStatisticsEnabled": False},
                "telemetry": {"enabled": False},
                "general": {"enableAutoUpdate": False, "maxAttempts": 3},
            }
        )
    },
)

OPENCODE = Rig(
    "opencode",
    Package("opencode-ai", "npm", "1.18.33", "node_modules/.bin/opencode"),
    command=lambda at: [
        *(str(at.program), "run", "--format", "json", "--auto", "--model", "scripted/scripted", "{prompt}"),
    ],
    env=lambda _: {
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    },
    files=lambda at: {".config/opencode/opencode.json": json.dumps(_opencode_config(at.url))},
)

RIGS = {rig.name: rig for rig in (CLAUDE, CODEX, GEMINI, OPENCODE)}


def _codex_config(url: str) -> str:
    return f"""
model_provider = "scripted"
approval_policy = "never"
check_for_update_on_startup = false

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
supports_websockets = false

[features]
plugins = false
apps = false
unbounded_connection_retries = false

[analytics]
enabled = false

[feedback]
enabled = false
"""


def _opencode_config(url: str) -> dict[str, object]:
    return {
        "provider": {
            "scripted": {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": f"{url}/v1", "apiKey": "scripted"},
                "models": {"scripted": {"name": "scripted", "limit": {"context": 200000, "output": 8192}}},
            }
        },
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "permission": {"*": "allow"},
        "autoupdate": False,
        "share": "disabled",
    }
