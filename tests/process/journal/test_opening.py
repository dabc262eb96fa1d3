"""Files that are old, new, damaged, missing, locked or out of reach."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.world.journal import (
    Event,
    Journal,
    JournalCorruptError,
    JournalError,
    JournalLockedError,
    JournalTooNewError,
    Meta,
    QueueRow,
    ScheduleRow,
    SessionRow,
    StateLock,
    TaskRow,
    opening,
)
from supervisor.world.journal.mounts import network_filesystem
from supervisor.world.journal.schema import LATEST, MIGRATIONS, migrate, version

pytestmark = pytest.mark.process

# What the first release wrote. It is never edited: journals like it exist.
SCHEMA_1 = """
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, kind TEXT NOT NULL,
    session TEXT, task TEXT, data TEXT NOT NULL);
CREATE INDEX events_of_session ON events (session, seq) WHERE session IS NOT NULL;
CREATE INDEX events_of_task ON events (task, seq) WHERE task IS NOT NULL;
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, task TEXT NOT NULL, intent TEXT NOT NULL, state TEXT NOT NULL,
    started_at REAL NOT NULL, ended_at REAL, outcome TEXT, ending TEXT,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)));
CREATE UNIQUE INDEX one_live_session_per_task ON sessions (task) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_start ON sessions (started_at);
CREATE INDEX sessions_by_end ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_of_task ON sessions (task, started_at);
CREATE TABLE tasks (key TEXT PRIMARY KEY, disposition TEXT NOT NULL);
CREATE TABLE queue (key TEXT PRIMARY KEY, task TEXT NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE schedules (name TEXT PRIMARY KEY, last_due REAL NOT NULL, queued TEXT NOT NULL);
CREATE TABLE generation (number INTEGER NOT NULL);
INSERT INTO generation VALUES (41);
INSERT INTO events VALUES (7, 5.5, 'claim', 's-1', 't-1', '{"n":1}');
INSERT INTO sessions VALUES ('s-1', 't-1', '{"argv":["x"]}', 'running', 5.5, NULL, NULL, NULL);
INSERT INTO sessions VALUES ('s-0', 't-1', '{}', 'ended', 1.5, 4.5, 'failed', '{"sentence":"it failed"}');
INSERT INTO tasks VALUES ('t-1', '{"tries":1}');
INSERT INTO queue VALUES ('q-1', '{"title":"later"}');
INSERT INTO meta VALUES ('high_water', '4096');
INSERT INTO schedules VALUES ('nightly', 3600.0, '[[3600.0,1]]');
PRAGMA application_id = 1279607123;
PRAGMA user_version = 1;
"""


def fail_loudly(error: JournalError) -> None:
    raise AssertionError(error)


def open_journal(state_dir: Path, *, recover: bool = False) -> Journal:
    return Journal.open(state_dir, on_failure=fail_loudly, recover=recover)


def make(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Return the path of a closed journal with a few pages in it."""
    with open_journal(tmp_path) as journal:
        journal.submit([Event(1.0, "x", data={"text": "y" * 500}) for _ in range(200)]).wait_blocking(10)
    return tmp_path / "journal.db"


# --- versions -------------------------------------------------------------------------------------------


def test_a_journal_of_the_first_release_opens_with_all_it_held(tmp_path: Path) -> None:
    make(tmp_path / "journal.db", SCHEMA_1)

    with open_journal(tmp_path) as journal:
        snapshot = journal.load()
        assert snapshot.sessions == (SessionRow("s-1", "t-1", {"argv": ["x"]}, "running", 5.5),)
        assert snapshot.tasks == (TaskRow("t-1", {"tries": 1}),)
        assert snapshot.queue == (QueueRow("q-1", {"title": "later"}),)
        assert snapshot.meta == {"high_water": 4096}
        assert snapshot.schedules == (ScheduleRow("nightly", 3600.0, ((3600.0, 1),)),)
        assert snapshot.generation == 42
        assert journal.recent(1)[0].event == Event(5.5, "claim", "s-1", "t-1", {"n": 1})
        assert journal.session("s-0") == SessionRow(
            "s-0", "t-1", {}, "ended", 1.5, 4.5, "failed", {"sentence": "it failed"}
        )
        journal.submit([Event(9.0, "y")]).wait_blocking(10)
        assert journal.last_seq() == 8


def test_the_first_release_is_still_what_the_first_migration_makes(tmp_path: Path) -> None:
    def tables(script: str, name: str) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(make(tmp_path / name, script))) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
            return {(name, " ".join(sql.split())) for name, sql in rows}

    assert tables(SCHEMA_1, "old") == tables(";".join(MIGRATIONS[0]), "made")


