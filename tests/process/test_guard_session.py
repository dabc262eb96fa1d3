"""The guard under a real supervisor: who writes first has the file, everybody else gets EBUSY."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

# The agents run one shell command of their task's body each; `meet` and `wait` meet over named pipes.
AGENT = """
    import os, pathlib, re, subprocess, sys
    brief = sys.stdin.read()
    script = re.search(r"```sh\\n(.*?)```", brief, re.S).group(1)
    prelude = 'meet() { echo > ".leasehold/$1"; }; await() { read -r _ < ".leasehold/$1"; };'
    done = subprocess.run(["bash", "-c", prelude + script], stdin=subprocess.DEVNULL)
    sys.exit(done.returncode)
"""


def script(site, key: str, text: str, **front: object) -> None:
    """Write a task whose session runs this shell script."""
    site.task(key, **front)
    path = site.root / f"tasks/{key}.md"
    path.write_text(path.read_text() + f"\n```sh\n{text}\n```\n")


def pipes(site, *names: str) -> None:
    """Make the named pipes at which agents meet."""
    for name in names:
        os.mkfifo(site.root / ".leasehold" / name)


def folder(site, key: str) -> Path:
    """Return the folder of the task's last session that ended, once its end is on disk."""

    def ended() -> list[str]:
        return [event["session"] for event in site.events("session.ended") if event["task"] == key]

    site.until(lambda: bool(ended()))
    return Path(site.root, ".leasehold/state/sessions", ended()[-1])


def output(site, key: str) -> str:
    """Return what the task's last session printed on both streams."""
    place = folder(site, key)
    return (place / "out.log").read_text() + (place / "err.log").read_text()


def record(site, key: str) -> dict[str, Any]:
    """Return the exit record of the task's last session."""
    found: dict[str, Any] = json.loads((folder(site, key) / "exit.json").read_text())
    return found


def test_promise_5_a_refused_write_changes_nothing(site):
    site.configure(AGENT, guard={"wait": "0s"}, retry={"attempts": 1})
    pipes(site, "held", "tried")
    script(site, "first", "echo mine >> README.md; meet held; await tried; git commit -qm One -- README.md")
    script(
        site,
        "second",
        "await held; cp README.md before.log; echo theirs >> README.md; cmp README.md before.log && echo unchanged; "
        'cat "$LEASEHOLD_NOTICE"; meet tried; exit 75',
    )
    site.write(".git/info/exclude", "*.log\n")

    site.start()
    first = site.wait_for("session.ended", task="first")
    site.wait_for("session.ended", task="second")

    said = output(site, "second")
    assert "README.md: Device or resource busy" in said
    assert "unchanged" in said
    assert f"README.md is held by session {first['session']} (task first" in said
    (refused,) = site.events("write.refused")
    assert refused["task"] == "second"
    assert refused["data"]["holders"][0]["scope"] == "README.md"
    assert site.ask("status")["collisions"]["writes_refused"] == 1
    assert "write.refused" in [event["kind"] for event in site.ask("explain", "second")["history"]]
    assert record(site, "second")["guard"]["refused"] == 1
    assert site.git("show", "HEAD:README.md") == "a site\nmine\n"


def test_the_holder_of_a_file_is_named_with_its_task_its_pid_and_its_age(site):
    site.configure(AGENT)
    pipes(site, "held", "seen")
    script(site, "first", "echo mine >> README.md; meet held; await seen; git commit -qm One -- README.md")
    site.start()
    running = site.wait_for("session.running", task="first")
    (site.root / ".leasehold/held").read_text()

    (lease,) = site.ask("lease", "who", "README.md")["leases"]
    (site.root / ".leasehold/seen").write_text("\n")
    site.wait_for("session.ended", task="first")

    assert (lease["task"], lease["pid"]) == ("first", running["data"]["pid"])
    assert lease["age"] >= 0


