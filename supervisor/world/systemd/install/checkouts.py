"""The folders of a repository, told from its files: git itself refuses to look for another account."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from supervisor.world.config.checkout import CheckoutError, checkout_root


@dataclass(frozen=True, slots=True)
class Checkout:
    """`root` is the top of the working tree, `git` the folders that git writes: its own, and the shared one."""

    root: Path
    git: tuple[Path, ...]


def look_at_checkout(path: Path) -> Checkout:
    """Return the folders of the repository that `path` is in.

    Raises:
        CheckoutError: there is none; the message is the end of a sentence that begins with the path.
    """
    root = checkout_root(path).resolve()
    git = root / ".git"
    try:
        if git.is_file():
            git = Path(root, git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        shared = git / "commondir"
        common = Path(git, shared.read_text(encoding="utf-8").strip()).resolve() if shared.is_file() else git
    except (OSError, UnicodeDecodeError) as error:
        raise CheckoutError(f"cannot be looked at: {error}") from error
    return Checkout(root, (common,) if git.is_relative_to(common) else (common, git))
