"""The transcript in the how-to is what a real systemd and the real product print.

Write it anew, as root: PYTHONPATH=. .venv/bin/python tests/system/test_transcript.py
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.system.box.box import Box
from tests.system.fleet import ROOT, Fleet, binds

PAGE = Path(__file__).parents[2] / "docs/how-to/run-under-systemd.md"
BLOCK = re.compile(r"(<!-- transcript -->\n```console\n)(.*?)(```\n<!-- end of transcript -->\n)", re.DOTALL)


def test_the_transcript_in_the_how_to_is_what_is_printed(bootable):
    found = BLOCK.search(PAGE.read_text())

    assert found is not None, f"{PAGE} has no transcript"
    assert settled(play()) == settled(found[2])


def play() -> str:
    """Install, start, launch, signal, reload, kill -9, restart and stop in a box; return what was printed."""
    with Box(binds=binds()) as box:
        fleet = Fleet(box)
        fleet.prepare()
        fleet.configure()
        for key in ("login", "search"):
            fleet.task(key)
        lines: list[str] = []

        def run(command: str) -> None:
            printed = box.sh(f"cd {ROOT}; {command}", code=None)
            told = [line.rstrip() for line in printed.splitlines() if line.strip()]
            lines.extend([f"# {command}", *told])

        def reported() -> None:
            """Return once the workers have reported: until then their sessions are shown as recovering."""
            box.wait(lambda: not fleet.ask("status")["waiting_for_reports"], "the workers' reports")

        run("leasehold systemd install --run-as dev")
        fleet.running("login", "search")
        run("leasehold ps")
        run("systemctl list-units --plain --no-legend 'leasehold*'")
        run("systemctl kill -s USR1 leasehold.service")
        fleet.wait_for("supervisor.signal", signal="SIGUSR1")
        box.wait(
            lambda: "USR1" in fleet.show("leasehold.service", "StatusText")["StatusText"], "the status line"
        )
        run("systemctl show -p StatusText leasehold.service")
        run("sed -i 's/^max_sessions = .*/max_sessions = 12/' /etc/leasehold/config.toml")
        run("systemctl reload leasehold.service && leasehold status | grep -e config -e admission")
        pid = fleet.main_pid()
        run("systemctl kill -s KILL leasehold.service")
        box.wait(lambda: fleet.main_pid() not in {0, pid}, "the supervisor is back")
        reported()
        run("leasehold ps")
        run("systemctl restart leasehold.service")
        reported()
        run("leasehold ps")
        run("systemctl stop leasehold.socket leasehold.service")
        run("systemctl is-active leasehold.service 'leasehold-session@*.service'")
        run("systemctl start leasehold.service")
        reported()
        run("leasehold ps")
        fleet.tell("login", "commit")
        fleet.tell("search", "exit 3")
        fleet.ended("login", "search")
        run("leasehold session list --all")
        fleet.close()
        return "\n".join(lines) + "\n"


def settled(text: str) -> list[str]:
    """Return lines in which nothing is left that differs from one run to the next."""
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    # Sessions that began together stand in any order.
    return [line for _, line in sorted(_numbered(lines))]


def _numbered(lines: list[str]) -> list[tuple[tuple[int, str], str]]:
    command = 0
    found = []
    for line in lines:
        command += line.startswith("# ")
        found.append(((command, "" if line.startswith("# ") else line), line))
    return found


_VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "SESSION"),
    (re.compile(r"\b[0-9a-f]{10,40}\b"), "COMMIT"),
    (re.compile(r"\b\d+(\.\d+)?(ms|s|m|h)\b"), "SPAN"),
    (re.compile(r"\b\d{2,}\b"), "NUMBER"),
]

if __name__ == "__main__":
    text = PAGE.read_text()
    printed = play()
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + printed + found[3], text))
