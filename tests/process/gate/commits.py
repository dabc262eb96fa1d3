"""Commits in a gated repository: hooks of its own, and what a commit's message says."""

from __future__ import annotations

from pathlib import Path

from tests.process.children.checkout import Checkout

ZERO = "0" * 40


BOTH = ["Leasehold-Session:", "s-7", "Leasehold-Task:", "fix-it"]


def own_hook(folder: Path, name: str, body: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / name
    hook.write_text(f"#!/bin/sh\n{body}\n")
    hook.chmod(0o755)


def message(checkout: Checkout, ref: str = "HEAD") -> str:
    return checkout.git("log", "-1", "--format=%B", ref).rstrip("\n")


def trailers(checkout: Checkout, ref: str = "HEAD") -> list[str]:
    return checkout.git("log", "-1", "--format=%(trailers:only)", ref).split()
