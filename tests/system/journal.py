"""The events of an installation in a box, read beside its supervisor, whether there is one or not."""

from __future__ import annotations

import json
import select
import subprocess
from typing import Any

from tests.system.box.box import Box

# SQLite must see the file where the supervisor does, hence a program inside; it answers each line on stdin.
_PROGRAM = """\
import json, sqlite3, sys
for line in sys.stdin:
    try:
        journal = sqlite3.connect(f"file:{sys.argv[1]}/journal.db?mode=ro", uri=True, timeout=5)
        rows = journal.execute("SELECT seq, kind, session, task, data FROM events ORDER BY seq").fetchall()
        journal.close()
    except sqlite3.OperationalError:  # the first supervisor has not made it yet
        rows = []
    print(json.dumps(rows), flush=True)
"""


class Events:
    """Reads the events of the journal in `state`, a state directory as the box sees it."""

    def __init__(self, box: Box, python: str, state: str) -> None:
        self._process = subprocess.Popen(
            box.command([python, "-c", _PROGRAM, state]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def all(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the events of these kinds, or of all, oldest first: the fields of `data` beside the others."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\n")
        stdin.flush()
        assert select.select([stdout], [], [], 30)[0], "the journal cannot be read"
        return [
            {**json.loads(data), "seq": seq, "kind": kind, "session": session, "task": task}
            for seq, kind, session, task, data in json.loads(stdout.readline())
            if not kinds or kind in kinds
        ]

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)
