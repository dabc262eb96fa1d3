"""The supervisor, or a worker, dies at each named step; promises 1, 4, 7 and 8 hold all the same."""

from __future__ import annotations

import os
import signal
import time

import pytest

from supervisor.world.failpoint import POINTS
from workers.session.failpoint import POINTS as OF_WORKERS

pytestmark = [pytest.mark.fault, pytest.mark.process]

TASKS = ("honest-shared-a", "honest-shared-b", "leaves-c", "fails-d", "honest-e")
AT_ADOPTION = {"adopt.found", "adopt.watched", "adopt.reported"}
AT_AN_ORDER = {"order.before", "order.sent"}
AT_A_LOSS = {"clear.before", "clear.done"}
AT_A_RELOAD = {"reload.read", "reload.in_force"}
AT_PRUNING = {"retention.folder_removed"}
AT_A_SALVAGE = {"settle.kept", "settle.cleaned"}
AT_INTEGRATION = {"integrate.known", "integrate.checked", "integrate.moved", "integrate.files_moved"}
ELSEWHERE = AT_ADOPTION | AT_AN_ORDER | AT_A_LOSS | AT_A_RELOAD | AT_PRUNING | AT_A_SALVAGE | AT_INTEGRATION
AT_WORK = [p for p in POINTS if p not in ELSEWHERE]
AT_A_STOP = {"worker.stop_asked", "worker.stop_told", "worker.leader_killed"}


@pytest.mark.parametrize("point", AT_WORK)
def test_the_supervisor_may_be_killed_at_any_step(arena, point):
    arena.furnish(*TASKS)

    died = arena.run(f"{point}=1*kill")

    assert died.returncode == -signal.SIGKILL, died.stderr
    back = arena.recover()
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", sorted(AT_INTEGRATION))
def test_the_supervisor_may_be_killed_while_it_integrates(arena, point):
    arena.furnish(*TASKS, **{"repos.site": {"isolation": "worktree"}})

    died = arena.run(f"{point}=1*kill")

    assert died.returncode == -signal.SIGKILL, died.stderr
    back = arena.recover()
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", sorted(AT_ADOPTION))
def test_the_supervisor_may_be_killed_while_it_adopts(arena, point):
    arena.furnish("stays-0", "stays-3", "honest-a", retry={"attempts": 1})
    first = arena.spawn("start.queued=2*kill")
    first.wait(60)
    arena.until(lambda: len(arena.evidence.lines("ready")) == 2)
    before = {line["task"]: line["pid"] for line in arena.evidence.lines("ready")}

    died = arena.run(f"{point}=1*kill")

    assert died.returncode == -signal.SIGKILL, died.stderr
    since = time.time()
    arena.start()
    back = arena.back(since)
    arena.until(lambda: {s["task"] for s in arena.site.ask("ps")["sessions"] if s["pid"]} >= set(before))
    shown = {s["task"]: s["pid"] for s in arena.site.ask("ps")["sessions"] if s["task"] in before}
    assert shown == before
    for pid in before.values():
        os.kill(pid, signal.SIGUSR1)
    arena.site.wait_for("session.ended", task="stays-0")
    arena.site.wait_for("session.ended", task="stays-3")
    arena.site.end(arena.site.running[-1])
    arena.conclude(point, "kill", kills=2, back=back)


@pytest.mark.parametrize("point", sorted(AT_AN_ORDER))
def test_the_supervisor_may_be_killed_while_it_passes_an_order(arena, point):
    arena.furnish("stays-0", "stays-3", retry={"attempts": 1})
    first = arena.start(f"{point}=1*kill")
    arena.site.wait_for("session.running", task="stays-0")
    arena.site.wait_for("session.running", task="stays-3")

    arena.site.run("session", "stop", "stays-0", code=None)

    assert first.wait(60) == -signal.SIGKILL
    since = time.time()
    arena.start()
    back = arena.back(since)
    arena.site.run("session", "stop", "stays-0", code=None)  # again; it may have ended by the first order
    assert [s["task"] for s in arena.site.ask("ps")["sessions"]] == ["stays-3"]
    arena.site.run("session", "stop", "stays-3")
    arena.site.end(arena.site.running[-1])
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", sorted(AT_A_LOSS))
def test_the_supervisor_may_be_killed_while_it_clears_up_after_a_killed_worker(arena, point):
    arena.furnish("tagged-a", "honest-shared-b", "honest-shared-c")

    died = arena.run(f"worker.exit_noticed=1*kill,{point}=1*kill")

    assert died.returncode == -signal.SIGKILL, died.stderr
    back = arena.recover()
    arena.conclude(point, "kill", kills=2, back=back, killed_workers=True)