def test_a_write_waits_for_a_short_lease_of_another_and_then_goes_on(site):
    site.configure(AGENT, guard={"wait": "60s"})
    pipes(site, "held")
    script(site, "first", "echo mine >> README.md; meet held; git commit -qm One -- README.md")
    script(site, "second", "await held; echo theirs >> README.md; git commit -qm Two -- README.md")

    site.until_idle()

    assert site.git("show", "HEAD:README.md") == "a site\nmine\ntheirs\n"
    assert len(site.events("session.ended")) == 2


def test_a_link_that_is_changed_while_a_write_through_it_waits_leads_to_no_file_of_another(site):
    site.configure(AGENT, guard={"wait": "20s"}, retry={"attempts": 1})
    pipes(site, "held")
    script(
        site,
        "first",
        'seen() { leasehold lease list | grep -q "waits for $1" || grep -q theirs */n; }; '
        "mkdir one two; echo mine > one/n; echo mine > two/n; ln -s one now; meet held; "
        "until seen one/n; do :; done; rm one/n; ln -sfn two now; until seen two/n; do :; done; "
        "git add two/n; git commit -qm Two -- two/n",
    )
    script(site, "second", "await held; echo theirs >> now/n; exit 75")
    leasehold_in(site)

    site.start()
    site.wait_for("session.ended", task="second")

    assert site.git("show", "HEAD:two/n") == "mine\n"
    assert Path(site.root, "two/n").read_text() == "mine\ntheirs\n"


def test_a_new_file_that_a_later_rule_ignores_is_nobodys_and_a_committed_one_is_not(site):
    site.configure(AGENT, guard={"wait": "0s"}, retry={"attempts": 1})
    pipes(site, "held", "tried")
    script(site, "first", "echo mine > new.txt; echo mine >> README.md; meet held; await tried; exit 75")
    script(
        site,
        "second",
        "await held; printf 'new.txt\\nREADME.md\\n' > .gitignore; until ( echo theirs >> new.txt ); do :; done; "
        "( echo theirs >> README.md ); meet tried; exit 75",
    )

    site.start()
    site.wait_for("session.ended", task="first")
    site.wait_for("session.ended", task="second")

    assert Path(site.root, "new.txt").read_text() == "mine\ntheirs\n"
    assert Path(site.root, "README.md").read_text() == "a site\nmine\n"


def test_paths_of_nobody_and_own_paths_are_written_without_a_question(site):
    site.configure(AGENT)
    site.write(".git/info/exclude", "*.log\n")
    script(
        site,
        "only",
        "for i in 1 2 3; do echo $i >> own.txt; echo $i > x.log; echo $i > /dev/null; done; mkdir -p a/b; "
        "echo x > a/b/c; git add own.txt a; git commit -qm Own",
        paths=["own.txt", "a/"],
    )

    site.until_idle()

    guard = record(site, "only")["guard"]
    assert guard["level"] == "kernel"
    assert guard["held"] > 9
    assert guard["asked"] == 2  # the turns of git add and git commit


def test_a_lease_taken_at_a_write_is_the_sessions_until_its_end_and_lets_its_commit_land(site):
    site.configure(AGENT)
    script(site, "only", "echo x > new.txt; git add new.txt; git commit -qm New -- new.txt")

    site.until_idle()

    (ended,) = site.events("session.ended")
    assert ended["data"]["outcome"] == "finished"
    assert "new.txt" in ended["data"]["released"]
    (granted,) = [e for e in site.events("lease.granted") if e["data"].get("discovered")]
    assert granted["data"]["scopes"] == ["new.txt"]


def test_each_first_write_of_a_storm_is_told_once_in_a_few_events(site):
    site.configure(AGENT)
    script(site, "only", "for i in $(seq 400); do echo x > f$i.txt; done; git add f*; git commit -qm F -- f*")

    site.until_idle()

    granted = [event for event in site.events("lease.granted") if event["data"].get("discovered")]
    named = [scope for event in granted for scope in event["data"]["scopes"]]
    assert sorted(named) == sorted(f"f{number}.txt" for number in range(1, 401))
    assert len(granted) <= 100


