"""The tools: what a session may ask of its supervisor, each answered with a text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BeforeValidator, Field

from supervisor.mcp import told
from supervisor.mcp.asking import Supervisor
from supervisor.world.control.client import Refused, Unreachable
from supervisor.world.git.history import commits_since
from supervisor.world.git.repository import RepositoryError, open_repository
from supervisor.world.git.run import GitError

MOST_WAIT = 600.0  # seconds
_SLACK = 30.0  # seconds that an answer may take beyond the wait it contains


def _listed(value: object) -> object:
    """Take one path for a list of one, as models often write it."""
    return [value] if isinstance(value, str) else value


Paths = Annotated[
    list[str],
    BeforeValidator(_listed),
    Field(
        min_length=1,
        description="Files, folders/ or globs, relative to the top folder of the repository; or resource:NAME.",
    ),
]


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one session. `repo` is its checkout or work tree, `target` the branch that its own comes into."""

    supervisor: Supervisor
    session: str
    repo: Path | None
    target: str

    async def lease_acquire(
        self,
        paths: Paths,
        shared: Annotated[bool, Field(description="Share with others who share, to read only.")] = False,  # noqa: FBT002
        wait_seconds: Annotated[
            float, Field(ge=0, le=MOST_WAIT, description="How long to wait for whoever holds them.")
        ] = 0.0,
    ) -> str:
        """Ask for files before you write them: all of them or none. A refusal says who holds which, and for how long at most."""
        answer = await self._ask(
            "lease.acquire", wait_seconds + _SLACK, paths=paths, shared=shared, wait=wait_seconds
        )
        return told.granted(answer)

    async def lease_release(
        self,
        paths: Annotated[
            list[str],
            BeforeValidator(_listed),
            Field(description="What to give back; an empty list means all."),
        ],
    ) -> str:
        """Give files back that you have committed and no longer need, so that others can go on."""
        count = (await self._ask("lease.release", paths=paths))["released"]
        return f"{count} lease{'s' * (count != 1)} given back."

    async def lease_who(
        self, path: Annotated[str, Field(description="A file, folder/ or resource:NAME.")]
    ) -> str:
        """Say who holds a file or resource now."""
        return told.holders(await self._ask("lease.who", path=path), self.session)

    async def task_show(self) -> str:
        """Show your task: its text, what it may write, how the last attempt ended, and notes of earlier sessions."""
        return told.task(await self._ask("task.show"))

    async def task_done(
        self,
        text: Annotated[
            str, Field(description="What was done; if nothing had to be committed, why not.")
        ] = "",
    ) -> str:
        """Say that your task is done. Commit first: without a commit it counts only with a reason in `text`. End after it."""
        await self._ask("task.done", text=text)
        return "Noted. End now: what is committed counts, and without a commit the reason that you gave."

    async def task_block(
        self,
        text: Annotated[str, Field(description="What is in the way, and who could clear it away.")],
        again_in_seconds: Annotated[
            float | None,
            Field(gt=0, description="Try again after this time; without it an operator decides."),
        ] = None,
    ) -> str:
        """Say that your task cannot be done now. It counts as no failure. End after it."""
        await self._ask("task.block", text=text, again_in=again_in_seconds)
        return "Noted. End now: your task waits."

    async def task_handoff(
        self,
        text: Annotated[
            str, Field(description="What is done, what is left, what the next session should know.")
        ],
    ) -> str:
        """Leave the rest of your task to its next session, which reads `text`. Commit what is good, and end after it."""
        await self._ask("task.handoff", text=text)
        return "Noted. Commit what is good and end: the next session of this task reads your note first."

    async def who_is_running(self) -> str:
        """List the sessions at work now, with their tasks and what they hold."""
        found = await self._ask("session.list")
        leases = await self._ask("lease.list")
        return told.sessions(found["sessions"], leases["leases"], self.session)

    async def recent_commits(
        self,
        path: Annotated[
            str, Field(description="Only commits that changed this file or folder; empty for all.")
        ] = "",
        minutes: Annotated[float, Field(gt=0, le=7 * 24 * 60, description="How far to look back.")] = 60.0,
    ) -> str:
        """List what landed lately and by which session, newest first: look before you do what is done already."""
        if self.repo is None:
            raise ToolError("This session has no repository, so there are no commits.")
        try:
            repo = await open_repository(self.repo)
            found = await commits_since(repo, time.time() - 60 * minutes, ref=self.target or None, limit=1000)
        except (GitError, RepositoryError) as error:
            raise ToolError(f"git could not be asked: {error}") from error
        where = f"in {path}" if path else "here"
        inside = path.rstrip("/")
        shown = [
            commit
            for commit in found
            if not inside or any(name == inside or name.startswith(f"{inside}/") for name in commit.paths)
        ]
        return told.commits(shown, self.session, where)

    async def note(
        self, text: Annotated[str, Field(min_length=1, description="What later sessions should know.")]
    ) -> str:
        """Keep a note with your task: later sessions of it and operators read it."""
        await self._ask("task.note", text=text)
        return "Noted."

    async def _ask(self, method: str, limit: float = 60.0, /, **params: Any) -> Any:
        try:
            return await self.supervisor.ask(method, limit, **params)
        except Refused as error:
            raise ToolError(told.refused(error.message, error.data)) from error
        except Unreachable as error:
            raise ToolError(
                f"The supervisor cannot be reached ({error.why}). Nothing was changed; ask again in a minute."
            ) from error
