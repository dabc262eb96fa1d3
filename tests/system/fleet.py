"""Leasehold installed in a box: its own Python environment, an account, a repository, tasks and an agent."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.system.box.box import Box
from tests.system.journal import Events

PROJECT = Path(__file__).parents[2]
PREFIX = "/opt/leasehold"  # the environment of its own that the documentation asks for
ACCOUNT = "dev"
ROOT = "/home/dev/site"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"

# Each session says that it runs, then waits for what the test writes into its task's pipe.
AGENT = r"""
    cat >/dev/null
    cd "$LEASEHOLD_REPO"
    echo "$LEASEHOLD_TASK $LEASEHOLD_SESSION $$ $(cut -d' ' -f22 /proc/$$/stat)" >>.leasehold/evidence
    read -r order <".leasehold/pipes/$LEASEHOLD_TASK"
    case $order in
      commit) echo done >"$LEASEHOLD_TASK.txt" && git add "$LEASEHOLD_TASK.txt" &&
              git commit -qm "Do $LEASEHOLD_TASK" -- "$LEASEHOLD_TASK.txt" ;;
      exit*)  exit "${order#exit }" ;;
      *)      eval "$order" ;;
    esac
"""

# And these work without being told to.
QUICK = r"""
    cat >/dev/null
    cd "$LEASEHOLD_REPO"
    echo "$LEASEHOLD_TASK $LEASEHOLD_SESSION $$ $(cut -d' ' -f22 /proc/$$/stat)" >>.leasehold/evidence
    sleep 0.$(shuf -i 1-9 -n 1)
    echo done >"$LEASEHOLD_TASK.txt" && git add "$LEASEHOLD_TASK.txt" &&
    git commit -qm "Do $LEASEHOLD_TASK" -- "$LEASEHOLD_TASK.txt"
