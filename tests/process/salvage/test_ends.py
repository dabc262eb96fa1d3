"""Promise 10 in the fleet: however a session ends, what it left uncommitted is kept before its leases go."""

from __future__ import annotations

import json
import os
import signal

import pytest

pytestmark = pytest.mark.process

LEAVE = """
    import os, pathlib, signal, subprocess, sys
    prompt = sys.stdin.read()
    root = pathlib.Path(os.environ["LEASEHOLD_REPO"])
    (root / "src").mkdir(exist_ok=True)
    (root / "src/left.txt").write_text("half done\\n")
    (root / "src/staged.txt").write_text("staged\\n")
    subprocess.run(["git", "add", "src/staged.txt"], check=True)
    (root / "src/staged.txt").write_text("and changed\\n")
    def commit():
        (root / "src/done.txt").write_text("done\\n")
        subprocess.run(["git", "add", "src/done.txt"], check=True)
        subprocess.run(["git", "commit", "-qm", "Do some", "--", "src/done.txt"], check=True)
    def wait():
        print("up", flush=True)
        signal.pause()
"""

ENDS = {
    "finished": "commit()",
    "no_change": "pass",
    "failed": "sys.exit(3)",
    "rate_limited": "sys.exit(75)",
    "timed_out": "wait()",
    "stopped": "wait()",
    "killed": "wait()",
    "lost": "wait()",
}


def agent(end: str) -> str:
    return f"{LEAVE}    {end}\n"


def end_it(site, outcome: str) -> None:
    """Bring about what the session does not bring about itself."""
    if outcome in {"stopped", "killed"}:
        site.wait_for("session.running")
        wait_for_output(site)
        site.run("session", "stop" if outcome == "stopped" else "kill", "a")
    elif outcome == "lost":
        worker = site.wait_for("session.running")["data"]["worker_pid"]
        wait_for_output(site)
        os.kill(worker, signal.SIGKILL)


def wait_for_output(site) -> str:
    session = str(site.wait_for("session.running")["session"])
    log = site.root / f".leasehold/state/sessions/{session}/out.log"
    site.until(lambda: log.exists() and "up" in log.read_text())
    return session


def kept(site, ref: str, path: str) -> str:
    return str(site.git("cat-file", "blob", f"{ref}:{path}"))


@pytest.mark.parametrize("outcome", ENDS)
def test_no_work_is_lost_however_the_session_ends(site, outcome):
    site.task("a", "src/")
    budget = "4s" if outcome == "timed_out" else "5m"
    site.configure(agent(ENDS[outcome]), harness={"budget": budget, "warn": "1s"}, retry={"backoff": "20m"})
    head, stash = site.git("rev-parse", "HEAD"), site.git("stash", "list")
    site.start()
    end_it(site, outcome)

    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == outcome
    salvaged = site.wait_for("session.salvaged")
    ref = f"refs/leasehold/salvage/{ended['session']}"
    assert salvaged["data"]["ref"] == ref
    assert kept(site, ref, "src/left.txt") == "half done\n"
    assert kept(site, ref, "src/staged.txt") == "and changed\n"
    assert kept(site, f"{ref}^2", "src/staged.txt") == "staged\n"
    assert sorted(salvaged["data"]["paths"]) == ["src/left.txt", "src/staged.txt"]
    assert salvaged["seq"] < ended["seq"]
    assert f"kept as salvage {ended['session']}" in ended["data"]["sentence"]
    assert site.git("stash", "list") == stash
    assert site.git("rev-parse", "HEAD") == head or outcome == "finished"
    assert site.git("fsck", "--no-dangling") == ""
    assert (site.root / "src/left.txt").read_text() == "half done\n"


def test_no_work_is_lost_when_the_session_ended_while_nobody_watched(site):
    site.task("a", "src/")
    site.configure(agent("wait(); sys.exit(1)"), retry={"backoff": "20m"})
    first = site.start()
    session = wait_for_output(site)
    first.kill()
    first.wait()
    harness = json.loads((site.root / f".leasehold/state/sessions/{session}/worker.json").read_text())
    os.kill(harness["harness"]["pid"], signal.SIGKILL)
    site.until((site.root / f".leasehold/state/sessions/{session}/exit.json").exists)

    site.start()
    ended = site.wait_for("session.ended")

    assert ended["data"]["outcome"] == "failed"
    assert kept(site, f"refs/leasehold/salvage/{session}", "src/left.txt") == "half done\n"