@pytest.mark.parametrize(
    ("away", "said"), [("wait", "later: written"), ("closed", "later: refused"), ("open", "later: written")]
)
def test_without_a_supervisor_own_files_stay_writable_and_new_ones_follow_the_policy(site, away, said):
    site.configure(AGENT, guard={"away": away, "away_wait": "60s" if away == "wait" else "0s"})
    pipes(site, "up", "gone", "tried")
    script(
        site,
        "only",
        "echo x > own.txt; meet up; await gone; echo y >> own.txt && echo own: written; meet tried & "
        "(echo z > later.txt) && echo later: written || echo later: refused; wait; git add own.txt; git commit -qm Own -- own.txt",
    )
    supervisor = site.start()
    (site.root / ".leasehold/up").read_text()
    site.end(supervisor, signal.SIGKILL)
    (site.root / ".leasehold/gone").write_text("\n")
    (site.root / ".leasehold/tried").read_text()

    site.start()
    site.wait_for("session.ended", task="only")

    assert "own: written" in output(site, "only")
    assert said in output(site, "only")


def test_leases_taken_at_writes_outlive_the_supervisor(site):
    site.configure(AGENT, guard={"wait": "0s"}, retry={"attempts": 1})
    pipes(site, "up", "over")
    script(
        site, "first", "echo x > new.txt; meet up; await over; git add new.txt; git commit -qm New -- new.txt"
    )
    supervisor = site.start()
    (site.root / ".leasehold/up").read_text()
    site.end(supervisor, signal.SIGKILL)

    site.start()
    (lease,) = site.ask("lease", "who", "new.txt")["leases"]
    (site.root / ".leasehold/over").write_text("\n")
    site.wait_for("session.ended", task="first")

    assert lease["task"] == "first"


def test_a_session_whose_worker_is_killed_takes_its_held_writers_with_it(site, tagged):
    site.configure(AGENT, guard={"wait": "10m"}, retry={"attempts": 1})
    pipes(site, "held", "over")
    script(site, "first", "echo mine >> README.md; meet held; await over; git commit -qm One -- README.md")
    script(site, "second", "await held; setsid bash -c 'echo theirs >> README.md' & echo more >> README.md")
    site.start()
    second = site.wait_for("session.running", task="second")
    site.wait_for("lease.waiting")

    os.kill(second["data"]["worker_pid"], signal.SIGKILL)
    ended = site.wait_for("session.ended", task="second")
    (site.root / ".leasehold/over").write_text("\n")
    site.wait_for("session.ended", task="first")

    assert ended["data"]["outcome"] == "lost"
    assert tagged(second["session"]) == []
    assert site.git("show", "HEAD:README.md") == "a site\nmine\n"
    assert (site.root / "README.md").read_text() == "a site\nmine\n"


def test_a_worker_with_its_guard_stays_small(site):
    site.configure(AGENT)
    pipes(site, "up", "over")
    script(
        site,
        "only",
        "for i in $(seq 200); do echo x > f$i.txt; done; meet up; await over; git add f1.txt; git commit -qm F -- f1.txt",
    )
    site.start()
    running = site.wait_for("session.running", task="only")
    (site.root / ".leasehold/up").read_text()

    status = Path(f"/proc/{running['data']['worker_pid']}/status").read_text(encoding="ascii")
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    (site.root / ".leasehold/over").write_text("\n")
    site.wait_for("session.ended", task="only")

    assert rss <= 15 * 1024, f"{rss} KiB"


STORMS = """
    import os, pathlib, sys
    sys.stdin.read()
    for storm in range(5):
        for number in range(1_500):
            path = pathlib.Path(f"storm-{storm}-{number}.tmp")
            path.touch()
            path.unlink()
        pathlib.Path(".leasehold/over").write_text("over")
        pathlib.Path(".leasehold/again").read_text()
"""


