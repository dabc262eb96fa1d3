"""A real git repository in a test's own folder, untouched by the configuration of whoever runs the test."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

IDENTITY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
}


@dataclass
class Checkout:
    """A working tree; `env` is added to the environment of every command."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def init(cls, root: Path, *options: str, commit: bool = True) -> Checkout:
        """Make a repository on branch main, with one empty commit unless told otherwise."""
        root.mkdir(parents=True, exist_ok=True)
        made = cls(root)
        made.git("init", "-q", "--template=", "-b", "main", *options)
        if commit:
            made.git("commit", "-q", "--allow-empty", "-m", "start")
        return made

    def at(self, root: Path) -> Checkout:
        """Return the same environment in another folder."""
        return Checkout(root, self.env)

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it did."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "LEASEHOLD_"))
        }
        return subprocess.run(
            argv,
            cwd=self.root,
            env=kept | IDENTITY | self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=60,
            check=False,
        )

    def git(self, *args: str, **env: str) -> str:
        """Run a git command that must succeed; return its output without the last line break."""
        done = self.run("git", *args, **env)
        assert done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.removesuffix("\n")

    def refused(self, *args: str, **env: str) -> str:
        """Run a git command that must fail; return its complaint."""
        done = self.run("git", *args, **env)
        assert done.returncode != 0, f"git {args} was let through: {done.stdout}{done.stderr}"
        return done.stderr

    def write(self, path: str, content: str = "text\n") -> Path:
        """Write a file and return its path."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file

    def commit(self, *paths: str, message: str = "work", content: str = "text\n", **env: str) -> str:
        """Write, stage and commit files; return the commit's name."""
        for path in paths:
            self.write(path, content)
        self.git("add", "--", *paths)
        self.git("commit", "-q", "-m", message, **env)
        return self.tip()

    def tip(self, ref: str = "HEAD") -> str:
        """Return the commit that a ref names."""
        return self.git("rev-parse", ref)
