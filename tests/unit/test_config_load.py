"""Loading: what a good file becomes, and each fault of a bad one on its own line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from supervisor.world.config.load import ConfigError, load
from supervisor.world.config.models import Settings

GOOD = """\
[repos.app]
path = "."
[harness.agent]
command = "claude -p {prompt}"
"""
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a configuration into a folder that looks like a checkout."""
    (tmp_path / ".git").mkdir()

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def problems(path: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the problems of a file, with its name cut down to the last part."""
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return [line.removeprefix(f"{path.parent}/") for line in caught.value.problems]


def faults(write: Write, extra: str) -> list[str]:
    """Return the problems that `extra` adds to a good file, without their places."""
    return [line.partition(": ")[2] for line in problems(write(GOOD + extra))]


def test_a_short_file_gets_every_default(write: Write) -> None:
    settings = load(write(GOOD), {})

    assert settings.supervisor.max_sessions == 4
    assert settings.leases.ttl == 900.0
    assert settings.harness["agent"].command == ("claude", "-p", "{prompt}")
    assert settings.harness["agent"].budget == 3000.0
    assert settings.harness["agent"].log_limit == 16 * 1024 * 1024
    assert settings.schedule == ()


def test_settings_cannot_be_changed_in_place(write: Write) -> None:
    settings = load(write(GOOD), {})

    with pytest.raises(ValidationError):
        settings.supervisor.max_sessions = 5  # type: ignore[misc]


def test_paths_are_absolute_from_the_folder_of_the_file(write: Write, tmp_path: Path) -> None:
    path = write(GOOD + 'brief = "brief.md"\n[sources.tasks]\nkind = "markdown"\npath = "sub/../tasks"\n')

    settings = load(path, {})

    assert settings.harness["agent"].brief == tmp_path / "brief.md"

    assert settings.repos["app"].path == tmp_path
    assert settings.sources["tasks"].path == tmp_path / "tasks"
    assert settings.path == path


def test_paths_in_a_dot_leasehold_file_start_at_the_folder_around_it(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / ".leasehold"
    folder.mkdir()
    path = write(GOOD).rename(folder / "config.toml")

    settings = load(path, {})

    assert settings.directory == tmp_path
    assert settings.repos["app"].path == tmp_path
    assert settings.supervisor.state_dir == folder / "state"


def test_a_linked_file_counts_where_the_link_is(write: Write, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    target = write(GOOD).rename(store / "real.toml")
    link = tmp_path / "config.toml"
    link.symlink_to(target)

    assert load(link, {}).directory == tmp_path


def test_a_tilde_is_the_home_directory_of_the_environment(write: Write, tmp_path: Path) -> None:
    settings = load(write('[supervisor]\nstate_dir = "~/state"\n' + GOOD), {"HOME": str(tmp_path)})

    assert settings.supervisor.state_dir == tmp_path / "state"


def test_a_source_works_in_the_only_repository(write: Write) -> None:
    settings = load(write(GOOD + '[sources.q]\nkind = "queue"\n'), {})

    assert settings.sources["q"].repo == "app"


def test_a_schedule_means_the_zone_of_the_host(write: Write) -> None:
    path = write(GOOD + '[[schedule]]\nname = "n"\ncron = "0 7 * * *"\n')

    assert load(path, {"TZ": ":Europe/Vienna"}).schedule[0].timezone == "Europe/Vienna"
    assert load(path, {"TZ": "/usr/share/zoneinfo/Asia/Tokyo"}).schedule[0].timezone == "Asia/Tokyo"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml") == ["none.toml: no such file; `leasehold init` writes one"]


def test_a_folder_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'x = "\xe9"')

    assert "byte 5 is not UTF-8" in problems(tmp_path / "latin.toml")[0]
    assert "cannot be read: Is a directory" in problems(tmp_path)[0]


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(GOOD, encoding="utf-8-sig")

    assert load(path, {}).harness


def test_what_is_not_toml_is_told_with_its_line(write: Write) -> None:
    assert problems(write('[supervisor]\nmax_sessions = "4\n')) == [
        "config.toml:2: not TOML: illegal character '\\n'"
    ]
    assert problems(write("[supervisor]\npool = [")) == ["config.toml:2: not TOML: invalid value"]


def test_every_fault_of_a_file_is_told_in_the_order_of_the_file(write: Write) -> None:
    path = write(
        "[supervisor]\nmax_sesions = 3\n"
        '\n[repos.app]\npath = "nowhere"\n'
        '\n[harness.agent]\ncommand = """\nx\n"""\nbudget = 50\n'
        '\n[sources.tasks]\nkind = "queue"\nharness = "agnt"\n'
        '\n[[schedule]]\nname = "n"\ncron = "0 7 * * *"\n'
        '\n[[schedule]]\nname = "n"\nevery = "1h"\n'
        "\n[leaces]\n"
    )

    assert problems(path) == [
        'config.toml:2: unknown key "max_sesions" in [supervisor]; did you mean "max_sessions"?',
        (
            f"config.toml:5: repos.app.path: {path.parent}/nowhere does not exist; "
            "correct the path, or clone the repository there"
        ),
        'config.toml:11: harness.agent.budget: 50 has no unit; write for instance "90s", "15m" or "2h"',
        'config.toml:15: sources.tasks.harness: no [harness.NAME] is called "agnt"; did you mean "agent"?',
        'config.toml:22: schedule: a second one is called "n"; rename it',
        'config.toml:25: unknown section [leaces]; did you mean "leases"?',
    ]


@pytest.mark.parametrize("name", ["path", "directory"])
def test_what_only_the_program_sets_is_no_key_of_the_file(write: Write, name: str) -> None:
    assert problems(write(f'{name} = "/x"\n{GOOD}'))[0].startswith(f"config.toml:1: unknown section [{name}]")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[supervisor]\nmax_sessions = 0", "supervisor.max_sessions must be at least 1, not 0"),
        ("[supervisor]\nmax_sessions = true", "supervisor.max_sessions: true is not a number"),
        ('[supervisor]\npool = "false"', 'supervisor.pool must be true or false, not "false"'),
        ('[guard]\nkeep_dumpable = "yes"', 'guard.keep_dumpable must be true or false, not "yes"'),
        ("[guard]\nkeep_dumpable = 1", "guard.keep_dumpable must be true or false, not 1"),
        ("[supervisor]\nmax_sessions = 2.5", "supervisor.max_sessions must be a whole number, not 2.5"),
        (
            '[supervisor]\non_stop = "leav"',
            'supervisor.on_stop must be "leave", "drain" or "stop", not "leav"',
        ),
        (
            '[supervisor]\nruntime_dir = "a\\u0000b"',
            "supervisor.runtime_dir: has a NUL character, which no path can have",
        ),
        ("supervisor = 3", "supervisor must be a table, not 3"),
        ('[leases]\nttl = "0"', 'leases.ttl must be more than "0s", not "0s"'),
        (
            '[leases]\nttl = "15"',
            'leases.ttl: "15" is not a duration; write for instance "90s", "15m", "2h" or "1h30m"',
        ),
        ('[leases]\nttl = "4000d"', 'leases.ttl: "4000d" is longer than ten years'),
        ("[selection]\nplateau_share = 0", "selection.plateau_share must be more than 0, not 0"),
        ("[selection]\nplateau_share = nan", "selection.plateau_share must be a finite number, not nan"),
        (
            "[selection]\nlane_window = 3",
            "selection.plateau_min: is more than lane_window (3); no plateau is ever seen",
        ),
        ('[retry]\nbackoff = "1h"', "retry.backoff: is longer than backoff_max"),
        (
            '[quotas.a]\nwindow = "1h"',
            "quotas.a: limits nothing; give sessions, tokens or cost_usd, or the harness of an account",
        ),
    ],
)
def test_an_impossible_value_is_refused_by_name(write: Write, text: str, sentence: str) -> None:
    path = write(f"{text}\n{GOOD}")

    assert [line.partition(": ")[2] for line in problems(path)] == [sentence]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('check = "make test"', 'is for isolation = "worktree"; here all sessions share the checkout'),
        ("confine = true", 'is for isolation = "worktree"; here all sessions share the checkout'),
        ('exclude = ["../x"]', 'scope "../x" leaves the repository; name a path inside it'),
    ],
)
def test_a_repository_may_not_ask_for_what_is_not_there(write: Write, text: str, sentence: str) -> None:
    path = write(GOOD.replace('path = "."', f'path = "."\n{text}'))

    key = text.split(" ", 1)[0]
    assert problems(path) == [f"config.toml:3: repos.app.{key}: {sentence}"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            'command = ["x", "{promt}"]',
            "harness.b.command: no placeholder {promt}; did you mean {prompt}?",
        ),
        (
            "command = []",
            'harness.b.command: is empty; name a program, for instance ["claude", "-p", "{prompt}"]',
        ),
        (
            'command = "x \'y"',
            (
                'harness.b.command: "x \'y" cannot be split into words (no closing quotation); '
                "write a list of words"
            ),
        ),
        (
            'command = "x"\nbudget = "5s"',
            "harness.b.grace: is longer than budget; a session would live twice as long as it may",
        ),
        (
            'command = "x"\nenv = { LEASEHOLD_TOKEN = "1" }',
            "harness.b.env: LEASEHOLD_TOKEN is set by the supervisor; choose a name without LEASEHOLD",
        ),
        (
            'command = "x"\nenv_from = ["A=B"]',
            'harness.b.env_from: "A=B" is not the name of an environment variable',
        ),
        ('command = "x"\nlog_limit = "1B"', 'harness.b.log_limit must be at least "64KiB", not "1B"'),
        ('command = "x"\nmodel = 3', "harness.b.model must be a text in quotes, not 3"),
        ('command = ["x", 3]', "harness.b.command must be a text in quotes, not 3"),
        (
            "",
            'harness.b.command: is missing, and adapter too; write adapter = "claude", or the command of another program',
        ),
        (
            'adapter = "claude"\ncommand = "x"',
            (
                "harness.b.adapter: and command exclude each other: a command is run as it is written, "
                "an adapter writes its own"
            ),
        ),
        ('adapter = "cladue"', 'harness.b.adapter: no adapter "cladue"; did you mean "claude"?'),
        ('command = "x"\nargs = ["y"]', "harness.b.args: is for a harness with a key adapter"),
        ('adapter = "claude"\nparse = "claude"', "harness.b.parse: is for a harness with a key command"),
    ],
)
def test_a_harness_that_cannot_run_is_refused(write: Write, text: str, sentence: str) -> None:
    assert faults(write, f"[harness.b]\n{text}\n") == [sentence]


def test_braces_of_a_command_s_own_are_left_alone(write: Write) -> None:
    path = write(GOOD + '[harness.b]\ncommand = ["x", "{\\"a\\": {b}}", "{print}", "{prompt_file}"]\n')

    assert (load(path, {}).harness["b"].command or ())[1:3] == ('{"a": {b}}', "{print}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('kind = "mark"', 'sources.s.kind must be "markdown", "queue" or "command", not "mark"'),
        ('kind = "markdown"', 'sources.s.kind: "markdown" needs a path, the folder of its *.md files'),
        (
            'kind = "command"',
            'sources.s.kind: "command" needs a command, a program that prints tasks as JSON',
        ),
        (
            'kind = "queue"\npath = "x"',
            'sources.s.path: belongs to sources of kind "markdown"; this one is "queue"',
        ),
        (
            'kind = "queue"\nrepo = "ap"',
            'sources.s.repo: no [repos.NAME] is called "ap"; did you mean "app"?',
        ),
        ('kind = "queue"\nrepo = "zzz"', 'sources.s.repo: no [repos.NAME] is called "zzz"; known: app'),
        ('kind = "queue"\ntier = 4', "sources.s.tier must be at most 3, not 4"),
    ],
)
def test_a_source_without_sense_is_refused(write: Write, text: str, sentence: str) -> None:
    assert faults(write, f"[sources.s]\n{text}\n") == [sentence]


def test_there_is_one_queue_at_most(write: Write) -> None:
    assert faults(write, '[sources.a]\nkind = "queue"\n[sources.b]\nkind = "queue"\n') == [
        "sources.b: [sources.a] is the queue already, and there is one; remove either"
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('cron = "99 * * * *"', '"99 * * * *": Bad minute; write for instance "30 7 * * mon-fri"'),
        ('cron = "0 0 30 2 *"', "30 2 *"),
        ('cron = "0 0 1 1 *"\ntimezone = "Mars/Base"', 'no time zone "Mars/Base"'),
        ('cron = "0 0 1 1 *"\nevery = "1h"', "give either cron"),
        ("", "give either cron"),
        ('every = "100ms"', 'schedule.every must be at least "1s", not "100ms"'),
        ('every = "1h"\nharness = "agnt"', 'no [harness.NAME] is called "agnt"; did you mean "agent"?'),
    ],
)
def test_a_schedule_that_is_never_due_is_refused(write: Write, text: str, sentence: str) -> None:
    (told,) = faults(write, f'[[schedule]]\nname = "n"\n{text}\n')

    assert sentence in told


def test_no_harness_at_all_is_an_error(write: Write) -> None:
    assert problems(write('[repos.app]\npath = "."\n')) == [
        (
            "config.toml: no [harness.NAME], so nothing can be started; "
            'add [harness.agent] with adapter = "claude"'
        )
    ]


def test_two_names_for_one_checkout_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()

    assert faults(write, '[repos.other]\npath = "sub"\n') == [
        f"repos.other.path: {tmp_path} is [repos.app] already; keep one of the two names"
    ]


def test_a_bare_repository_and_a_file_are_no_checkout(write: Write, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    for folder in ("objects", "refs"):
        (bare / folder).mkdir(parents=True)
    (bare / "HEAD").write_text("ref: refs/heads/main\n")

    told = faults(write, '[repos.b]\npath = "bare.git"\n[repos.c]\npath = "config.toml"\n')

    assert told == [
        f"repos.b.path: {bare} is a bare repository; sessions need a checkout, name the folder of one",
        f"repos.c.path: {tmp_path}/config.toml is not a folder; name the folder that holds the repository",
    ]


def test_a_name_is_short_and_plain(write: Write) -> None:
    (told,) = faults(write, '[harness."a b"]\ncommand = "x"\n')

    assert told == '"a b" is not a name; use up to 64 letters, digits, dots, "-" and "_"'


def test_a_socket_path_that_the_kernel_refuses_is_refused_here(write: Write) -> None:
    (told,) = problems(write(f'[supervisor]\nruntime_dir = "/tmp/{"x" * 90}"\n{GOOD}'))

    assert told.startswith("config.toml:2: the path of the control socket, /tmp/xxx")
    assert told.endswith("set supervisor.runtime_dir to a shorter folder")


def test_the_shown_form_of_settings_hides_the_variables_of_a_harness(write: Write) -> None:
    settings: Settings = load(write(GOOD + 'env = { A = "hush" }\n'), {})

    assert settings.harness["agent"].env == {"A": "hush"}
    assert "hush" not in repr(settings)


@pytest.mark.parametrize("key", ["memory", "session_memory"])
def test_the_least_memory_of_units_is_told_as_a_size(write: Write, key: str) -> None:
    assert faults(write, f'[systemd]\n{key} = "1MiB"\n') == [
        f'systemd.{key} must be at least "64MiB", not "1MiB"'
    ]


def test_what_confined_sessions_may_write_is_a_list_of_real_paths(write: Write) -> None:
    path = write(confining('["cache", "~/.npm"]'))

    repo = load(path, {"HOME": str(path.parent / "home")}).repos["app"]

    assert repo.confine
    assert repo.confine_writable == (path.parent / "cache", path.parent / "home/.npm")


def test_what_has_the_checkout_in_it_cannot_be_writable(write: Write) -> None:
    path = write(confining('[".."]'))

    assert problems(path) == [
        (
            f"config.toml:3: repos.app.confine_writable: {path.parents[1]} has {path.parent} in it, which no "
            "confined session may write; name folders beside it"
        )
    ]


def test_what_has_the_state_directory_in_it_cannot_be_writable(write: Write) -> None:
    path = write('[supervisor]\nstate_dir = "../state/of"\n' + confining('["../state"]'))

    state = path.parents[1] / "state"
    assert problems(path) == [
        (
            f"config.toml:5: repos.app.confine_writable: {state} has {state}/of in it, which no "
            "confined session may write; name folders beside it"
        )
    ]


def test_places_to_write_are_for_repositories_that_confine(write: Write) -> None:
    path = write(confining('["x"]').replace("confine = true\n", ""))

    assert problems(path) == [
        "config.toml:3: repos.app.confine_writable: is for confine = true; here sessions may write everywhere"
    ]


def confining(places: str) -> str:
    """Return a file whose repository confines its sessions, with the places in its third line."""
    keys = f'confine_writable = {places}\nisolation = "worktree"\nconfine = true\n'
    return GOOD.replace('path = "."\n', f'path = "."\n{keys}')
