"""Six sessions at once in one checkout on thirty tasks that change the same files, with programs that know no leases."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.fleet, pytest.mark.process]

FILES = 5
TASKS = 30

# Each task adds its own line to two files that others add to as well. How it writes, commits and fails depends on its number:
# some take up the work that they left when they crashed, some do it anew, some give a lease back after a commit, most keep it.
AGENT = """
    import errno, os, pathlib, shlex, signal, subprocess, sys
    sys.stdin.read()
    task = os.environ["LEASEHOLD_TASK"]
    number = int(task[1:])
    line = f"task {number:02}"
    ours = pathlib.Path(".leasehold")
    first = not (ours / f"{task}.tried").exists()
    (ours / f"{task}.tried").touch()
    leasehold = COMMAND

    def run(*words, ok=True):
        done = subprocess.run(words, capture_output=True, text=True)
        print(shlex.join(words), done.returncode, done.stdout, done.stderr, flush=True)
        if ok and done.returncode:
            sys.exit(1)
        return done

    def committed(path):
        return line in run("git", "show", f"HEAD:{path}").stdout.splitlines()

    def by_hand(path):  # reads and writes through one descriptor: what it read is what it writes over
        with open(path, "r+") as file:
            lines = sorted({*file.read().splitlines(), line})
            file.seek(0)
            file.write("".join(f"{line}\\n" for line in lines))
            file.truncate()

    def by_append(path):
        with open(path, "a") as file:
            file.write(f"{line}\\n")

    def by_sed(path):  # writes a name of its own and renames it; the lease comes first, as it reads long before
        run(*leasehold, "lease", "acquire", path, "--wait", "20s")
        run("sed", "-i", f"$a {line}", path)

    def write(path):
        try:
            (by_hand, by_append, by_sed)[number % 3](path)
        except OSError as error:
            assert error.errno == errno.EBUSY, error
            if number % 2:
                sys.exit(1)  # gives up; a later attempt goes on
            run(*leasehold, "lease", "acquire", path, "--wait", "20s")
            write(path)

    def commit(path):
        if number % 5 == 1:
            run("git", "add", "-A")  # sweeps up what others have dirty
            done = run("git", "commit", "-qam", f"Add {line}", ok=False)
            if done.returncode == 0:
                return
        run("git", "add", path)
        run("git", "commit", "-qm", f"Add {line} to {path}", "--", path)

    if not first and number % 2:
        for salvage in os.environ.get("LEASEHOLD_SALVAGES", "").split():
            run(*leasehold, "salvage", "apply", salvage, ok=False)
    for path in (f"shared{number % FILES}.txt", f"shared{(number + 1) % FILES}.txt"):
        if committed(path):
            continue
        if line not in pathlib.Path(path).read_text().splitlines():
            write(path)
        if first and number % 10 == 9:  # its git is killed in the middle of a commit, and it goes on
            subprocess.run(["git", "commit", "--", path], env=os.environ | {"GIT_EDITOR": "kill -9 $PPID #"})
            assert pathlib.Path(".git/index.lock").exists()
        if first and number % 7 == 3:
            run("git", "add", path)
            os.kill(os.getpid(), signal.SIGKILL)
        commit(path)
        if number % 2 == 0:
            run(*leasehold, "lease", "release", path)
"""


def prepared(site) -> None:
    for number in range(FILES):
        site.write(f"shared{number}.txt", "begin\n")
    site.git("add", "-A")
    site.git("commit", "-qm", "Files")
    for number in range(TASKS):
        site.task(f"t{number}", expects="nothing")
    site.configure(
        AGENT.replace("COMMAND", repr(site.command())).replace("FILES", str(FILES)),
        repo={"leftovers": "clean"},
        supervisor={"max_sessions": 6},
        selection={"recent_commit_minutes": 0},
        harness={"budget": "60s"},
        guard={"wait": "1s"},
        retry={"backoff": "0s", "attempts": 100, "intensity": 1000, "intensity_all": 1000},
        leases={"required_level": "kernel"},
    )
    site.git("add", "-A")
    site.git("commit", "-qm", "Tasks")


def expected() -> dict[str, list[str]]:
    lines = {f"shared{at}.txt": ["begin"] for at in range(FILES)}
    for number in range(TASKS):
        for step in (0, 1):
            lines[f"shared{(number + step) % FILES}.txt"].append(f"task {number:02}")
    return lines


def test_in_one_checkout_thirty_tasks_come_to_exactly_what_they_asked_for(site):
    prepared(site)

    site.until_idle()

    assert {path: sorted((site.root / path).read_text().splitlines()) for path in expected()} == expected()
    assert site.git("status", "--porcelain", "-uno") == ""
    assert site.git("fsck", "--no-dangling") == ""
    assert site.git("rev-list", "--merges", "main") == ""
    ends = site.events("session.ended")
    assert {event["task"] for event in ends if event["data"]["outcome"] == "finished"} == {
        f"t{number}" for number in range(TASKS)
    }
    levels = [event["data"]["level"] for event in site.events("session.level")]
    assert set(levels) == {"kernel"}
    # Some crashed, some were refused, some waited: otherwise this would show nothing.
    assert site.events("session.salvaged")
    assert site.events("lease.waiting")
    assert site.events("git.unlocked")


def test_every_commit_in_one_checkout_is_inside_the_leases_of_its_session(site):
    prepared(site)

    site.until_idle()

    leased: dict[str, set[str]] = {}
    for event in site.events("lease.granted"):
        leased.setdefault(event["data"]["holder"], set()).update(event["data"]["scopes"])
    form = "--format=%x00%(trailers:key=Leasehold-Session,valueonly,separator=%x2C)"
    found = site.git("log", "--grep", "^Add task", "--name-only", form, "main")
    commits = [entry.split("\n") for entry in found.split("\0")[1:]]
    assert len(commits) >= TASKS
    for session, *paths in commits:
        assert {path for path in paths if path} <= leased[session]
        assert len([path for path in paths if path]) == 1
