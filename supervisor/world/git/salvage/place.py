"""Put versions of files into the work tree: contents through their filters, modes, links, removals."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from supervisor.world.git.repository import Repository
from supervisor.world.git.run import GitError
from supervisor.world.git.salvage.index import Entry, temporary_index, without_filters
from supervisor.world.threads import in_thread


async def place(
    repo: Repository, wanted: Mapping[str, Entry | None], *, unfiltered: bool = False
) -> dict[str, str]:
    """Write each path's version, or remove the file where there is none; return what went wrong.

    With `unfiltered` no content filter is asked, as for files that were stored when theirs failed.
    Whatever is in the way is written over: look first. Removals come first, so a file may become a folder.

    Raises:
        OSError: there is no room for a temporary file.
    """
    wrong = await in_thread(_remove, repo, [path for path, entry in wanted.items() if entry is None])
    present = {path: entry for path, entry in wanted.items() if entry is not None}
    if present:
        with temporary_index(repo) as made:
            try:
                index = await without_filters(made) if unfiltered else made
                await index.set(present.items())
                await index.write_out(present)
            except GitError as error:
                wrong |= dict.fromkeys(present, str(error))
    return wrong


def _remove(repo: Repository, paths: list[str]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for path in paths:
        try:
            os.unlink(f"{repo.root}/{path}")  # noqa: PTH108  - a path of 4,095 bytes passes through unchanged
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            wrong[path] = f"it cannot be removed: {error.strerror}"
            continue
        folder = path
        with contextlib.suppress(OSError):  # git knows no empty folders, so those that became empty go too
            while "/" in folder:
                folder = folder.rpartition("/")[0]
                os.rmdir(f"{repo.root}/{folder}")  # noqa: PTH106
    return wrong
