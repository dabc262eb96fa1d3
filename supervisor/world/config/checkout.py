"""Whether a folder is in a git checkout, told from its files; git itself is asked when sessions need it."""

from __future__ import annotations

from pathlib import Path


class CheckoutError(ValueError):
    """Sessions cannot work there; the message is the end of a sentence that begins with the path."""


def checkout_root(path: Path) -> Path:
    """Return the top of the git checkout that `path` is in.

    Raises:
        CheckoutError: it does not exist, is not a folder, is in no checkout, or is a bare repository.
    """
    try:
        if not path.exists():
            raise CheckoutError("does not exist; correct the path, or clone the repository there")
        if not path.is_dir():
            raise CheckoutError("is not a folder; name the folder that holds the repository")
        if (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir():
            what = "the inside of a .git folder" if path.name == ".git" else "a bare repository"
            raise CheckoutError(f"is {what}; sessions need a checkout, name the folder of one")
        for folder in (path, *path.parents):
            if (folder / ".git").exists():
                return folder
    except OSError as error:
        raise CheckoutError(f"cannot be looked at: {error.strerror}") from error
    raise CheckoutError("is not in a git checkout; run `git init` there and commit, or correct the path")
