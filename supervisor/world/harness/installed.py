"""Which agents are installed on this host, and at which version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from supervisor.world.harness.adapter import Adapter
from supervisor.world.harness.packaged import packaged_version
from supervisor.world.harness.registry import AdapterError, find, names
from supervisor.world.level import Finding

_LIMIT = 15.0  # seconds; a cold start of the slowest takes four
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?(?:[-.+][0-9A-Za-z.]+)?")


@dataclass(frozen=True, slots=True)
class Installed:
    """An agent that was found; `version` is "" where it did not say."""

    adapter: Adapter
    path: Path
    version: str


def installed(environ: Mapping[str, str]) -> list[Installed]:
    """Return the agents in PATH that have an adapter, in the order of the adapters, each with its version."""
    search = environ.get("PATH", os.defpath)
    found = []
    for adapter in _adapters():
        path = shutil.which(adapter.program, path=search) if adapter.program else None
        if path is not None:
            found.append((adapter, Path(path)))
    with ThreadPoolExecutor(max_workers=2) as pool:
        versions = pool.map(lambda each: _version(each[0], each[1], environ), found)
        return [
            Installed(adapter, path, version)
            for (adapter, path), version in zip(found, versions, strict=True)
        ]


def look_at_harnesses(environ: Mapping[str, str]) -> list[Finding]:
    """Return a finding for each agent: one of another version than its adapter was tried with may print other things."""
    return [_finding(each) for each in installed(environ)]


def _adapters() -> list[Adapter]:
    adapters = []
    for name in names():
        try:
            adapters.append(find(name))
        except AdapterError:
            continue  # `check` says so where it is used
    return adapters


def _version(adapter: Adapter, path: Path, environ: Mapping[str, str]) -> str:
    # Its package first: to start an agent takes seconds, and some leave files in the home even then.
    if version := packaged_version(adapter.package, path):
        return version
    try:
        command = adapter.version(adapter.real(path))
    except Exception:  # noqa: BLE001  - another package's adapter; its sessions say what is wrong with it
        return ""
    try:
        said = subprocess.run(
            command,
            env={**environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = _VERSION.search((said.stdout + b" " + said.stderr).decode("utf-8", "replace"))
    return found[0] if found else ""


def _finding(each: Installed) -> Finding:
    name, tested = f"harness {each.adapter.name}", each.adapter.tested
    if each.version == tested:
        return Finding(name, good=True, told=f"{each.version} at {each.path}")
    kind, _, package = each.adapter.package.partition(":")
    pin = f"npm install -g {package}@{tested}" if kind == "npm" else f"pip install {package}=={tested}"
    return Finding(
        name,
        good=False,
        told=f"{each.version or 'no version told'} at {each.path}; its adapter was tested with {tested}",
        way_out=f"watch its first session, or `{pin}`",
    )