def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path / "journal.db", SCHEMA_1 + f"PRAGMA user_version = {LATEST + 1};")
    before = path.read_bytes()

    for recover in (False, True):
        with pytest.raises(JournalTooNewError) as refused:
            open_journal(tmp_path, recover=recover)
        assert str(refused.value) == (
            f"{path} has schema {LATEST + 1}, this version knows up to {LATEST}; "
            "run the newer version, or set another supervisor.state_dir"
        )
    with pytest.raises(JournalTooNewError):
        Journal.open_reader(tmp_path)
    assert path.read_bytes() == before


def test_a_migration_keeps_a_copy_of_the_old_file(tmp_path: Path) -> None:
    path = make(tmp_path / "journal.db", SCHEMA_1)
    longer = (*MIGRATIONS[:1], ("ALTER TABLE tasks ADD COLUMN note TEXT", "UPDATE tasks SET note = 'new'"))

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        copy = migrate(connection, path, longer)

        assert version(connection) == 2
        assert connection.execute("SELECT note FROM tasks").fetchall() == [("new",)]
        assert migrate(connection, path, longer) is None
    assert copy == tmp_path / "journal.db.schema-1"
    with closing(sqlite3.connect(copy)) as old:
        assert version(old) == 1
        assert old.execute("SELECT * FROM tasks").fetchall() == [("t-1", '{"tries":1}')]


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = make(tmp_path / "journal.db", SCHEMA_1)
    broken = (*MIGRATIONS[:1], ("DROP TABLE tasks", "SELECT no_such_function()"))

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="no_such_function"):
            migrate(connection, path, broken)

        assert version(connection) == 1
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (1,)


# --- damage ---------------------------------------------------------------------------------------------


def truncate(path: Path) -> None:
    os.truncate(path, 3 * 4096)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite_the_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 4096)


def overwrite_the_middle(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"\xa5" * 8 * 4096)


def lose_all_but_the_log(path: Path) -> None:
    path.rename(f"{path}-wal")


DAMAGES = [truncate, empty, overwrite_the_head, overwrite_the_middle, lose_all_but_the_log]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_refused_and_left_alone(filled: Path, damage: Callable[[Path], None]) -> None:
    damage(filled)
    before = {path.name for path in filled.parent.iterdir()}

    with pytest.raises(JournalCorruptError) as refused:
        open_journal(filled.parent)

    assert str(filled) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert {path.name for path in filled.parent.iterdir()} >= before


@pytest.mark.parametrize("damage", DAMAGES)
def test_recovery_moves_a_damaged_journal_aside_and_says_where(
    filled: Path, damage: Callable[[Path], None]
) -> None:
    damage(filled)
    left = next(path for path in (filled, Path(f"{filled}-wal")) if path.exists())
    size = left.stat().st_size

    with open_journal(filled.parent, recover=True) as journal:
        recovery = journal.recovery
        assert journal.last_seq() == 0
        assert journal.load().generation == 1

    assert recovery is not None
    assert recovery.moved_to.name.startswith("journal.db.corrupt-")
    assert str(recovery.moved_to) in recovery.sentence()
    assert "\n" not in recovery.sentence()
    moved = Path(f"{recovery.moved_to}{left.name.removeprefix('journal.db')}")
    assert moved.stat().st_size == size


def test_a_second_recovery_overwrites_no_earlier_one(filled: Path) -> None:
    places = set()
    for _ in range(3):
        empty(filled)
        with open_journal(filled.parent, recover=True) as journal:
            assert journal.recovery is not None
            places.add(journal.recovery.moved_to)

    assert len(places) == 3
    assert all(place.exists() for place in places)


def test_a_healthy_journal_is_not_recovered(filled: Path) -> None:
    with open_journal(filled.parent, recover=True) as journal:
        assert journal.recovery is None
        assert journal.last_seq() == 200


def test_half_a_creation_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "journal.db.new").write_bytes(b"half of one")
    (tmp_path / "journal.db.new-journal").write_bytes(b"and its log")

    with open_journal(tmp_path) as journal:
        assert journal.load().generation == 1


def test_a_database_of_another_program_is_not_taken(tmp_path: Path) -> None:
    path = make(tmp_path / "journal.db", "CREATE TABLE theirs (x)")
    before = path.read_bytes()

    with pytest.raises(JournalError, match="of another program"):
        open_journal(tmp_path, recover=True)

    assert path.read_bytes() == before


# --- locks ----------------------------------------------------------------------------------------------


