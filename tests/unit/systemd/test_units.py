"""The texts of the units, held to what systemd itself says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.world.config.load import load
from supervisor.world.systemd.install.account import Account
from supervisor.world.systemd.install.checkouts import look_at_checkout
from supervisor.world.systemd.install.files import wanted_files
from supervisor.world.systemd.install.program import Program
from supervisor.world.systemd.install.quoting import command, value, word
from supervisor.world.systemd.install.site import Site, system_site
from supervisor.world.systemd.install.values import Wanted, service_path

ROOT = Path(__file__).parents[3]
ACCOUNT = Account("dev", "dev", Path("/home/dev"), "/bin/bash", 1000)
# /bin/sh stands for the program: `verify` wants one that is there, and what the texts say is the same.
PROGRAM = Program("9.9", ("/bin/sh",), Path("/bin/sh"), Path("/opt/leasehold/workers"), Path("/opt"))
CONFIG = """
[supervisor]
state_dir = "/var/lib/leasehold"
runtime_dir = "/run/leasehold"
max_sessions = 100
[harness.agent]
command = "true"
budget = "2h"
grace = "20s"
env_from = ["API_KEY", "OTHER_KEY"]
[harness.quick]
command = "true"
budget = "5m"
[systemd]
memory = "8GiB"
session_memory = "2GiB"
"""


def wanted(tmp_path, text: str = CONFIG, **changes) -> Wanted:
    file = tmp_path / "config.toml"
    file.write_text(text)
    settings = load(file, {})
    checkouts = tuple(look_at_checkout(repo.path) for repo in settings.repos.values())
    found = Wanted(
        settings=settings,
        account=ACCOUNT,
        program=PROGRAM,
        checkouts=checkouts,
        path="/usr/bin:/bin",
        environment_file=Path("/etc/leasehold/environment"),
        credentials=tmp_path / "credentials",
        systemd=252,
    )
    # What lies below /tmp in a test would turn PrivateTmp= off.
    settings = settings.model_copy(update={"path": Path("/etc/leasehold/config.toml")})
    return replace(found, **{"settings": settings, **changes})


def texts(tmp_path, *args, site: Site | None = None, **changes) -> dict[str, str]:
    site = site or system_site(tmp_path / "root")
    return {file.path.name: file.text for file in wanted_files(site, wanted(tmp_path, *args, **changes))}


def user(tmp_path) -> Site:
    return Site(user=True, units=tmp_path / "user")


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def written(tmp_path, site: Site) -> Path:
    """Write every file and return the folder of the units."""
    for file in wanted_files(site, wanted(tmp_path)):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.write_text(file.text)
    return site.units


analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: nobody to ask"
)


@analyze
@pytest.mark.parametrize(("unit", "most"), [("leasehold.service", 1.5), ("leasehold-session@.service", 3.5)])
def test_the_exposure_of_a_unit_stays_below_its_limit(tmp_path, unit, most):
    units = written(tmp_path, system_site(tmp_path / "root"))
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={most * 10:.0f}",
            units / unit,
        ],
        text=True,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@analyze
@pytest.mark.parametrize("manager", ["system", "user"])
def test_every_unit_passes_the_check_of_systemd(tmp_path, manager):
    site = system_site(tmp_path / "root") if manager == "system" else user(tmp_path)
    units = written(tmp_path, site)
    real = ["x@".join(path.name.split("@.")) if "@." in path.name else path.name for path in units.iterdir()]
    names = [name.replace("x@", "@x.") for name in real]
    done = subprocess.run(
        ["systemd-analyze", f"--{manager}", "verify", "--man=no", "--recursive-errors=yes", *sorted(names)],
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
        text=True,
        capture_output=True,
        timeout=60,
    )

    assert [line for line in done.stderr.splitlines() if "leasehold" in line] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_account_and_its_group_are_made_by_sysusers(tmp_path):
    own = Account("leasehold", "leasehold", Path("/var/lib/leasehold"), "/usr/sbin/nologin", None)
    files = wanted_files(system_site(tmp_path), wanted(tmp_path, account=own))
    (text,) = (file.text for file in files if file.path.parent.name == "sysusers.d")
    done = subprocess.run(
        [
            "systemd-sysusers",
            "--dry-run",
            f"--root={tmp_path}",
            "--inline",
            *[line for line in text.splitlines() if line[:1] in "ug"],
        ],
        text=True,
        capture_output=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "leasehold" in done.stdout + done.stderr


def test_a_restart_leaves_sessions_and_a_stop_goes_by_on_stop(tmp_path):
    service = texts(tmp_path)["leasehold.service"]

    assert lines(service, "RestartKillSignal") == ["SIGRTMIN"]
    assert lines(service, "KillSignal") == ["SIGTERM"]
    assert lines(service, "KillMode") == ["mixed"]
    assert lines(service, "StartLimitIntervalSec") == ["0"]


def test_limits_come_from_the_configuration(tmp_path):
    found = texts(tmp_path)
    session = found["leasehold-session@.service"]

    assert lines(session, "RuntimeMaxSec") == [str(2 * 3600 + 20 + 86400)]
    assert lines(session, "TimeoutStopSec") == ["35"]
    assert lines(session, "MemoryMax") == [str(2 << 30)]
    assert lines(session, "TasksMax") == ["4096"]
    assert lines(found["leasehold-sessions.slice"], "MemoryMax") == [str(8 << 30)]
    assert lines(found["leasehold.service"], "FileDescriptorStoreMax") == ["116"]


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ('on_stop = "leave"', "25"),
        ('on_stop = "stop"', "90"),
        ('on_stop = "drain"', "infinity"),
        ('on_stop = "drain"\ndrain_timeout = "1h"', "3690"),
    ],
)
def test_the_end_of_the_service_has_the_time_that_on_stop_needs(tmp_path, keys, seconds):
    service = texts(tmp_path, CONFIG.replace("max_sessions = 100", keys))["leasehold.service"]

    assert lines(service, "TimeoutStopSec") == [seconds]


def test_a_service_starts_sessions_as_units_or_not_at_all(tmp_path):
    chosen = "Environment=LEASEHOLD__SUPERVISOR__LAUNCHER=systemd"

    assert chosen in texts(tmp_path)["leasehold.service"]
    own = CONFIG.replace("max_sessions = 100", 'launcher = "sweep"')
    assert chosen not in texts(tmp_path, own)["leasehold.service"]


def test_the_supervisor_may_write_git_s_folders_and_sessions_the_working_tree_too(tmp_path):
    repo, tree = tmp_path / "app", tmp_path / "tree"
    (repo / ".git/worktrees/tree").mkdir(parents=True)
    (repo / ".git/worktrees/tree/commondir").write_text("../..\n")
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {repo}/.git/worktrees/tree\n")
    text = f'{CONFIG}\n[repos.app]\npath = "{tree}"\n'
    found = texts(tmp_path, text)

    assert f"-{repo}/.git" in lines(found["leasehold.service"], "ReadWritePaths")
    assert f"-{tree}" not in lines(found["leasehold.service"], "ReadWritePaths")
    session = lines(found["leasehold-session@.service"], "ReadWritePaths")
    # Both lie below /tmp here, which sessions may then write as a whole.
    assert {"-/tmp", "-/home/dev", "-/run/leasehold", "-/var/lib/leasehold"} <= set(session)


def test_a_repository_below_tmp_turns_private_tmp_off(tmp_path):
    elsewhere = texts(tmp_path)
    settings = wanted(tmp_path).settings
    below = settings.model_copy(update={"path": Path("/tmp/x/config.toml")})
    found = texts(tmp_path, settings=below)

    assert lines(elsewhere["leasehold-session@.service"], "PrivateTmp") == ["yes"]
    assert lines(elsewhere["leasehold.service"], "PrivateTmp") == ["yes"]
    assert lines(found["leasehold-session@.service"], "PrivateTmp") == []
    assert "-/tmp" in lines(found["leasehold-session@.service"], "ReadWritePaths")


def test_the_supervisor_has_a_network_only_for_a_source_that_is_a_program(tmp_path):
    text = f'{CONFIG}\n[sources.issues]\nkind = "command"\ncommand = "true"\n'

    assert lines(texts(tmp_path)["leasehold.service"], "PrivateNetwork") == ["yes"]
    assert lines(texts(tmp_path, text)["leasehold.service"], "PrivateNetwork") == []


def test_a_secret_that_is_there_is_loaded_and_the_way_to_the_others_is_told(tmp_path):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/API_KEY").write_text("x")
    service = texts(tmp_path)["leasehold.service"]

    assert lines(service, "LoadCredential") == [f"API_KEY:{tmp_path}/credentials/API_KEY"]
    assert f"# put the secret into {tmp_path}/credentials/OTHER_KEY" in service


def test_restarts_back_off_where_systemd_knows_how(tmp_path):
    assert lines(texts(tmp_path)["leasehold.service"], "RestartSteps") == []
    assert lines(texts(tmp_path, systemd=254)["leasehold.service"], "RestartSteps") == ["8"]


def test_the_units_of_a_user_name_no_account_and_no_sandbox_that_its_manager_cannot_give(tmp_path):
    found = texts(tmp_path, site=user(tmp_path))

    assert {"50-leasehold.rules", "leasehold.conf"} & found.keys() == set()
    for text in found.values():
        assert lines(text, "User") == []
        assert lines(text, "ProtectSystem") == []
    assert "WantedBy=default.target" in found["leasehold.service"]


def test_the_polkit_rule_knows_the_account_five_verbs_and_only_session_units(tmp_path):
    rule = texts(tmp_path)["50-leasehold.rules"]

    assert 'subject.user !== "dev"' in rule
    assert json.loads(rule.partition("verbs = ")[2].partition(";")[0]) == [
        "start",
        "stop",
        "kill",
        "reset-failed",
        "set-property",
    ]
    assert "/^leasehold-session@[A-Za-z0-9_-]+\\.service$/" in rule


def test_leasehold_s_own_command_is_last_on_the_path():
    assert service_path(
        ACCOUNT, Program("1", ("/opt/l/bin/leasehold",), Path("/x"), Path("/y"), Path("/z")), None
    ) == ("/home/dev/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/l/bin")
    assert service_path(ACCOUNT, PROGRAM, "/a:relative:/a:/bin") == "/a:/bin"


def test_words_of_unit_files_are_quoted():
    assert value("/a b/50%") == "/a b/50%%"
    assert word("/a b/50%") == '"/a b/50%%"'
    assert command(["/bin/x", "$HOME", 'say "hi"']) == '/bin/x $$HOME "say \\"hi\\""'


def test_the_folder_at_the_top_is_the_one_that_the_package_brings():
    ours, package = (
        {str(path.relative_to(top)): path.read_text() for path in top.rglob("*") if path.is_file()}
        for top in ((ROOT / "systemd").resolve(), ROOT / "supervisor/world/systemd/units")
    )

    assert ours == package
