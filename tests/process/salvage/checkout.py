"""A repository whose uncommitted changes are salvaged, and what is asked of git about it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from supervisor.world.git.repository import open_repository
from supervisor.world.git.salvage.message import Label

SETTINGS = [
    word
    for setting in (
        "user.name=T",
        "user.email=t@e",
        "protocol.file.allow=always",
        "core.hooksPath=/dev/null",
        "commit.gpgSign=false",
    )
    for word in ("-c", setting)
]


class Checkout:
    """A repository with a few files, and what is asked of git about it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "-q", "-b", "main")
        for name in ("a.txt", "b.txt", "c.txt", "dir/x.txt", "dir/y.txt"):
            self.write(name, f"{name}\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "Begin")

    def git(self, *args: str, ok: bool = True) -> bytes:
        done = subprocess.run(
            ["git", *SETTINGS, *args],
            cwd=self.root,
            capture_output=True,
            timeout=30,
        )
        assert not ok or done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str, content: str | bytes) -> None:
        path = os.path.join(os.fsencode(self.root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def seen(self) -> dict[str, object]:
        """Return everything that salvaging must leave as it is."""
        git_dir = self.root / ".git"
        logs = {str(p): p.read_bytes() for p in (git_dir / "logs").rglob("*") if p.is_file()}
        refs = [line for line in self.git("for-each-ref").splitlines() if b"refs/leasehold/" not in line]
        return {
            "status": self.git("--no-optional-locks", "status", "--porcelain=v2", "-z", "-uall"),
            "index": (git_dir / "index").read_bytes() if (git_dir / "index").exists() else b"",
            "HEAD": (git_dir / "HEAD").read_bytes(),
            "refs": refs,
            "logs": logs,
            "stash": self.git("stash", "list"),
            "files": files_of(self.root),
        }

    def version(self, commit: str, path: str) -> bytes:
        return self.git("cat-file", "blob", f"{commit}:{path}")


def files_of(root: Path) -> dict[bytes, object]:
    found: dict[bytes, object] = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        if b".git" in folders and folder == os.fsencode(root):
            folders.remove(b".git")
        for name in names:
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            found[path] = (
                seen.st_mode,
                os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes(),
            )
    return found


async def open_repository_of(checkout: Checkout):
    """Return the repository; a branch without a commit is opened from one that has some."""
    head = (checkout.root / ".git/HEAD").read_bytes()
    try:
        (checkout.root / ".git/HEAD").write_text("ref: refs/heads/main\n")
        return await open_repository(checkout.root)
    finally:
        (checkout.root / ".git/HEAD").write_bytes(head)  # and never the index: git goes by its time


def label(*paths: str, session: str = "s1") -> Label:
    return Label(session=session, task="t", outcome="failed", paths=tuple(paths))
