"""Sessions of a repository that confines: their own work and git's go on, everything else stays as it is."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workers.guard.landlock import abi

pytestmark = [pytest.mark.fleet, pytest.mark.process]

REFUSE = Path(__file__).with_name("children") / "refuse_landlock.py"
LIMIT = 120.0  # seconds

# Runs the shell script in its task's body.
AGENT = """
    import re, subprocess, sys
    brief = sys.stdin.read()
    script = re.search(r"```sh\\n(.*?)```", brief, re.S).group(1)
    sys.exit(subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL).returncode)
"""


@pytest.fixture(autouse=True, scope="module")
def _landlock() -> None:
    try:
        abi()
    except OSError as error:
        pytest.skip(f"this kernel offers no Landlock: {error.strerror}")


@pytest.fixture
def confining(site, tmp_path: Path):
    """Return what configures the site to confine its sessions, with the guard off unless a test wants it."""
    (tmp_path / "t").mkdir()
    Path(site.environ["HOME"]).mkdir()

    def configure(
        repo: dict[str, object] | None = None, harness: dict[str, object] | None = None, **more: Any
    ) -> None:
        env = {"TMPDIR": str(tmp_path / "t"), "CHECKOUT": str(site.root)}
        site.configure(
            AGENT,
            repo={"isolation": "worktree", "confine": True, **(repo or {})},
            harness={"env": env, **(harness or {})},
            retry={"attempts": 1},
            **({"guard": {"mode": "off"}} | more),
        )

    return configure


def script(site, key: str, text: str) -> None:
    """Write a task whose session runs this shell script."""
    site.task(key)
    path = site.root / f"tasks/{key}.md"
    path.write_text(path.read_text() + f"\n```sh\n{text}\n```\n")


def ended(site, key: str) -> dict[str, Any]:
    """Return the end of a task's session."""
    found: dict[str, Any] = next(e for e in site.events("session.ended") if e["task"] == key)
    return found


def printed(site, key: str) -> str:
    """Return what a task's session printed on both streams."""
    folder = Path(site.root, ".leasehold/state/sessions", ended(site, key)["session"])
    return (folder / "out.log").read_text() + (folder / "err.log").read_text()


def test_a_confined_session_changes_neither_checkout_nor_home_with_the_guard_off(site, confining):
    confining()
    script(
        site,
        "only",
        """
        echo x > "$CHECKOUT/README.md"; rm "$CHECKOUT/README.md"; echo x > "$HOME/x"
        mkdir -p "$PWD/../other"; git -C "$CHECKOUT" reset -q --hard HEAD^
        echo own > own.txt; git add own.txt; git commit -qm Own
        """,
    )
    site.write("README.md", "two\n")
    site.git("commit", "-qam", "Two")

    site.until_idle()

    assert ended(site, "only")["data"]["outcome"] == "finished", printed(site, "only")
    assert site.git("log", "--format=%s", "main").splitlines() == ["Own", "Two", "Begin"]
    assert (site.root / "README.md").read_text() == "two\n"
    assert (site.root / "own.txt").read_text() == "own\n"
    assert site.git("status", "--porcelain", "-uno") == ""
    assert list(Path(site.environ["HOME"]).iterdir()) == []
    assert printed(site, "only").count("Permission denied") >= 4


def test_every_usual_git_command_works_in_a_confined_session(site, confining):
    confining()
    script(
        site,
        "only",
        """
        set -ex
        me=$(git branch --show-current)
        for name in one two; do echo $name > $name.txt; git add $name.txt; git commit -qm $name; done
        git tag mark; git tag -d mark
        git switch -qc aside HEAD~2
        echo other > one.txt; git add one.txt; git commit -qm other
        git switch -q "$me"
        git cherry-pick aside && exit 1
        echo both > one.txt; git add one.txt; git commit -qm picked
        echo more >> two.txt; git stash -q; git stash pop -q; git commit -qam more
        git revert --no-edit HEAD; git reset -q --hard HEAD~1
        git fetch -q . main; git repack -adq
        git rebase -q --onto main HEAD~4
        test ! -e "$(git rev-parse --git-path CHERRY_PICK_HEAD)"
        git status --short; git fsck --no-dangling
        """,
    )

    site.until_idle()

    assert ended(site, "only")["data"]["outcome"] == "finished", printed(site, "only")
    assert "Permission denied" not in printed(site, "only")
    assert site.git("show", "main:one.txt") == "both\n"
    assert site.git("show", "main:two.txt") == "two\nmore\n"
    assert site.git("fsck", "--no-dangling") == ""


