"""The demonstration: its figures against the repositories it kept, and what it leaves behind when interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor.demo.account import SessionLog, account
from supervisor.demo.agent import Agent
from supervisor.demo.history import read_history
from supervisor.demo.overwrites import Overwrites
from supervisor.demo.recipe import plan, wired
from supervisor.demo.report import faults
from supervisor.demo.scene import Scene, environment, set_scene
from supervisor.demo.story import CHANGELOG, CHORES, FILES, ORPHANED_TEXT, REGISTRY, SELECTOR, entry
from supervisor.demo.telling import Teller

pytestmark = pytest.mark.process
DEMO = [sys.executable, "-m", "supervisor.cli.main", "demo"]
TASKS = len(CHORES) + 1  # the orphaned file is work too


def hostile_environment(tmp: Path) -> dict[str, str]:
    """Return an environment as inside a session of another supervisor, without a home."""
    env = {name: value for name, value in os.environ.items() if name != "HOME"}
    return env | {
        "TMPDIR": str(tmp),
        "LEASEHOLD_SESSION": "other",
        "LEASEHOLD_SOCKET": "/nowhere/ctl.sock",
        "LEASEHOLD_CONFIG": "/nowhere/config.toml",
        "GIT_DIR": "/nowhere",
        "GIT_INDEX_FILE": "/nowhere/index",
    }


def git(repo: Path, *words: str) -> str:
    env = environment(os.environ)
    return subprocess.run(
        ["git", *words], cwd=repo, env=env, capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.fixture
def tmp() -> Iterator[Path]:
    """A folder with a short name, because sockets are made in it."""
    folder = Path(tempfile.mkdtemp(prefix="lh-"))
    yield folder
    shutil.rmtree(folder)


class Kept:
    """A demonstration that was played once, and all it left because it was told to."""

    def __init__(self, folder: Path, tmp: Path) -> None:
        self.folder = folder
        self.tmp = tmp
        self.ended = subprocess.run(
            [*DEMO, "--sessions", "3", "--pace", "0.1", "--json", "--keep", str(folder)],
            env=hostile_environment(tmp), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        self.report: dict[str, Any] = json.loads(self.ended.stdout)

    def repo(self, run: str) -> Path:
        return self.folder / run / "repo"

    def events(self, run: str) -> list[dict[str, Any]]:
        logs = (self.folder / run / "sessions").glob("*.jsonl")
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    tmp = Path(tempfile.mkdtemp(prefix="lh-"))
    yield Kept(tmp_path_factory.mktemp("kept") / "demo", tmp)
    shutil.rmtree(tmp)


def test_under_leasehold_every_task_is_done_once_and_nothing_is_lost(kept):
    found = kept.report["leasehold"]

    assert kept.ended.returncode == 0, kept.ended.stderr
    assert (found["tasks_done"], found["tasks"], found["sessions"]) == (TASKS, TASKS, TASKS)
    for damage in (
        "tasks_repeated",
        "commits_clobbered",
        "commits_foreign",
        "updates_lost",
        "claims_ignored",
        "leases_ignored",
        "uncommitted",
        "repeated",
        "lost",
    ):
        assert found[damage] == 0, damage
    assert found["orphan_sessions"] == 1
    assert kept.report["journal"]["outcomes"] == {"finished": TASKS}
    assert kept.report["journal"]["tasks_shared"] == 0
    assert kept.report["faults"] == []


@pytest.mark.parametrize("run", ["advisory", "leasehold"])
def test_the_figures_agree_with_the_repository_that_was_kept(kept, run):
    found, repo = kept.report[run], kept.repo(run)
    written = {
        (event["path"], event["line"])
        for event in kept.events(run)
        if event["kind"] == "wrote" and event["line"]
    }
    files = {path: git(repo, "show", f"HEAD:{path}").splitlines() for path, _ in written}
    gone = sum(line not in files[path] for path, line in written)

    assert found["commits"] == int(git(repo, "rev-list", "--count", "HEAD")) - 1
    assert found["updates_lost"] >= gone
    assert found["updates_lost"] - gone <= len(CHORES)  # files of its own, which have no line
    assert found["uncommitted"] == len(git(repo, "status", "--porcelain").splitlines())
    assert found["sessions"] == len(list((kept.folder / run / "sessions").glob("*.jsonl")))


def test_under_leasehold_the_repository_has_every_result_and_names_one_session_for_each_task(kept):
    repo = kept.repo("leasehold")
    tasks = git(repo, "log", "--format=%(trailers:key=Leasehold-Task,valueonly,separator=%x20)").split()
    registered = git(repo, "show", f"HEAD:{REGISTRY}")

    assert len(tasks) == len(set(tasks)) == TASKS
    assert all(entry(chore.key.replace("-", "_")) in registered for chore in CHORES if chore.lane == "checks")
    assert entry("plateau_warning") in git(repo, "show", f"HEAD:{SELECTOR}")
    assert git(repo, "show", f"HEAD:{CHANGELOG}").count("done by session") == TASKS
    subprocess.run(
        [sys.executable, "-B", "-m", "unittest", "-q"], cwd=repo, capture_output=True, check=True, timeout=60
    )


def test_the_advisory_figures_are_consistent_with_each_other(kept):
    found = kept.report["advisory"]
    ends = [event for event in kept.events("advisory") if event["kind"] == "ends"]

    assert found["cut_short"] == ""
    assert found["sessions"] == len(ends) >= found["tasks_done"]
    assert found["commits_refused"] == 0
    assert found["commits_clobbered"] <= found["commits"]
    assert found["updates_lost"] <= found["updates"]
    assert 0 <= found["wasted"] <= found["session_time"]
    assert found["wasted"] == pytest.approx(found["repeated"] + found["lost"] + found["waited"], abs=0.01)


def test_a_demonstration_that_is_kept_leaves_nothing_elsewhere(kept):
    assert list(kept.tmp.iterdir()) == []


def test_a_folder_in_use_is_not_played_in(tmp):
    (tmp / "mine").write_text("")
    ended = subprocess.run(
        [*DEMO, "--keep", str(tmp)], capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.returncode == 1
    assert "is not empty" in ended.stderr
    assert [path.name for path in tmp.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("number", "code", "run"),
    [(signal.SIGINT, 130, "1 of 2"), (signal.SIGTERM, 143, "2 of 2")],
    ids=["ctrl-c in the first run", "TERM in the second"],
)
def test_when_interrupted_it_ends_its_processes_and_removes_its_folder(tmp, number, code, run):
    with subprocess.Popen(
        [*DEMO, "--sessions", "3", "--pace", "0.1" if run == "2 of 2" else "1"],
        env=hostile_environment(tmp), stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        began = False
        for line in demo.stdout:
            began = began or line.startswith(run)
            if began and "takes the task" in line:
                break
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(60) == code

    assert list(tmp.iterdir()) == []
    assert [process for process in psutil.process_iter() if names(process, tmp)] == []


def names(process: psutil.Process, folder: Path) -> bool:
    try:
        return any(str(folder) in word for word in process.cmdline())
    except psutil.Error:
        return False


# --- the account, on histories made by hand ------------------------------------------------------------


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return set_scene(tmp_path / "scene", environment(os.environ))


def commit(scene: Scene, session: str, path: str, text: str) -> None:
    (scene.repo / path).write_text(text)
    git(scene.repo, "commit", "-q", "-m", f"task\n\nSession: {session}", "--", path)


def log(session: str, task: str, *wrote: tuple[str, str], at: float = 0.0, done: bool = True) -> SessionLog:
    events = [{"at": at, "kind": "starts"}]
    events += [{"at": at, "kind": "wrote", "path": path, "line": line} for path, line in wrote]
    return SessionLog(session, task, (*events, {"at": at + 10.0, "kind": "ends", "done": done}))


def test_an_update_that_a_later_commit_takes_out_is_lost_and_its_commit_clobbered(scene):
    base = FILES[CHANGELOG]
    commit(scene, "A1", CHANGELOG, base + "- a\n")
    commit(scene, "B1", CHANGELOG, base + "- b\n")
    logs = [log("A1", "age", (CHANGELOG, "- a")), log("B1", "noop-rate", (CHANGELOG, "- b"))]
    found = account(logs, read_history(scene.repo, scene.base), 20.0)

    assert (found.updates, found.updates_lost, found.commits_clobbered) == (2, 1, 1)
    assert found.commits_foreign == 0
    assert found.lost == 20.0
    assert f"tasks not done: {TASKS}" in faults(found)


def test_a_commit_with_another_sessions_line_or_file_is_foreign(scene):
    commit(scene, "A1", CHANGELOG, FILES[CHANGELOG] + "- a\n- b\n")
    commit(scene, "A1", SELECTOR, FILES[SELECTOR] + ORPHANED_TEXT)
    logs = [log("A1", "age", (CHANGELOG, "- a")), log("B1", "noop-rate", (CHANGELOG, "- b"))]
    found = account(logs, read_history(scene.repo, scene.base), 20.0)

    assert (found.commits, found.commits_foreign, found.updates_lost) == (2, 2, 0)


def test_the_second_session_to_finish_a_task_has_wasted_its_time(scene):
    rule = (SELECTOR, entry("age"))
    commit(scene, "A1", SELECTOR, FILES[SELECTOR].replace("]\n", f"{rule[1]}\n]\n", 1))
    logs = [log("A1", "rule-age", rule), log("B1", "rule-age", at=5.0)]
    found = account(logs, read_history(scene.repo, scene.base), 15.0)

    assert (found.tasks_done, found.tasks_repeated) == (1, 1)
    assert (found.repeated, found.session_time, found.wasted_share) == (10.0, 20.0, 0.5)


def test_the_show_notices_an_update_that_is_overwritten(tmp_path):
    watch = Overwrites(tmp_path)

    def write(session: str, line: str) -> list[tuple[str, str]]:
        (tmp_path / "log").write_text(f"{line}\n")
        return list(watch.hear({"kind": "wrote", "session": session, "path": "log", "line": line}))

    assert write("A1", "- a") == []
    assert write("B1", "- b") == [("A1", "log")]


# --- the agent --------------------------------------------------------------------------------------


def test_the_agent_finishes_each_chore_and_its_tests_pass(scene, monkeypatch):
    class Alone:
        def ask(self, paths: object) -> None: ...
        def wait(self, paths: object, seconds: float) -> None: ...
        def release(self) -> None: ...

    monkeypatch.chdir(scene.repo)
    teller = Teller("S", "all", scene.logs / "S.jsonl", "/nowhere")
    agent = Agent(teller, Alone(), 0.01)
    agent.work(f"# Finish or discard the uncommitted work in {SELECTOR}\n\n- {SELECTOR}\n", "hand-off")
    for chore in CHORES:
        agent.work(chore.text(), chore.key)
    teller.close()
    history = read_history(scene.repo, scene.base)

    assert [part for chore in CHORES for part in chore.result if not history.has(*part)] == []
    assert history.has(SELECTOR, entry("plateau_warning"))
    assert (len(history.changes), history.uncommitted) == (TASKS, ())


def test_the_agent_does_not_repeat_what_is_there():
    rule = next(chore for chore in CHORES if chore.owns == SELECTOR)
    edit = plan(rule.text(), "S", rule.key).own
    once = edit.apply(FILES[SELECTOR])

    assert edit.apply(once) == once
    assert wired(plan(f"uncommitted work\n\n- {SELECTOR}\n", "S", "x").own, once).line == ""
