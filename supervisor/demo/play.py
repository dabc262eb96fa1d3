"""The whole demonstration: two scenes, two runs, one report, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from supervisor.demo.account import Account, account, read_logs
from supervisor.demo.record import Record, read_record
from supervisor.demo.runs import Played, Terms, play_advisory, play_leasehold
from supervisor.demo.scene import Scene, environment, set_scene
from supervisor.demo.screen import Audience

_SHORT = 60  # bytes; sockets have long names under their folder, and a limit of about a hundred
Run = Callable[[Scene, Terms, Path, Mapping[str, str], Audience], Played]
Opening = Callable[[], AbstractContextManager[Audience]]


class KeepError(Exception):
    """The folder that was to be kept cannot be used; one line says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The accounts of both runs, and what the supervisor's journal says of the second."""

    advisory: Account
    leasehold: Account
    record: Record


def play(terms: Terms, keep: Path | None, environ: Mapping[str, str], audience: Opening) -> Outcome:
    """Play both runs; `audience` opens a show for each. Everything started has ended when this returns.

    Raises:
        KeepError: the folder to keep is in use.
        SceneError: the repository could not be built.
    """
    env = environment(environ)
    with _ended_by_signals(), _folder(keep) as folder, _sockets() as sockets:

        def perform(run: Run, scene: Scene) -> Account:
            with audience() as show:
                played = run(scene, terms, sockets, env, show)
            return _account(scene, played)

        scenes = [set_scene(folder / name, env) for name in ("advisory", "leasehold")]
        advisory, leasehold = map(perform, (play_advisory, play_leasehold), scenes)
        return Outcome(advisory, leasehold, read_record(scenes[1].state))


def _account(scene: Scene, played: Played) -> Account:
    from supervisor.demo.history import read_history  # noqa: PLC0415  - GitPython's import fails without git

    history = read_history(scene.repo, scene.base)
    return account(read_logs(scene.logs), history, played.seconds, played.cut_short)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Give a folder to play in: one to keep, or one that is removed at the end."""
    if keep is not None:
        folder = keep.absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise KeepError(f"{folder} is not empty; name a new folder")
        except OSError as error:
            raise KeepError(f"{folder} cannot be used: {error.strerror}") from error
        yield folder.resolve()
        return
    with _temporary() as folder:
        yield folder


@contextmanager
def _sockets() -> Iterator[Path]:
    """Give a folder with a short name for sockets."""
    with _temporary("/tmp" if len(os.fsencode(tempfile.gettempdir())) > _SHORT else None) as folder:  # noqa: S108  - made by mkdtemp
        yield folder


@contextmanager
def _temporary(within: str | None = None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="leasehold-demo-", dir=within)).resolve()
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder, also what the supervisor made read-only in it."""
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]:
        path.chmod(0o700)
    shutil.rmtree(folder)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End in order at Ctrl-C, when we are asked to end, and when the terminal goes away.

    The first signal ends the runs; those after it do not disturb the clearing up, which is bounded.
    """

    def end(number: int, _frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