"""


def binds() -> dict[Path, str]:
    """Return what a box must see of this computer to install the product: see `install_product`."""
    here = {PROJECT: "/opt/project", Path(sysconfig.get_path("purelib")): "/opt/dependencies"}
    if not sys.base_prefix.startswith("/usr"):
        here[Path(sys.base_prefix)] = "/opt/python"
    return here


def install_product(box: Box) -> None:
    """Install the product into an environment below /opt, as a package, for all accounts."""
    base = "/usr" if sys.base_prefix.startswith("/usr") else "/opt/python"
    packages = f"{PREFIX}/lib/{PYTHON}/site-packages"
    box.write(f"{packages}/dependencies.pth", "/opt/dependencies\n")
    box.write(f"{PREFIX}/bin/leasehold", _SCRIPT, mode=0o755)
    box.sh(f"""set -e
        if [ {base} != /usr ]; then echo {base}/lib >/etc/ld.so.conf.d/box.conf; ldconfig; fi
        {base}/bin/{PYTHON} -m venv --without-pip {PREFIX}
        cp -rL --preserve=timestamps /opt/project/supervisor /opt/project/workers {packages}/
        {PREFIX}/bin/python -m compileall -q {packages}/supervisor {packages}/workers
        ln -s {PREFIX}/bin/leasehold /usr/local/bin/leasehold""")


_SCRIPT = f"""\
#!{PREFIX}/bin/python
import sys
from supervisor.cli.main import main
sys.exit(main())
"""


class Fleet:
    """An installation of the product in a booted box, with one repository and one harness."""

    def __init__(self, box: Box, *, user: bool = False) -> None:
        self.box = box
        self._events: Events | None = None
        self._user = user  # whether the account's own service manager is meant, not the system's
        home = f"/home/{ACCOUNT}"
        self.state = f"{home}/.local/state/leasehold" if user else "/var/lib/leasehold"
        # Where a verb without flags looks, whoever gives it.
        self.config = f"{home}/.config/leasehold/config.toml" if user else "/etc/leasehold/config.toml"

    def prepare(self) -> None:
        """Install the product, make the account and its repository."""
        install_product(self.box)
        self.box.sh(f"""set -e
            useradd --create-home --shell /bin/bash {ACCOUNT}
            install -d -o {ACCOUNT} -g {ACCOUNT} {ROOT}""")
        self.sh("""set -e
            git config --global user.name Dev; git config --global user.email dev@example.invalid
            git init -q -b main; echo "a site" >README.md
            mkdir -p .leasehold/pipes tasks; echo "*" >.leasehold/.gitignore; echo tasks/ >>.git/info/exclude
            git add -A; git commit -qm Begin""")
        self.write(".leasehold/agent.sh", AGENT)
        self.write(".leasehold/quick.sh", QUICK)

    def install(self, *flags: str, code: int = 0) -> str:
        """Install the units; return what the command printed."""
        target = ["--user"] if self._user else ["--run-as", ACCOUNT]
        return self.leasehold("systemd", "install", *target, *flags, code=code)

    def systemctl(self, words: str, *, code: int | None = 0) -> str:
        """Run systemctl for the manager that the units are installed in."""
        return self._manage(f"systemctl {'--user ' if self._user else ''}{words}", code)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit."""
        lines = self.systemctl(f"show '{unit}' -p {','.join(properties)}").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def _manage(self, script: str, code: int | None = 0) -> str:
        if self._user:
            return self.sh(script, code=code)
        return self.box.sh(script, code=code)

    def sh(self, script: str, *, code: int | None = 0) -> str:
        """Run a shell script in the repository as the account."""
        home = f"export HOME=/home/{ACCOUNT} XDG_RUNTIME_DIR=/run/user/$(id -u); cd {ROOT}"
        return self.box.sh(f"{home}\n{script}", code=code, user=ACCOUNT)

    def write(self, name: str, text: str) -> None:
        """Write a file of the account below the repository."""
        self.box.write(f"{ROOT}/{name}", textwrap.dedent(text))
        self.box.sh(f"chown -R {ACCOUNT}: {ROOT}/{Path(name).parts[0]}")

    def configure(self, **sections: dict[str, object]) -> None:
        """Write the configuration; each section's keys go over those that are here."""
        text = [
            f'[repos.site]\npath = "{ROOT}"',
            f'[sources.tasks]\nkind = "markdown"\npath = "{ROOT}/tasks"',
        ]
        text += ['[sources.queue]\nkind = "queue"', "[harness.agent]"]
        agent: dict[str, object] = {"command": ["sh", f"{ROOT}/.leasehold/agent.sh"], "grace": "1s"}
        text += _lines(agent | sections.pop("harness", {}))
        supervisor: dict[str, object] = {"max_sessions": 8, "state_dir": self.state}
        sections["supervisor"] = supervisor | sections.get("supervisor", {})
        retry: dict[str, object] = {"attempts": 1, "intensity": 1000}
        sections["retry"] = retry | sections.get("retry", {})
        quick: dict[str, object] = {"command": ["sh", f"{ROOT}/.leasehold/quick.sh"], "grace": "1s"}
        sections.setdefault("harness.quick", quick)
        for name, keys in sections.items():
            text += [f"[{name}]", *_lines(keys)]
        self.box.write(self.config, "\n".join(text) + "\n")
        if self._user:
            self.box.sh(f"chown -R {ACCOUNT}: /home/{ACCOUNT}")

    def task(self, key: str, **front: object) -> None:
        """Write a task, and the pipe that its session will wait at."""
        front = {"state": "backlog", "paths": [f"{key}.txt"]} | front
        lines = [f"{name}: {json.dumps(value)}" for name, value in front.items()]
        self.sh(f"mkfifo .leasehold/pipes/{key}")
        self.write(f"tasks/{key}.md", "\n".join(["---", *lines, "---", f"# Do {key}", ""]))

    def tell(self, key: str, order: str) -> None:
        """Give the session of a task its order: "commit", "exit 3", or a shell command; once it waits for it."""
        self.box.sh(f"echo {shlex.quote(order)} >{ROOT}/.leasehold/pipes/{key}")

    def leasehold(self, *args: str, code: int | None = 0, user: str | None = None) -> str:
        """Run a verb as an operator would, without flags; return what it prints."""
        done = self._verb(args, user)
        assert code is None or done.returncode == code, (
            f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout + done.stderr

    def ask(self, *args: str) -> Any:
        """Run a reading verb and return its JSON."""
        done = self._verb((*args, "--json"), None)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _verb(self, args: Sequence[str], user: str | None) -> subprocess.CompletedProcess[str]:
        command = shlex.join(["leasehold", *args])
        if self._user:
            user, command = ACCOUNT, f"export HOME=/home/{ACCOUNT}; exec {command}"
        return self.box.run(["sh", "-c", command], user=user, limit=60)

    def inside(self, path: str) -> Path:
        """Return where this computer sees a file of the box."""
        return Path(f"/proc/{self.box.pid}/root{path}")

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the events of the journal, with or without a supervisor."""
        if self._events is None:
            self._events = Events(self.box, f"{PREFIX}/bin/python", self.state)
        return self._events.all(*kinds)

    def close(self) -> None:
        """End what was started to look into the box."""
        if self._events is not None:
            self._events.close()

    def wait_for(self, kind: str, count: int = 1, *, limit: float = 30.0, **fields: object) -> dict[str, Any]:
        """Return the `count`th event of a kind whose fields match, waiting for it."""
        found: list[dict[str, Any]] = []

        def happened() -> bool:
            found[:] = [
                event
                for event in self.events(kind)
                if all(event.get(name) == value for name, value in fields.items())
            ]
            return len(found) >= count

        self.box.wait(happened, f"{count} {kind} {fields}", limit)
        return found[count - 1]

    def evidence(self) -> list[list[str]]:
        """Return what each agent wrote when it began: task, session, process id, start time."""
        return [line.split() for line in self.inside(f"{ROOT}/.leasehold/evidence").read_text().splitlines()]

    def sessions(self) -> dict[str, dict[str, Any]]:
        """Return the living sessions by task, as `ps` shows them."""
        return {session["task"]: session for session in self.ask("ps")["sessions"]}

    def running(self, *keys: str) -> dict[str, dict[str, Any]]:
        """Return the sessions of these tasks, once all have begun."""
        for key in keys:
            self.wait_for("session.running", task=key)
        return {key: session for key, session in self.sessions().items() if key in keys}

    def ended(self, *keys: str) -> dict[str, dict[str, Any]]:
        """Return how the sessions of these tasks ended, once they have."""
        return {key: self.wait_for("session.ended", task=key) for key in keys}

    def alive(self, pid: str, start: str) -> bool:
        """Whether a process that an agent named still runs."""
        try:
            stat = self.inside(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return stat[19] == start and stat[0] != "Z"

    def main_pid(self) -> int:
        """Return the process id of the supervisor, as the box sees it."""
        return int(self.show("leasehold.service", "MainPID")["MainPID"])


def _lines(keys: dict[str, object]) -> Iterator[str]:
    for name, value in keys.items():
        yield f"{name} = {json.dumps(value)}"