def test_the_next_session_of_the_task_is_told_and_can_take_the_work_up(site):
    site.task("a", "src/")
    site.configure(
        f"""{LEAVE}
    if "LEASEHOLD_SALVAGES" not in os.environ:
        sys.exit(1)
    """.replace("prompt = sys.stdin.read()", FIRST_LOOK),
        repo={"leftovers": "clean"},
        retry={"backoff": "0s"},
    )

    site.until_idle(code=None)

    first = site.events("session.ended")[0]["session"]
    told = site.events("session.intended")[1]["session"]
    log = (site.root / f".leasehold/state/sessions/{told}/out.log").read_text()
    assert f"leasehold salvage apply {first}" in log
    assert "src/left.txt: written" in log
    assert (site.root / "src/left.txt").read_text() == "half done\n"
    assert site.git("log", "-1", "--format=%s").strip() == "Take it up"
    assert site.events("session.ended")[1]["data"]["outcome"] == "finished"


FIRST_LOOK = """prompt = sys.stdin.read()
    if "LEASEHOLD_SALVAGES" in os.environ:
        print(prompt, flush=True)
        for name in os.environ["LEASEHOLD_SALVAGES"].split():
            subprocess.run([sys.executable, "-m", "supervisor.cli.main", "salvage", "apply", name], check=True)
        subprocess.run(["git", "add", "src"], check=True)
        subprocess.run(["git", "commit", "-qm", "Take it up", "--", "src"], check=True)
        sys.exit(0)"""


def test_by_the_policy_clean_the_leased_paths_are_restored_once_they_are_kept(site):
    site.task("a", "src/")
    site.configure(agent("sys.exit(1)"), repo={"leftovers": "clean"}, retry={"backoff": "20m"})
    site.start()

    ended = site.wait_for("session.ended")

    assert "moved to salvage" in ended["data"]["sentence"]
    assert not (site.root / "src").exists()
    assert site.git("diff", "--cached", "--name-only") == ""
    salvaged = site.wait_for("session.salvaged")["data"]
    assert sorted(salvaged["cleaned"]) == ["src/left.txt", "src/staged.txt"]
    shown = site.ask("task", "show", "a")
    assert shown["last"]["salvages"] == [ended["session"]]
    assert site.ask("explain", "a")["salvages"] == [ended["session"]]


def test_what_changed_without_a_lease_is_kept_marked_and_never_cleaned(site):
    site.task("a", "src/")
    site.configure(agent("wait()"), repo={"leftovers": "clean"}, retry={"backoff": "20m"})
    site.start()
    session = wait_for_output(site)
    site.write("README.md", "changed by a program outside\n")

    site.run("session", "stop", "a")

    salvaged = site.wait_for("session.salvaged")["data"]
    assert salvaged["unleased"] == ["README.md"]
    assert sorted(salvaged["cleaned"]) == ["src/left.txt", "src/staged.txt"]
    assert kept(site, f"refs/leasehold/salvage/{session}", "README.md") == "changed by a program outside\n"
    assert (site.root / "README.md").read_text() == "changed by a program outside\n"


def test_no_work_is_lost_when_it_cannot_be_kept_it_stays_and_is_held(site):
    site.task("a", "src/left.txt", "src/staged.txt")
    site.configure(agent("wait()"), retry={"backoff": "20m"}, repo={"leftovers": "clean"})
    site.start()
    session = wait_for_output(site)
    site.write(f".git/refs/leasehold/salvage/{session}.lock", "")

    site.run("session", "stop", "a")

    ended = site.wait_for("session.ended")
    assert "could not be salvaged" in ended["data"]["sentence"]
    unsalvaged = site.wait_for("session.unsalvaged")["data"]
    assert set(unsalvaged["held"]) == {"src/left.txt", "src/staged.txt"}
    assert f"{session}.lock" in unsalvaged["why"]
    assert (site.root / "src/left.txt").read_text() == "half done\n"
    held = {lease["scope"]: lease["holder"] for lease in site.ask("lease", "list")["leases"]}
    assert held == {"src/left.txt": "worktree", "src/staged.txt": "worktree"}


def test_a_session_that_left_nothing_has_no_salvage(site):
    site.task("a", "src/")
    site.configure("raise SystemExit(1)", retry={"backoff": "20m"})
    site.start()

    site.wait_for("session.ended")

    assert site.ask("salvage", "list") == {"salvages": []}