@pytest.mark.parametrize("point", sorted(AT_A_RELOAD))
def test_the_supervisor_may_be_killed_while_it_reloads(arena, point):
    arena.furnish("stays-0", "stays-3", retry={"attempts": 1})
    first = arena.start(f"{point}=1*kill")
    arena.site.wait_for("session.running", task="stays-0")
    arena.site.wait_for("session.running", task="stays-3")
    arena.until(lambda: len(arena.evidence.lines("ready")) == 2)

    first.send_signal(signal.SIGHUP)

    assert first.wait(60) == -signal.SIGKILL
    since = time.time()
    arena.start()
    back = arena.back(since)
    for line in arena.evidence.lines("ready"):
        os.kill(line["pid"], signal.SIGUSR1)
    arena.site.wait_for("session.ended", task="stays-0")
    arena.site.wait_for("session.ended", task="stays-3")
    arena.site.end(arena.site.running[-1])
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", sorted(AT_PRUNING))
def test_the_supervisor_may_be_killed_while_it_removes_old_folders(arena, point):
    arena.furnish("honest-a", "honest-b")
    arena.recover()
    folders = list((arena.site.root / ".leasehold/state/sessions").iterdir())
    for folder in folders:
        os.utime(folder / "exit.json", (0, 0))

    died = arena.spawn(f"{point}=1*kill")

    assert died.wait(60) == -signal.SIGKILL
    since = time.time()
    arena.start()
    back = arena.back(since)
    arena.until(lambda: not any(folder.exists() for folder in folders))
    arena.site.end(arena.site.running[-1])
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", sorted(AT_A_SALVAGE))
def test_the_supervisor_may_be_killed_while_it_keeps_the_work_of_a_session(arena, point):
    arena.furnish("dirties-a", "honest-b", **{"repos.site": {"leftovers": "clean"}})

    died = arena.run(f"{point}=1*kill")

    assert died.returncode == -signal.SIGKILL, died.stderr
    back = arena.recover()
    attempts = [line["session"] for line in arena.evidence.lines("end") if line["task"] == "dirties-a"]
    kept = arena.site.git("for-each-ref", "--format=%(refname:lstrip=3)", "refs/leasehold/salvage").split()
    assert sorted(kept) == sorted(attempts)
    for session in attempts:
        text = arena.site.git("cat-file", "blob", f"refs/leasehold/salvage/{session}:dirties-a.txt")
        assert text == f"dirties-a {session}\n"
    assert not (arena.site.root / "dirties-a.txt").exists()
    arena.conclude(point, "kill", back=back)


@pytest.mark.parametrize("point", [point for point in OF_WORKERS if point not in AT_A_STOP])
def test_a_worker_may_be_killed_at_any_step(arena, point):
    arena.furnish("honest-shared-a", "honest-shared-b", "tagged-c", "fails-d")

    done = arena.run(f"{point}=1*kill")

    assert arena.reached(point), "no worker came by"
    assert done.returncode == 1, f"fails-d is left undone: {done.stderr}"
    arena.conclude(point, "kill", killed_workers=True)


@pytest.mark.parametrize("point", sorted(AT_A_STOP))
def test_a_worker_may_be_killed_while_it_stops_its_session(arena, point):
    arena.furnish("deaf-a", "honest-b", **{"harness.agent": {"budget": "3s"}})
    arena.start(f"{point}=1*kill")
    arena.until(lambda: bool(arena.evidence.lines("overruns")))
    arena.site.wait_for("session.running")

    arena.site.run("session", "stop", "deaf-a", code=None)

    arena.until(lambda: bool(arena.reached(point)))
    gone = arena.evidence.lines("overruns")[0]["session"]  # of a slow stop the budget gets ahead
    arena.site.wait_for("session.ended", session=gone)
    assert not [line for line in arena.evidence.alive() if line["session"] == gone]
    # The stop was an operator's wish, and holds the task.
    arena.site.run("task", "release", "deaf-a", code=None)
    arena.site.end(arena.site.running[-1])
    arena.recover()
    arena.conclude(point, "kill", killed_workers=True)


def test_every_step_is_among_those_at_which_this_suite_kills():
    tried = {*AT_WORK, *ELSEWHERE}

    assert tried == set(POINTS)