def test_a_refused_opening_gives_the_lock_back(filled: Path) -> None:
    empty(filled)
    with pytest.raises(JournalCorruptError):
        open_journal(filled.parent)

    StateLock.acquire(filled.parent).release()


def test_a_lock_is_exclusive_even_within_one_process_and_free_after_release(tmp_path: Path) -> None:
    with StateLock.acquire(tmp_path) as lock:
        assert lock.path.read_text().splitlines()[0] == str(os.getpid())
        with pytest.raises(JournalLockedError) as refused:
            StateLock.acquire(tmp_path)
        assert refused.value.pid == os.getpid()
    lock.release()

    StateLock.acquire(tmp_path).release()


def test_a_program_that_locks_the_database_is_named(filled: Path) -> None:
    code = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""
    failures: list[JournalError] = []
    with (
        Journal.open(filled.parent, on_failure=failures.append) as journal,
        subprocess.Popen(
            [sys.executable, "-c", code, str(filled)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child,
    ):
        assert child.stdout is not None
        child.stdout.readline()
        journal._for_writer.execute("PRAGMA busy_timeout = 20")
        ticket = journal.submit([Event(1.0, "x")])
        with pytest.raises(JournalError) as refused:
            ticket.wait_blocking(10)
        child.communicate(b"")
        journal.retry().wait_blocking(10)
        assert journal.last_seq() == 201

    assert str(refused.value) == f"{filled} is locked by process {child.pid}; end that process"
    assert failures == [refused.value]


# --- access ---------------------------------------------------------------------------------------------


def test_the_state_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    with open_journal(state):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (state, state / "journal.db")}

    assert modes == {"state": 0o700, "journal.db": 0o600}


def test_a_state_directory_below_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match=r"set another supervisor\.state_dir"):
        open_journal(tmp_path / "file" / "state")


def test_a_reader_says_when_no_supervisor_ever_ran(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no supervisor has run"):
        Journal.open_reader(tmp_path)
    with pytest.raises(JournalError, match="no supervisor has run"):
        Journal.open_reader(tmp_path / "nowhere")


def test_a_reader_refuses_damage_and_writes_nothing(filled: Path) -> None:
    overwrite_the_head(filled)
    before = filled.read_bytes()

    with pytest.raises(JournalCorruptError):
        Journal.open_reader(filled.parent)

    assert filled.read_bytes() == before


def as_nobody(code: str, state_dir: Path) -> str:
    """Run `code` as a user who may read `state_dir` and not write it; return what it prints."""
    # dropped after the imports, for the interpreter may be out of that user's reach
    drop = """
import os, sys
from pathlib import Path
from supervisor.world.journal import Journal, JournalError
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""
    argv = [sys.executable, "-c", drop + code, str(state_dir)]
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def test_a_directory_that_cannot_be_written_is_refused_with_the_way_out_and_still_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # tmp_path is closed to other users
        root = Path(name)
        state = root / "state"
        with open_journal(state) as journal:
            journal.submit([Meta("m", 1)]).wait_blocking(10)
        for path, mode in (
            (root, 0o755),
            (state / "journal.db", 0o444),
            (state / "lock", 0o444),
            (state, 0o555),
        ):
            path.chmod(mode)
        opens = """
try:
    Journal.open(Path(sys.argv[1]), on_failure=print)
except JournalError as error:
    print(error)
"""
        reads = "print(Journal.open_reader(Path(sys.argv[1])).load().meta)"

        refusal, read = as_nobody(opens, state), as_nobody(reads, state)
        state.chmod(0o755)

    assert refusal == (
        f"{state} cannot be used as state directory (Permission denied); "
        "make it writable, or set another supervisor.state_dir\n"
    )
    assert read == "{'m': 1}\n"


@pytest.mark.parametrize(("kind", "seen"), [("nfs4", "nfs4"), ("fuse.sshfs", "fuse.sshfs"), ("ext4", None)])
def test_a_network_file_system_is_told_by_its_device(tmp_path: Path, kind: str, seen: str | None) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"36 35 {os.major(device)}:{os.minor(device)} / /home rw,noatime shared:1 - {kind} server:/home rw\n"
        "37 35 0:9999 / /elsewhere rw - nfs server:/elsewhere rw\n"
    )

    assert network_filesystem(tmp_path, mounts) == seen


def test_a_state_directory_on_a_network_file_system_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "network_filesystem", lambda _: "nfs4")

    with pytest.raises(JournalError, match=r"network file system \(nfs4\).* to a local disk"):
        open_journal(tmp_path)

    StateLock.acquire(tmp_path).release()
