"""What a session left in its repository: commits, uncommitted files and where they are kept, what was half done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supervisor.core.sessions.integration import Integrated, Unintegrated, brought_in, where
from supervisor.core.sessions.salvage import Salvage, Unsalvaged


@dataclass(frozen=True, slots=True)
class Landed:
    """A commit that a session moved a branch to; `at` is Unix time in seconds."""

    sha: str
    subject: str
    at: float
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remains:
    """What settling found in the repository: commits with the session's trailer, and its dirty files.

    `dirty` are those still in the checkout, `salvage` is what was kept of the uncommitted work, and
    `salvages` names all that the task's next session has to look at. `under_way` are operations of git
    that were left half done; `lock` is what became of a locked index. `integration` is what became of commits on a
    branch of the session's own, `interim` are commits that it had integrated while it ran, `stray` a branch with others of them that are no part of it, `aside` the salvages of what it had stashed,
    `tree` a work tree of its own that is still there, and `tree_why` what only that has, or why it could not be read.
    """

    commits: tuple[Landed, ...] = ()
    dirty: tuple[str, ...] = ()
    salvage: Salvage | Unsalvaged | None = None
    salvages: tuple[str, ...] = ()
    under_way: tuple[str, ...] = ()
    lock: str = ""
    integration: Integrated | Unintegrated | None = None
    interim: tuple[Landed, ...] = ()
    stray: str = ""
    aside: tuple[str, ...] = ()
    tree: str = ""
    tree_why: str = ""
    unread: str = ""  # why the repository could not be asked, if it could not

    def sentence(self) -> str:
        """Return it in words."""
        parts = []
        if self.interim:
            parts.append(brought_in(len(self.interim), self.integration))
        if self.commits:
            count = len(self.commits)
            parts.append(f"{count} commit{'s' * (count > 1)} {where(self.commits[-1].sha, self.integration)}")
        if self.stray:
            parts.append(f"other commits kept on branch {self.stray}")
        if self.tree:
            why = f" ({self.tree_why})" if self.tree_why else ""
            parts.append(f"its work tree stays at {self.tree}{why}")
        if self.salvage is not None:
            parts.append(self.salvage.sentence())
        elif self.dirty:
            shown = ", ".join(self.dirty[:3]) + (" …" if len(self.dirty) > 3 else "")
            parts.append(f"uncommitted changes left in {shown}")
        if self.aside:
            parts.append(f"what it had stashed kept as salvage {', '.join(self.aside)}")
        parts += [f"a {operation} was left under way" for operation in self.under_way]
        if self.lock:
            parts.append(self.lock)
        if self.unread:
            parts.append(f"the repository could not be read: {self.unread}")
        return "; ".join(parts) or "nothing was committed"

    def as_json(self) -> dict[str, Any]:
        """Return the form that the evidence of an ending has."""
        commits = [c.sha for c in (*self.interim, *self.commits)]
        found: dict[str, Any] = {"commits": commits, "dirty": list(self.dirty)}
        found |= {"interim": commits[: len(self.interim)]} if self.interim else {}
        if isinstance(self.salvage, Salvage):
            found["salvage"] = self.salvage.as_json()
        elif self.salvage is not None:
            found["unsalvaged"] = self.salvage.as_json()
        if self.salvages:
            found["salvages"] = list(self.salvages)
        match self.integration:
            case Integrated() as landed:
                found["integrated"] = landed.as_json()
            case Unintegrated() as kept:
                found["branch"] = kept.as_json()
            case None:
                pass
        if self.stray:
            found["stray_branch"] = self.stray
        if self.tree:
            found["tree"] = self.tree
        if self.tree_why:
            found["tree_why"] = self.tree_why
        if self.under_way:
            found["under_way"] = list(self.under_way)
        if self.lock:
            found["index_lock"] = self.lock
        return found
