"""Where a git command works: the folder that it is run in is one answer, its options and its environment are others.

See git(1), "--git-dir", "--work-tree" and "Git Repository".
"""

from __future__ import annotations

import os

from workers.guard.calls import variables_of
from workers.guard.regular import open_regular
from workers.guard.resolve import AT_FDCWD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from workers.guard.gitline import CommandLine
    from workers.guard.memory import Memory
    from workers.guard.resolve import Eyes
    from workers.guard.seccomp import Held

_NAMES = (b"GIT_DIR", b"GIT_WORK_TREE")
_LONGEST = 8192  # bytes of the file that names a linked work tree


def folders_of(call: Held, memory: Memory, eyes: Eyes, command: CommandLine) -> list[bytes]:
    """Return the folders, absolute and free of links, whose work tree or repository a held git command would change.

    That is the one that it starts in, or else the work tree that it is told of, and the one that the repository it is
    told of belongs to: a `reset` moves that one's HEAD and index whatever files it writes.

    Raises:
        GoneError, UnreadableError: as they say.
    """

    def joined(at: bytes | None, folder: bytes) -> bytes:
        """Go to a folder from another one; an absolute path is one of the task's own root and mounts."""
        seen = eyes.locate(call.task, AT_FDCWD, folder, follow=True) if folder.startswith(b"/") else None
        return seen or _joined(at, folder)

    at = eyes.locate(call.task, AT_FDCWD, b".", follow=True)
    for folder in command.folders:
        at = joined(at, folder)
    given = variables_of(call, memory, _NAMES)
    git_dir = command.git_dir or given.get(b"GIT_DIR")
    work_tree = command.work_tree or given.get(b"GIT_WORK_TREE")
    tree = joined(at, work_tree) if work_tree else at
    found = [tree, _home(joined(at, git_dir)) if git_dir else at]
    return [
        folder for number, folder in enumerate(found) if folder is not None and folder not in found[:number]
    ]


def _joined(at: bytes | None, folder: bytes) -> bytes:
    return os.path.realpath(os.path.join(at or b"/", folder))


def _home(git_dir: bytes) -> bytes | None:
    """Return the work tree that a git folder belongs to; `None` for one of a repository without any."""
    if os.path.basename(git_dir) == b".git":
        return os.path.dirname(git_dir)
    try:
        with open(open_regular(git_dir + b"/gitdir"), "rb") as file:  # that of a linked work tree
            link = file.read(_LONGEST).strip()
    except OSError:
        return None
    return os.path.dirname(_joined(git_dir, link))