def test_orphans_are_moved_into_a_salvage_where_the_configuration_says_so(site):
    site.configure("", repo={"orphans": "salvage"})
    site.write("README.md", "changed by somebody\n")
    site.write("new.txt", "new\n")
    site.git("add", "new.txt")

    site.start()

    salvage = site.ask("salvage", "list")["salvages"][0]
    assert salvage["id"].startswith("orphans-")
    assert site.git("status", "--porcelain", "-uno") == ""
    assert not (site.root / "new.txt").exists()
    assert kept(site, salvage["ref"], "README.md") == "changed by somebody\n"
    assert site.ask("lease", "list")["leases"] == []
    assert site.ask("status")["orphans"] == {}
    assert site.wait_for("worktree.salvaged")["data"]["id"] == salvage["id"]


def test_an_index_lock_that_a_dead_git_left_is_removed_and_said(site):
    site.task("a", "src/")
    site.configure(
        f"{LEAVE}    (root / '.git/index.lock').write_text('')\n    sys.exit(1)\n", retry={"backoff": "20m"}
    )
    site.start()

    ended = site.wait_for("session.ended")

    assert not (site.root / ".git/index.lock").exists()
    assert "index.lock of a git that died was removed" in ended["data"]["sentence"]


def test_an_index_lock_that_somebody_has_open_is_left_alone(site):
    site.task("a", "src/")
    site.configure(agent("wait()"), retry={"backoff": "20m"})
    site.start()
    wait_for_output(site)
    with (site.root / ".git/index.lock").open("w"):
        site.run("session", "stop", "a")

        ended = site.wait_for("session.ended")

    assert (site.root / ".git/index.lock").exists()
    assert f"process {os.getpid()} has it open" in ended["data"]["sentence"]
    assert kept(site, f"refs/leasehold/salvage/{ended['session']}", "src/left.txt") == "half done\n"


def test_a_merge_that_was_left_half_done_is_named(site):
    site.task("a", "README.md")
    site.git("checkout", "-q", "-b", "other")
    site.write("README.md", "theirs\n")
    site.git("commit", "-qam", "Theirs")
    site.git("checkout", "-q", "main")
    site.write("README.md", "ours\n")
    site.git("commit", "-qam", "Ours")
    site.configure(
        "import subprocess, sys\nsubprocess.run(['git', 'merge', 'other'])\nsys.exit(1)\n",
        retry={"backoff": "20m"},
    )
    site.start()

    ended = site.wait_for("session.ended")

    assert "a merge was left under way" in ended["data"]["sentence"]
    assert "<<<<<<<" in kept(site, f"refs/leasehold/salvage/{ended['session']}", "README.md")


def test_many_sessions_that_end_at_once_do_not_keep_the_supervisor_from_answering(site):
    for number in range(8):
        site.task(f"t{number}", f"work{number}/")
    site.configure(
        """
        import os, pathlib, signal
        folder = pathlib.Path("work" + os.environ["LEASEHOLD_TASK"][1:])
        folder.mkdir()
        for number in range(50):
            (folder / str(number)).write_text("x" * 1000)
        print("up", flush=True)
        signal.pause()
        """,
        supervisor={"max_sessions": 8},
        retry={"backoff": "20m"},
    )
    process = site.start()
    site.wait_for("session.running", 8)
    logs = site.root / ".leasehold/state/sessions"
    site.until(lambda: sum("up" in log.read_text() for log in logs.glob("*/out.log")) == 8)

    process.send_signal(signal.SIGINT)
    site.wait_for("supervisor.signal", signal="SIGINT")  # two at once would be one
    process.send_signal(signal.SIGINT)
    site.ask("status")
    site.until(lambda: process.poll() is not None)

    assert len(site.ask("salvage", "list")["salvages"]) == 8


def test_no_work_is_lost_when_the_repository_is_taken_out_of_the_configuration_meanwhile(site):
    site.task("a", "src/")
    site.configure(agent("wait()"), retry={"backoff": "20m"})
    site.start()
    session = wait_for_output(site)
    config = site.root / ".leasehold/config.toml"
    config.write_text(config.read_text().replace("[repos.site]", "[repos.renamed]"))
    site.run("reload")

    site.run("session", "stop", session)

    assert kept(site, f"refs/leasehold/salvage/{session}", "src/left.txt") == "half done\n"
