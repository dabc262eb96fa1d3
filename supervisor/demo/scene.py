"""Set the scene: a real repository with a backlog and an earlier session's uncommitted work, once for each run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from supervisor.demo import story


class SceneError(Exception):
    """The repository could not be built; one line says why."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where one run takes place. `base` is the commit that it starts from."""

    folder: Path
    base: str

    @property
    def repo(self) -> Path:
        """The repository."""
        return self.folder / "repo"

    @property
    def state(self) -> Path:
        """Where the supervisor, if one takes part, keeps its journal."""
        return self.folder / "state"

    @property
    def logs(self) -> Path:
        """Where each session writes its own log."""
        return self.folder / "sessions"


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of everything that the demonstration starts.

    Neither a session or supervisor around us nor the user's own git configuration (hooks, signing) is
    to take part; git speaks English, because the agent reads what it says.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith(("LEASEHOLD", "GIT_"))}
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, [environ.get("PYTHONPATH")])]
    return kept | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def set_scene(folder: Path, env: Mapping[str, str]) -> Scene:
    """Build the repository of one run in `folder`, which must not exist.

    Raises:
        SceneError: git is missing or fails.
    """
    repo = folder / "repo"
    for name, text in story.FILES.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "sessions").mkdir()
    _git(repo, env, "init", "-q", "-b", story.BRANCH)
    settings = {
        "user.name": "Demo",
        "user.email": "demo@localhost",
        "commit.gpgSign": "false",
        "gc.auto": "0",
    }
    for name, value in settings.items():
        _git(repo, env, "config", name, value)
    _git(repo, env, "add", "-A")
    _git(repo, env, "commit", "-q", "-m", "Start the package")
    with (repo / story.ORPHAN).open("a", encoding="utf-8") as orphan:
        orphan.write(story.ORPHANED_TEXT)
    return Scene(folder, _git(repo, env, "rev-parse", "HEAD"))


def _git(repo: Path, env: Mapping[str, str], *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=repo, env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SceneError("git is not installed; the demonstration needs it") from error
    if done.returncode:
        raise SceneError(f"git {words[0]} failed in {repo}: {done.stderr.strip()}")
    return done.stdout.strip()
