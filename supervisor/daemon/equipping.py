"""What a session's harness is started with: its command line, its own home, its hooks and its MCP server."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import workers
from supervisor.core.sessions.hooks import Hooks
from supervisor.core.sessions.reading import Reading
from supervisor.core.sessions.roster import Session
from supervisor.core.tasks.standing import LastRun
from supervisor.daemon.earlier_sums import sums_before
from supervisor.world.config.harness_program import adapter_of
from supervisor.world.config.models import HarnessSettings
from supervisor.world.harness.account import as_it_is
from supervisor.world.harness.adapter import Adapter, Prepared, Start
from supervisor.world.harness.homes import GIT
from supervisor.world.harness.lines import as_json
from supervisor.world.harness.overlay import laid_over
from supervisor.world.harness.registry import AdapterError
from supervisor.world.harness.replaced import stamps
from supervisor.world.launch.launcher import LaunchError
from supervisor.world.launch.spec import HOME
from supervisor.world.launch.tail import head_of
from supervisor.world.mcp_command import mcp_command

# Only the package itself is looked up in its folder, so that nothing beside it can stand in for the standard library.
_HOOK = (
    "import sys; usual = sys.path; sys.path = sys.argv[1:2]; import workers.edit; sys.path = usual; "
    "from workers.edit.main import main; sys.exit(main(sys.argv[2:]))"
)
_HEAD = 1 << 18  # bytes of an earlier session's output in which the harness names its own session
WHICH = "harness"  # in a session's home, a line each: its adapter, the id its own session was given, its program's files, its folder
ACCOUNT = "account"  # beside it: the account's home as it was then


@dataclass(frozen=True, slots=True)
class Equipment:
    """What the worker's specification needs of the harness; `resumed` is the session that goes on, or "", `hooks` whether it has some."""

    prepared: Prepared
    stop: str
    resumed: str = ""
    hooks: Hooks = Hooks.NONE


def equip(
    session: Session,
    harness: HarnessSettings,
    folder: Path,
    env: Mapping[str, str],
    last: LastRun | None,
    root: Path | None,
) -> Equipment:
    """Return what a session of this harness is started with.

    `folder` is the session's own, `env` its environment so far. An earlier session of the task that was interrupted goes on where the harness
    can do that and works in the same folder as before (`root` of its
    repository, or its home), or remembers its sessions wherever it works.

    Raises:
        LaunchError: the adapter is gone, or its program is not in PATH.
    """
    try:
        adapter = adapter_of(harness)
    except AdapterError as error:
        raise LaunchError(str(error)) from error
    if harness.command is not None:
        user = Path(env.get("HOME") or "/")
        files = {ACCOUNT: as_json(as_it_is(user, [user / name for name in GIT]))}
        return Equipment(Prepared(harness.command, files=files), adapter.stop)
    earlier = last.goes_on if last is not None and harness.resume else ""
    before = folder.parent / earlier
    home = folder / HOME
    place = root or (home if harness.home == "own" else Path(env.get("HOME") or "/"))
    with _answering_for(adapter):
        resume = _native(adapter, before, place) if earlier else ""
        start = Start(
            program=_program(adapter, harness, env),
            session=session.id,
            native=str(uuid.uuid4()),
            home=home,
            user=Path(env.get("HOME") or "/"),
            model=session.intent.model,
            resume=resume,
            before=before / HOME if resume else None,
            own=harness.home == "own",
            hook=hook_command() if harness.hooks and "hooks" in adapter.can and session.intent.repo else (),
            mcp=(mcp_command() or ()) if harness.mcp and "mcp" in adapter.can else (),
            args=harness.args,
            env=env,
        )
        prepared = adapter.prepare(start)
        files = _files(adapter, start, prepared, place)
        if resume:
            files |= sums_before(adapter, before)
        links = _links(adapter, prepared, folder.parent.parent)
    return Equipment(
        Prepared(prepared.argv, prepared.env, files, links),
        adapter.stop,
        earlier if resume else "",
        Hooks.AWAITED if start.hook else Hooks.NONE,
    )


@contextlib.contextmanager
def _answering_for(adapter: Adapter) -> Iterator[None]:
    """Make one refusal of whatever another package's adapter raises; it must not end the supervisor."""
    try:
        yield
    except LaunchError:
        raise
    except Exception as error:
        raise LaunchError(f'adapter "{adapter.name}" failed: {type(error).__name__}: {error}') from error


def _files(adapter: Adapter, start: Start, prepared: Prepared, place: Path) -> dict[str, bytes]:
    """Return what is written into the session's home: the adapter's files, and what the next session must know."""
    which = (
        f"{adapter.name}\n{start.resume or start.native}\n".encode() + stamps(start.program) + _line(place)
    )
    files = {**prepared.files, WHICH: which, ACCOUNT: as_json(_account(adapter, start, prepared))}
    for name, theirs in prepared.over.items():
        files[name] = laid_over(files[name], theirs)
    return files


def _links(adapter: Adapter, prepared: Prepared, state: Path) -> dict[str, Path]:
    """Return what is linked into the session's home; a folder to fetch things into is made where the account has none."""
    links = dict(prepared.links)
    for name in prepared.fetched:
        if not links[name].exists():
            links[name] = fetched_folder(state) / adapter.name / name
            links[name].mkdir(mode=0o700, parents=True, exist_ok=True)
    return links


def fetched_folder(state: Path) -> Path:
    """Return the folder, in the state directory, of what harnesses fetch at their start and share."""
    return state / "fetched"


def _account(adapter: Adapter, start: Start, prepared: Prepared) -> dict[str, Any]:
    """Return how what the agent uses of the account's home is now: all that a home of its own would be given of that."""
    given = prepared if start.own else adapter.prepare(replace(start, own=True))
    return as_it_is(start.user, (*given.links.values(), *given.over.values()))


def hook_command() -> tuple[str, ...]:
    """Return the command of the edit hook, which needs neither `site` nor an import path."""
    return (sys.executable, "-I", "-S", "-c", _HOOK, str(Path(workers.__file__).parent.parent))


def _program(adapter: Adapter, harness: HarnessSettings, env: Mapping[str, str]) -> tuple[str, ...]:
    if harness.program is not None:
        return harness.program
    found = shutil.which(adapter.program, path=env.get("PATH", os.defpath))
    if found is None:
        raise LaunchError(f'no program "{adapter.program}" in PATH; install {adapter.package}')
    return adapter.real(Path(found))


def _line(place: Path) -> bytes:
    return f"\n{json.dumps(str(place))}\n".encode()


def _native(adapter: Adapter, before: Path, place: Path) -> str:
    """Return the id under which the harness knows an earlier session, from what that printed; "" if it cannot go on."""
    if "resume" not in adapter.can:
        return ""
    reading = Reading()
    try:
        name, given, _program, earlier = head_of(before / HOME / WHICH, _HEAD).decode().split("\n")[:4]
        if name != adapter.name or ("moves" not in adapter.can and json.loads(earlier) != str(place)):
            return ""
        if "preset_id" in adapter.can:
            return given  # some tell their id only in their last event
    except (ValueError, RecursionError):
        return ""
    for line in head_of(before / "out.log", _HEAD).splitlines():
        adapter.hear(line, reading)
        if reading.native_session:
            return reading.native_session
    return ""
