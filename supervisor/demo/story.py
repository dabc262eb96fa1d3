"""The repository of the demonstration: a small package, a backlog, and work that an earlier session left."""

from __future__ import annotations

from dataclasses import dataclass

BRANCH = "main"
REGISTRY = "cascade/registry.py"
SELECTOR = "cascade/selector.py"
CHANGELOG = "CHANGELOG.md"
ORPHAN = SELECTOR


HAND_OFF = "hand-off"  # how the key of a task over uncommitted work begins


def work_of(task: str) -> str:
    """Return the task's key, under the one name that hand-offs have in both runs."""
    return HAND_OFF if task.startswith(HAND_OFF) else task


@dataclass(frozen=True, slots=True)
class Chore:
    """One task file. `result` is what the final commit must contain for it: (path, line) pairs."""

    key: str
    title: str
    priority: str
    lane: str
    owns: str
    body: str
    result: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Return the content of the task file."""
        head = f"title: {self.title}\nstate: open\npriority: {self.priority}\ncategory: {self.lane}"
        return f"---\n{head}\npaths: [{self.owns}]\n---\n{self.body}\n"


def entry(name: str) -> str:
    """Return the line by which a name stands in a list of the package."""
    return f'    "{name}",'


def _check(name: str, priority: str, purpose: str) -> Chore:
    path = f"cascade/checks/{name}.py"
    body = (
        f"Write `{path}`: {purpose}. Register `{name}` in `{REGISTRY}`, and add a line to `{CHANGELOG}` "
        "as every session does."
    )
    title = f"Add the check {name}"
    return Chore(
        name.replace("_", "-"), title, priority, "checks", path, body, ((path, ""), (REGISTRY, entry(name)))
    )


def _rule(name: str, priority: str, purpose: str) -> Chore:
    body = f"Add the rule `{name}` to `{SELECTOR}`: {purpose}. Add a line to `{CHANGELOG}` as every session does."
    return Chore(
        f"rule-{name}", f"Rank by {name}", priority, "selector", SELECTOR, body, ((SELECTOR, entry(name)),)
    )


CHORES = (
    _check("stale_claims", "urgent", "name claims whose session is gone"),
    _rule("age", "urgent", "older tasks first among equals"),
    _check("index_lock", "high", "name a lock file of git that nobody holds"),
    _check("noop_rate", "high", "count sessions that changed nothing"),
    _rule("fairness", "medium", "lanes that waited long come first"),
    _check("disk_floor", "medium", "refuse to start on a full disk"),
    _check("token_burn", "low", "name sessions that spend without progress"),
)

# What an earlier session wrote and never wired: the function is there, but no rule of the selector calls it.
ORPHAN_RESULT = ((SELECTOR, entry("plateau_warning")), (SELECTOR, "def plateau_warning(tasks):"))
ORPHANED_TEXT = '''

def plateau_warning(tasks):
    """Put tasks of a neglected lane first when one lane dominates."""
    lanes = [task["lane"] for task in tasks]
    return sorted(tasks, key=lambda task: lanes.count(task["lane"]))
'''

FILES = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# cascade\n\nChooses work for autonomous sessions. Tests: `python -m unittest`.\n",
    CHANGELOG: "# Changelog\n\nEvery session adds a line.\n\n",
    "cascade/__init__.py": '"""Choose work for autonomous sessions."""\n',
    REGISTRY: '"""The checks that run before a session starts."""\n\nCHECKS = [\n    "clean_tree",\n]\n',
    "cascade/checks/__init__.py": '"""One check a file."""\n',
    "cascade/checks/clean_tree.py": '"""Name uncommitted files."""\n\n\ndef run(state):\n    return state.get("dirty", [])\n',
    SELECTOR: '''"""Rank the backlog: each rule orders the tasks, the last one decides."""

RULES = [
    "priority",
]


def rank(backlog):
    """Return the tasks, best first."""
    for name in RULES:
        backlog = globals()[name](backlog)
    return backlog


def priority(tasks):
    """Put urgent tasks first."""
    return sorted(tasks, key=lambda task: -task["priority"])
''',
    "tests/__init__.py": "",
    "tests/test_cascade.py": """import importlib
import unittest

from cascade import registry, selector

TASKS = [{"priority": 1, "lane": "a"}, {"priority": 2, "lane": "b"}]


class CascadeTest(unittest.TestCase):
    def test_every_registered_check_runs(self):
        for name in registry.CHECKS:
            check = importlib.import_module(f"cascade.checks.{name}")
            self.assertEqual(check.run({}), [])

    def test_ranking_keeps_every_task(self):
        self.assertCountEqual(selector.rank(TASKS), TASKS)
""",
}
FILES |= {f"tasks/{chore.key}.md": chore.text() for chore in CHORES}
