"""What each agent's account needs to reach the scripted model. How it is started is Leasehold's own adapter's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.world.harness.registry import find
from tests.harness.installs import NODE, OPENCODE_PLUGIN, Package


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rig is made for: the model server and a home of its own."""

    url: str
    home: Path


@dataclass(frozen=True, slots=True)
class Rig:
    """One agent, by the name of its adapter."""

    name: str
    program: str  # below the folder of the install
    env: Callable[[Setting], dict[str, str]]
    model: str = "scripted"
    args: tuple[str, ...] = ()
    files: Callable[[Setting], dict[str, str]] = lambda _: {}
    beside: tuple[str, ...] = ()  # packages that it needs and does not ask for
    fetches: tuple[str, Package] | None = None  # into this folder of each new home, if it is not there
    refusal: str = "busy"  # what its model is told of an edit that is refused; "…": the supervisor's sentence
    quiet: int = 30  # seconds in which an agent that tries again by itself has given up, or said so; a stall may take twice that
    keys: dict[str, dict[str, object]] = field(default_factory=dict)  # of `SCENARIOS` -> what it needs set
    cannot: dict[str, str] = field(default_factory=dict)  # of `SCENARIOS` -> why

    def packages(self) -> tuple[Package, ...]:
        """Return all that is to be installed for it."""
        return (self.package, self.fetches[1]) if self.fetches else (self.package,)

    @property
    def package(self) -> Package:
        """Return what to install: what the adapter says it was tested with."""
        adapter = find(self.name)
        registry, _, name = adapter.package.partition(":")
        return Package(name, registry, adapter.tested, self.program, self.beside)


CLAUDE = Rig(
    "claude",
    "node_modules/.bin/claude",
    model="claude-sonnet-4-5",
    env=lambda at: {
        "ANTHROPIC_BASE_URL": at.url,
        "ANTHROPIC_API_KEY": "scripted",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    },
    refusal="PreToolUse:Edit hook error: LEASE DENIED: …",
)
CODEX = Rig(
    "codex",
    "node_modules/.bin/codex",
    env=lambda _: {"SCRIPTED_KEY": "scripted"},
    files=lambda at: {".codex/config.toml": _codex_config(at.url)},
    refusal="Command blocked by PreToolUse hook: LEASE DENIED: …",
    keys={"mcp": {"model": "gpt-6-sol"}},  # to one that it does not know it shows no MCP tool
)
GEMINI = Rig(
    "gemini",
    "node_modules/.bin/gemini",
    model="gemini-2.5-pro",
    env=lambda at: {"GEMINI_API_KEY": "scripted", "GOOGLE_GEMINI_BASE_URL": at.url},
    files=lambda _: {
        ".gemini/settings.json": json.dumps(
            {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "general": {"maxAttempts": 3},
            }
        )
    },
    refusal="Tool execution blocked: LEASE DENIED: …",
)
OPENCODE = Rig(
    "opencode",
    "node_modules/.bin/opencode",
    model="scripted/scripted",
    env=lambda _: {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
    files=lambda at: {".config/opencode/opencode.json": json.dumps(_opencode_config(at.url))},
    fetches=(".config/opencode", OPENCODE_PLUGIN),
    quiet=110,
    refusal="LEASE DENIED: …",
)
QWEN = Rig(
    "qwen",
    "node_modules/.bin/qwen",
    env=lambda at: {
        "OPENAI_BASE_URL": f"{at.url}/v1",
        "OPENAI_API_KEY": "scripted",
        "OPENAI_MODEL": "scripted",
    },
    beside=tuple(NODE.pins()),
    refusal="LEASE DENIED: …",
    quiet=150,
)
PI = Rig(
    "pi",
    "node_modules/.bin/pi",
    model="scripted/scripted",
    env=lambda _: {},
    files=lambda at: {".pi/agent/models.json": json.dumps(_pi_models(at.url))},
    beside=tuple(NODE.pins()),
    refusal="LEASE DENIED: …",
    keys={"limited": {"home": "own"}},  # else it waits in silence for as long as `retry-after` says
    cannot={"mcp": "it has no MCP"},
)
COPILOT = Rig(
    "copilot",
    "node_modules/.bin/copilot",
    env=lambda at: {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{at.url}/v1",
        "COPILOT_PROVIDER_API_KEY": "scripted",
        "COPILOT_MODEL": "scripted",
    },
    refusal="Denied by preToolUse hook: LEASE DENIED: …",
)
CLINE = Rig(
    "cline",
    "node_modules/.bin/cline",
    env=lambda _: {},
    files=lambda at: {
        ".cline/data/settings/providers.json": json.dumps(_cline_providers(at.url)),
        ".cline/data/settings/global-settings.json": json.dumps(
            {"telemetryOptOut": True, "autoUpdateEnabled": False}
        ),
    },
    refusal="Editor operation failed: EBUSY: resource busy or locked",
    quiet=100,
    cannot={"resume": "with the brief of a new session it takes up no earlier one"},
)
GPTME = Rig(
    "gptme",
    "bin/gptme",
    model="local/scripted",
    args=("--tool-format", "markdown"),
    env=lambda at: {
        "OPENAI_BASE_URL": f"{at.url}/v1",
        "OPENAI_API_KEY": "scripted",
        "GPTME_LLM_MAX_RETRIES": "2",
    },
    refusal="LEASE DENIED: …",
    quiet=100,
)
AIDER = Rig(
    "aider",
    "bin/aider",
    model="openai/scripted",
    args=("--edit-format", "diff", "--map-tokens", "0"),
    env=lambda at: {"OPENAI_API_BASE": f"{at.url}/v1", "OPENAI_API_KEY": "scripted"},
    cannot={
        **dict.fromkeys(("refused", "killed", "stopped"), "its model runs no commands"),
        "budget": "what it edits comes with the whole answer, and it commits that and ends",
        "resume": "it has no sessions",
        "mcp": "it has no MCP",
    },
)
MINI = Rig(
    "mini-swe-agent",
    "bin/mini",
    model="openai/scripted",
    env=lambda at: {"OPENAI_API_BASE": f"{at.url}/v1", "OPENAI_API_KEY": "scripted"},
    beside=("mcp==2.3.0",),
    refusal="leasehold: …",
    cannot={"resume": "it takes up no earlier session", "mcp": "it has no MCP"},
)

RIGS = {
    rig.name: rig for rig in (CLAUDE, CODEX, GEMINI, OPENCODE, QWEN, PI, COPILOT, CLINE, GPTME, AIDER, MINI)
}


def _codex_config(url: str) -> str:
    return f"""
model_provider = "scripted"
approval_policy = "never"

[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
env_key = "SCRIPTED_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
supports_websockets = false
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


def _pi_models(url: str) -> dict[str, object]:
    model = {"id": "scripted", "name": "scripted", "contextWindow": 200000, "maxTokens": 8192}
    return {
        "providers": {
            "scripted": {
                "baseUrl": f"{url}/v1",
                "api": "openai-completions",
                "apiKey": "scripted",
                "models": [model],
            }
        }
    }


def _cline_providers(url: str) -> dict[str, object]:
    settings = {
        "provider": "openai-compatible",
        "apiKey": "scripted",
        "baseUrl": f"{url}/v1",
        "model": "scripted",
    }
    return {
        "version": 1,
        "lastUsedProvider": "openai-compatible",
        "modes": {},
        "providers": {
            "openai-compatible": {
                "settings": settings,
                "updatedAt": "2026-01-01T00:00:00.000Z",  # without it the whole file is ignored
                "tokenSource": "manual",
            }
        },
    }
