"""Real agents on a real repository under a real supervisor, with a scripted model. See `rigs.py` and `model/`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness.installs import UnavailableError, installed
from tests.harness.model.script import Turn
from tests.harness.model.server import ModelServer
from tests.harness.rigs import RIGS, Rig, Setting
from tests.harness.scenarios import SCENARIOS
from tests.process.conftest import Site, site, tagged
from tests.process.conftest import _toml as toml

__all__ = ["site", "tagged"]

HERE = Path(__file__).parent
LIMIT = 240.0  # seconds that a supervisor may take to become idle
_MISSING = pytest.StashKey[dict[str, str]]()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.name != "test_model.py":
            item.add_marker(pytest.mark.harness)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("harness").addoption(
        "--harness-only", default="", help="names of the agents to run, with commas; default: all"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_MISSING] = {}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what the chosen tests need before the first of them, and say so: it may take minutes."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if session.config.option.collectonly or reporter is None:
        return
    for rig in needed(session.items, session.config):
        try:
            for package in rig.packages():
                installed(package, reporter.write_line)
        except UnavailableError as error:
            session.config.stash[_MISSING][rig.name] = str(error)


def needed(items: Iterable[pytest.Item], config: pytest.Config) -> list[Rig]:
    """Return the agents of the tests that are to run; one that asks for none of its own takes all that the run is for."""
    found: dict[str, Rig] = {}
    for item in items:
        if item.get_closest_marker("harness") and "stage" in getattr(item, "fixturenames", ()):
            rig = item.callspec.params.get("rig") if hasattr(item, "callspec") else None
            found |= {each.name: each for each in ([rig] if isinstance(rig, Rig) else _chosen(config))}
    return list(found.values())


def _chosen(config: pytest.Config) -> list[Rig]:
    names = config.getoption("--harness-only")
    return [rig for rig in RIGS.values() if not names or rig.name in names.split(",")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    missing = config.stash[_MISSING]
    if missing:
        terminalreporter.section("agents that were not run")
        for name, reason in sorted(missing.items()):
            terminalreporter.write_line(f"{name}: {reason}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rig" in metafunc.fixturenames:
        rigs = _chosen(metafunc.config)
        metafunc.parametrize("rig", rigs, ids=[rig.name for rig in rigs])


@dataclass
class Stage:
    """A site on which agents work, and the model that tells them what to do."""

    site: Site
    model: ModelServer
    request: pytest.FixtureRequest
    rigs: list[Rig] = field(default_factory=list)

    def task(self, name: str, *turns: Turn, paths: tuple[str, ...] = (), **front: object) -> None:
        """Write a task whose session the model leads through these turns."""
        self.site.task(name, *paths, **front)
        path = self.site.root / f"tasks/{name}.md"
        path.write_text(f"{path.read_text()}\nscript:{name}\n")
        self.model.script(name, str(self.site.root), *turns)

    def configure(self, *rigs: Rig, harness: dict[str, object] | None = None, **sections: Any) -> None:
        """Write a configuration that runs these agents; skip the test where one cannot be had."""
        self.rigs = list(rigs)
        text = ["[repos.site]", 'path = "."', "[sources.tasks]", 'kind = "markdown"', 'path = "tasks"']
        for rig in rigs:
            common = {"budget": "2m", "warn": "5s", "grace": "5s"}
            text += [f"[harness.{rig.name}]"]
            keys = self._rig(rig) | common | (harness or {})
            text += [f"{key} = {toml(value)}" for key, value in keys.items()]
        for name, keys in ({"retry": {"attempts": 1, "spawns": 1}} | sections).items():
            text += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in keys.items())]
        self.site.write(".leasehold/config.toml", "\n".join(text) + "\n")
        self.site.write(".leasehold/.gitignore", "*\n")

    def available(self, *rigs: Rig) -> list[Rig]:
        """Return the agents that can be had here, of those that the run is for."""
        return [rig for rig in _chosen(self.request.config) if rig in rigs and self._install(rig)]

    def _install(self, rig: Rig) -> Path | None:
        return None if rig.name in self.request.config.stash[_MISSING] else installed(rig.package)

    def _rig(self, rig: Rig) -> dict[str, object]:
        install = self._install(rig)
        if install is None:
            pytest.skip(f"{rig.name}: {self.request.config.stash[_MISSING][rig.name]}")
        home = self.site.root.parent / f"home-{rig.name}"
        setting = Setting(self.model.url, home)
        for name, content in rig.files(setting).items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(content)
        if rig.fetches:
            folder, package = rig.fetches
            _furnish(home / folder, installed(package))
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        path = f"{(install / rig.program).parent}:{self.site.environ['PATH']}"
        env = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "PATH": path} | rig.env(setting)
        return {"adapter": rig.name, "model": rig.model, "args": list(rig.args), "env": env}

    def until_idle(self, code: int | None = 0) -> str:
        """Run the supervisor until nothing is left to do; return what it logged."""
        done = subprocess.run(
            self.site.command("run", "--until-idle"),
            cwd=self.site.root,
            env=self.site.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert code is None or done.returncode == code, (
            f"{done.returncode}\n{done.stdout}\n{done.stderr}{self.said()}"
        )
        assert self.model.strange == []
        return done.stderr

    def ended(self, task: str) -> dict[str, Any]:
        """Return the event of the end of a task's last session."""
        return [event for event in self.site.events("session.ended") if event["task"] == task][-1]

    def folder(self, session: str) -> Path:
        """Return the folder of a session."""
        return self.site.root / ".leasehold/state/sessions" / session

    def verdict(self, session: str) -> str:
        """Return the kind of the verdict that an operator is shown of a session."""
        kind: str = self.site.ask("session", "show", session)["evidence"]["verdict"]["kind"]
        return kind

    def record(self, session: str) -> dict[str, Any]:
        """Return a session's exit record."""
        found: dict[str, Any] = json.loads((self.folder(session) / "exit.json").read_text())
        return found

    def said(self) -> str:
        """Return the ends of what all sessions printed, for a failing test's message."""
        text = ""
        for path in sorted((self.site.root / ".leasehold/state/sessions").glob("*/*.log")):
            text += f"\n--- {path.parent.name}/{path.name}\n{path.read_text(errors='replace')[-3000:]}"
        return text

    def show(self) -> None:
        """Print what an operator sees; `pytest -s` or `-rP` shows it."""
        for verb in (("ps",), ("report",), ("events",)):
            done = self.site.run(*verb, code=None)
            print(f"$ leasehold {' '.join(verb)}\n{done.stdout}{done.stderr}")  # noqa: T201  # it is for people
        print(self.site.git("log", "--format=%h %an %s [%(trailers:key=Leasehold-Session,separator=%x2c)]"))  # noqa: T201

    def keep(self, name: str) -> None:
        """Copy what the agents printed to the folder that LEASEHOLD_HARNESS_CAPTURES names, if it names one."""
        if folder := os.environ.get("LEASEHOLD_HARNESS_CAPTURES"):
            for rig in self.rigs:
                for path in (self.site.root / ".leasehold/state/sessions").glob("*/out.log"):
                    kept = Path(folder, f"{rig.name}-{name}.jsonl")
                    kept.write_bytes(path.read_bytes())


def _furnish(folder: Path, install: Path) -> None:
    """Give a home what the agent would else fetch into it at its first start."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        (folder / name).write_bytes((install / name).read_bytes())
    (folder / "node_modules").symlink_to(install / "node_modules")


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """Return a scripted model server."""
    with ModelServer() as server:
        yield server


@pytest.fixture
def stage(site: Site, model: ModelServer, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Return a fresh site whose agents speak to the scripted model."""
    site.environ["PATH"] = f"{Path(sys.executable).parent}:{site.environ['PATH']}"
    made = Stage(site, model, request)
    yield made
    made.keep(request.node.originalname.removeprefix("test_"))


def needs(rig: Rig, scenario: str) -> None:
    """Skip a scenario that an agent cannot do, with the reason."""
    assert scenario in SCENARIOS
    if reason := rig.cannot.get(scenario):
        pytest.skip(f"{rig.name}: {reason}")


def left(find: Callable[[str], list[int]], stage: Stage) -> dict[str, list[int]]:
    """Return the living processes of all sessions that ended."""
    found = {event["session"]: find(event["session"]) for event in stage.site.events("session.ended")}
    return {session: pids for session, pids in found.items() if pids}