def test_a_session_says_in_its_brief_and_its_record_that_it_is_confined(site, confining, tmp_path):
    (tmp_path / "cache").mkdir()
    confining(repo={"confine_writable": [str(tmp_path / "cache")]})
    script(site, "only", f"echo x > {tmp_path}/cache/x; git commit -q --allow-empty -m Nothing")

    site.until_idle(code=None)

    shown = site.ask("session", "show", "only")
    assert shown["confined"] is True
    assert shown["evidence"]["confined"] is True
    assert "; confined" in site.run("session", "show", "only").stdout
    assert (tmp_path / "cache/x").read_text() == "x\n"
    brief = Path(shown["brief"]).read_text()
    rule = next(line for line in brief.splitlines() if line.startswith("- you are confined"))
    assert f"worktrees/site/{shown['id']}" in rule
    assert f"{tmp_path}/cache" in rule


def test_a_harness_may_be_left_unconfined_for_a_sandbox_of_its_own(site, confining):
    confining(harness={"confine": False})
    script(site, "only", 'echo x > "$HOME/stray"; git commit -q --allow-empty -m Nothing')

    site.until_idle(code=None)

    assert Path(site.environ["HOME"], "stray").read_text() == "x\n"
    assert site.ask("session", "show", "only")["confined"] is False


def test_the_guard_and_the_confinement_hold_together(site, confining):
    confining(guard={"mode": "auto"})
    script(
        site,
        "only",
        'echo x > "$CHECKOUT/README.md"; echo x > "$HOME/x"; echo x > a; git add a; git commit -qm A',
    )

    site.until_idle()

    assert ended(site, "only")["data"]["outcome"] == "finished", printed(site, "only")
    assert (site.root / "README.md").read_text() == "a site\n"
    assert list(Path(site.environ["HOME"]).iterdir()) == []
    assert (site.root / "a").read_text() == "x\n"


def test_where_temporary_files_go_around_the_checkout_no_session_is_started(site, confining, tmp_path):
    confining(harness={"env": {"TMPDIR": str(tmp_path)}})
    script(site, "only", "true")
    site.start()

    end = site.wait_for("session.ended", task="only")

    assert end["data"]["outcome"] == "unspawned"
    assert f"may write temporary files in {tmp_path}, and {site.root} is in there" in end["data"]["sentence"]
    assert len(site.git("worktree", "list").splitlines()) == 1
    findings = {found["name"]: found for found in site.ask("doctor")["findings"]}
    assert "set TMPDIR" in findings["repos.site.confine"]["way_out"]
    assert findings["confinement"]["good"] is True


@pytest.fixture
def without_landlock(site):
    """Return what runs a verb where the kernel has no Landlock."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(REFUSE), str(errno.ENOSYS), *site.command(*args)]
        return subprocess.run(
            command, cwd=site.root, env=site.environ, capture_output=True, text=True, timeout=LIMIT
        )

    return run


def test_without_landlock_the_supervisor_does_not_start_and_doctor_tells_why(
    site, confining, without_landlock
):
    confining()
    script(site, "only", "true")

    done = without_landlock("run", "--until-idle")

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert line.startswith(
        "Error: repos.site.confine is true, but no session can be confined: this kernel was "
    )
    assert "leasehold doctor" in line
    assert "Traceback" not in done.stderr
    found = json.loads(without_landlock("doctor", "--json").stdout)["findings"]
    assert next(f for f in found if f["name"] == "confinement")["good"] is False


def test_without_landlock_harnesses_that_are_not_confined_run(site, confining, without_landlock):
    confining(harness={"confine": False})
    script(site, "only", "echo ran; echo x > new; git add new; git commit -qm New")

    done = without_landlock("run", "--until-idle")

    assert done.returncode == 0, done.stderr
    assert printed(site, "only") == "ran\n"


def test_without_landlock_a_reload_that_confines_is_refused_and_the_old_configuration_stays(
    site, confining, monkeypatch
):
    confining(repo={"confine": False})
    plain = site.command
    monkeypatch.setattr(
        site, "command", lambda *args: [sys.executable, str(REFUSE), str(errno.ENOSYS), *plain(*args)]
    )
    site.start()
    confining()

    done = site.run("reload", code=1)

    assert "configuration kept as it was (generation 1): repos.site.confine is true, but" in done.stderr
    assert "Traceback" not in done.stderr
    site.wait_for("supervisor.reload_refused")
    script(site, "only", "echo ran; echo x > new; git add new; git commit -qm New")
    assert site.wait_for("session.ended", task="only")["data"]["outcome"] == "finished"