def test_a_worker_is_no_larger_after_many_storms_of_names_than_after_two(site):
    site.configure(STORMS, retry={"attempts": 1})
    pipes(site, "over", "again")
    site.task("only")
    site.start()
    running = site.wait_for("session.running", task="only")
    sizes = []

    for _ in range(5):
        (site.root / ".leasehold/over").read_text()
        site.until(lambda: site.ask("status")["leases"] == 0)
        status = Path(f"/proc/{running['data']['worker_pid']}/status").read_text(encoding="ascii")
        sizes.append(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")))
        (site.root / ".leasehold/again").write_text("on")
    site.wait_for("session.ended", task="only")

    assert sizes[-1] <= sizes[1] + 128, f"{sizes} KiB"
    assert sizes[-1] <= 15 * 1024, f"{sizes} KiB"


COUNTERS = """
    import fcntl, os, pathlib, random, sys
    sys.stdin.read()
    rounds, files = 60, 4
    done = [0] * files
    for turn in range(rounds):
        at = random.randrange(files)
        path = pathlib.Path(f"counter{at}.txt")
        try:
            with path.open("r+") as file:
                value = int(file.read())
                os.sched_yield()
                file.seek(0)
                file.write(str(value + 1))
                file.truncate()
        except OSError as error:
            assert error.errno == 16, error
        else:
            done[at] += 1
    pathlib.Path(".leasehold", os.environ["LEASEHOLD_TASK"] + ".done").write_text(" ".join(map(str, done)))
"""


@pytest.mark.parametrize("mode", ["auto"])
def test_no_update_of_a_shared_file_is_lost(site, mode):
    for at in range(4):
        site.write(f"counter{at}.txt", "0")
    site.git("add", "-A")
    site.git("commit", "-qm", "Counters")
    for key in ("a", "b", "c"):
        site.task(key)
    site.configure(COUNTERS, guard={"mode": mode, "wait": "50ms"}, retry={"attempts": 1})

    site.until_idle(code=None)

    counted = [int((site.root / f"counter{at}.txt").read_text()) for at in range(4)]
    acknowledged = [
        list(map(int, (site.root / f".leasehold/{key}.done").read_text().split())) for key in ("a", "b", "c")
    ]
    assert counted == [sum(column) for column in zip(*acknowledged, strict=True)]
    assert sum(counted) > 0


def test_a_lease_is_not_given_back_while_a_file_below_it_is_open_for_writing(site):
    site.configure(AGENT)
    script(
        site,
        "only",
        "exec 3>> README.md; leasehold lease release README.md; echo code $?; exec 3>&-; "
        "leasehold lease release README.md; echo code $?; echo x >> README.md; git commit -qm X -- README.md",
    )
    leasehold_in(site)

    site.until_idle()

    said = output(site, "only")
    assert "README.md: still open for writing by a process of the session" in said
    assert said.index("code 1") < said.index("code 0")
    assert len([e for e in site.events("lease.granted") if e["data"]["scopes"] == ["README.md"]]) == 2


def test_a_link_that_a_session_holds_is_given_back_itself_and_not_what_it_leads_to(site):
    site.configure(AGENT, retry={"attempts": 1})
    pipes(site, "released", "seen")
    script(
        site,
        "only",
        "echo x > target.txt; echo x > link.txt; rm link.txt; ln -s target.txt link.txt; mkdir sub; cd sub; "
        "leasehold lease release ../link.txt; cd ..; meet released; await seen; exit 75",
    )
    leasehold_in(site)

    site.start()
    (site.root / ".leasehold/released").read_text()
    held = {lease["scope"] for lease in site.ask("lease", "list")["leases"]}
    (site.root / ".leasehold/seen").write_text("\n")
    site.wait_for("session.ended", task="only")

    assert "1 lease given back" in output(site, "only")
    assert held == {"target.txt"}


def test_an_idle_lease_that_another_waits_for_is_taken_back_and_its_holder_must_ask_again(site):
    site.configure(AGENT, leases={"ttl": "1s"}, guard={"wait": "60s"})
    pipes(site, "held", "taken")
    script(
        site,
        "first",
        "echo mine >> README.md; git commit -qm One -- README.md; meet held; await taken; "
        'echo again >> README.md; cat "$LEASEHOLD_NOTICE"; git commit -qm Three -- README.md',
    )
    script(
        site, "second", "await held; echo theirs >> README.md; meet taken; git commit -qm Two -- README.md"
    )

    site.until_idle()

    assert "your lease on README.md has expired" in output(site, "first")
    assert site.git("show", "HEAD:README.md") == "a site\nmine\ntheirs\nagain\n"
    assert [e["data"]["scope"] for e in site.events("lease.expired")] == ["README.md"]


def test_a_lease_that_is_written_all_the_time_is_not_taken_back(site):
    site.configure(AGENT, leases={"ttl": "1s"}, guard={"wait": "2s"}, retry={"attempts": 1})
    pipes(site, "held", "tried")
    script(
        site,
        "first",
        "exec 3>> README.md; meet held; await tried; echo mine >&3; git commit -qm One -- README.md",
    )
    script(site, "second", "await held; echo theirs >> README.md || echo refused; meet tried; exit 75")

    site.start()
    site.wait_for("session.ended", task="first")
    site.wait_for("session.ended", task="second")

    assert "refused" in output(site, "second")
    assert site.events("lease.expired") == []
    assert site.git("show", "HEAD:README.md") == "a site\nmine\n"


def leasehold_in(site) -> None:
    """Put the command of this checkout where sessions find it."""
    path = site.write("bin/leasehold", f'#!/bin/sh\nexec {" ".join(site.command())} "$@"\n')
    path.chmod(0o755)
    site.write(".git/info/exclude", "bin/\n")
    site.environ["PATH"] = f"{path.parent}:{site.environ['PATH']}"


def test_a_session_is_told_that_another_changed_a_file_since_it_began(site):
    site.configure(AGENT, guard={"wait": "60s"})
    pipes(site, "read")
    script(site, "first", "await read; echo mine >> README.md; git commit -qm One -- README.md")
    script(
        site,
        "second",
        "old=$(cat README.md); meet read; until git log -1 --format=%s | grep -q One; do :; done; "
        '(echo "$old"; echo theirs) > README.md; git commit -qm Two -- README.md; cat "$LEASEHOLD_NOTICE"',
    )

    site.until_idle()

    (told,) = site.events("read.stale")
    assert (told["task"], told["data"]["path"]) == ("second", "README.md")
    # On stderr, and as a notice.
    assert output(site, "second").count("after this session began; read it again") == 2


def test_a_session_says_at_which_level_it_ran(site):
    site.configure(AGENT)
    pipes(site, "up", "over")
    script(site, "only", "meet up; await over; exit 75")
    site.start()
    (site.root / ".leasehold/up").read_text()
    site.wait_for("session.level")

    while_it_ran = site.ask("session", "show", "only")["level"]
    (site.root / ".leasehold/over").write_text("\n")
    site.wait_for("session.ended", task="only")

    assert while_it_ran == "kernel"
    assert site.ask("session", "show", "only")["level"] == "kernel"


def test_names_that_came_and_went_leave_no_leases(site):
    site.configure(AGENT)
    pipes(site, "seen")
    script(
        site,
        "only",
        "for i in $(seq 50); do echo $i > tmp.$i; mv tmp.$i own.txt; done; echo x > stays.txt; echo x > gone; rm gone; "
        "await seen; git add own.txt stays.txt; git commit -qm Own",
    )
    site.start()
    site.wait_for("lease.granted", task="only")

    site.until(lambda: scopes(site) == {"own.txt", "stays.txt"})
    (site.root / ".leasehold/seen").write_text("\n")
    site.wait_for("session.ended", task="only")

    assert site.git("show", "HEAD:own.txt") == "50\n"


def test_a_file_that_was_committed_and_is_deleted_stays_leased(site):
    site.configure(AGENT)
    pipes(site, "seen")
    script(
        site,
        "only",
        "echo x > own.txt; git add own.txt; git commit -qm Own; rm own.txt; for i in $(seq 50); do echo $i > tmp.$i; rm tmp.$i; done; "
        "await seen",
    )
    site.start()
    site.wait_for("lease.granted", task="only")

    site.until(lambda: scopes(site) == {"own.txt"})
    (site.root / ".leasehold/seen").write_text("\n")
    site.wait_for("session.ended", task="only")


def test_what_was_written_past_the_guard_and_how_long_sessions_waited_is_accounted_for(site):
    site.configure(AGENT, guard={"wait": "60s"})
    pipes(site, "held", "waits", "go")
    script(site, "first", "echo mine >> README.md; meet held; await go; git commit -qm One -- README.md")
    script(
        site, "second", "await held; meet waits; echo theirs >> README.md; git commit -qm Two -- README.md"
    )
    supervisor = site.start()
    (site.root / ".leasehold/waits").read_text()
    site.wait_for("lease.waiting", task="second")

    site.write("stray.txt", "of a process outside\n")
    (site.root / ".leasehold/go").write_text("\n")
    site.wait_for("session.ended", task="first")
    site.wait_for("session.ended", task="second")

    found = site.ask("status")["collisions"]
    assert found["writes_unattributed"] >= 1
    assert found["writes_waited"] == 1
    assert found["waited_seconds"] > 0
    assert site.ask("report")["collisions"] == found
    site.end(supervisor)
    assert site.ask("report")["collisions"] == found


def scopes(site) -> set[str]:
    """Return what is leased now."""
    return {lease["scope"] for lease in site.ask("lease", "list")["leases"]}


# Asks what a guard asks, and writes down the answers.
ASKS = """
    import json, os, pathlib, socket
    line = socket.socket(socket.AF_UNIX)
    line.connect(os.environ["LEASEHOLD_SOCKET"])
    answers = []
    with line.makefile("rw") as file:
        for number, path in enumerate(["plain", "plain", "src/below", "u\\u0308", "[id].ts", "held", ".git/config"]):
            params = {"token": os.environ["LEASEHOLD_TOKEN"], "path": path}
            file.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "guard.write", "params": params}) + "\\n")
            file.flush()
            answers.append(json.loads(file.readline()))
    pathlib.Path("answers").write_text(json.dumps(answers))
"""


def test_one_free_file_is_leased_in_few_words_and_any_other_answered_as_a_claim(site):
    site.configure(ASKS, guard={"mode": "off"}, supervisor={"pool": False})
    site.task("a", paths=["src/"], expects="nothing")
    site.start()
    site.run("lease", "acquire", "held")
    site.run("launch", "--task", "a")
    site.wait_for("session.ended")

    plain, again, below, foreign, special, held, gits = json.loads((site.root / "answers").read_text())

    assert set(plain["result"]) == {"token", "granted_at"}
    assert again["result"] == plain["result"]
    ((_, tree, *_),) = below["result"]["leases"]
    assert (tree["kind"], tree["key"]) == ("tree", "src")
    ((_, file, _, token, _),) = foreign["result"]["leases"]
    assert (file["kind"], file["key"]) == ("file", "\u00fc")
    assert token > plain["result"]["token"]
    ((_, bracketed, *_),) = special["result"]["leases"]
    assert (bracketed["text"], bracketed["key"]) == ("\\[id].ts", "[id].ts")
    assert held["error"]["data"]["reason"] == "held"
    assert gits["error"]["data"]["reason"] == "scope"
