"""Which file is meant, and which socket: the quick way and the thorough way agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.world.config.discover import DiscoverError, find_config, socket_beside, socket_path
from supervisor.world.config.load import load
from supervisor.world.config.zone import local_zone

GOOD = '[harness.agent]\ncommand = "x"\n'


def put(path: Path, text: str = GOOD) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_named_file_comes_before_the_environment_and_that_before_the_nearest(tmp_path: Path) -> None:
    near = put(tmp_path / "repo/.leasehold/config.toml")
    other = put(tmp_path / "other.toml")
    deep = tmp_path / "repo/a/b"
    deep.mkdir(parents=True)

    assert find_config(None, {}, deep) == near
    assert find_config(None, {"LEASEHOLD_CONFIG": str(other)}, deep) == other
    assert find_config("../other.toml", {"LEASEHOLD_CONFIG": str(near)}, tmp_path / "repo").samefile(other)


def test_the_user_s_own_file_is_looked_for_after_the_folders(tmp_path: Path) -> None:
    file = put(tmp_path / "home/.config/leasehold/config.toml")
    elsewhere = put(tmp_path / "xdg/leasehold/config.toml")
    environ = {"HOME": str(tmp_path / "home")}

    assert find_config(None, environ, tmp_path) == file
    assert find_config(None, environ | {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, tmp_path) == elsewhere


def test_a_missing_file_says_who_named_it_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError, match=r"x\.toml: no such file \(-c names it\); `leasehold init`"):
        find_config("x.toml", {}, tmp_path)
    with pytest.raises(DiscoverError, match="LEASEHOLD_CONFIG names it"):
        find_config(None, {"LEASEHOLD_CONFIG": "x.toml"}, tmp_path)
    with pytest.raises(DiscoverError, match=r"no configuration found from .* upwards; `leasehold init`"):
        find_config(None, {"HOME": str(tmp_path)}, tmp_path)


@pytest.mark.parametrize(
    ("keys", "environ"),
    [
        ("", {}),
        ('state_dir = "st"', {}),
        ('state_dir = "~/st"', {}),
        ('state_dir = "link/st"', {}),
        ('runtime_dir = "run"', {}),
        ("", {"LEASEHOLD__SUPERVISOR__STATE_DIR": "elsewhere"}),
        ('runtime_dir = "run"', {"leasehold__supervisor__runtime_dir": "other"}),
        ("", {"XDG_STATE_HOME": "/var/tmp/state"}),
        ("", {"XDG_RUNTIME_DIR": "/dev"}),
        ("", {"XDG_RUNTIME_DIR": "/does/not/exist"}),
    ],
)
@pytest.mark.parametrize("folder", ["", ".leasehold/"])
def test_the_command_line_finds_the_socket_that_the_supervisor_binds(
    tmp_path_factory: pytest.TempPathFactory, keys: str, environ: dict[str, str], folder: str
) -> None:
    home = tmp_path_factory.mktemp("h")
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")
    config = put(home / f"{folder}config.toml", f"[supervisor]\n{keys}\n{GOOD}")
    environ = {"HOME": str(home), **environ}

    assert socket_beside(config, environ) == socket_path(load(config, environ))


def test_two_ways_to_one_folder_lead_to_one_socket(tmp_path: Path) -> None:
    config = put(tmp_path / "real/.leasehold/config.toml")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert socket_beside(tmp_path / "link/.leasehold/config.toml", {}) == socket_beside(config, {})


def test_two_state_directories_have_two_sockets(tmp_path: Path) -> None:
    one = put(tmp_path / "one/.leasehold/config.toml")
    two = put(tmp_path / "two/.leasehold/config.toml")

    assert socket_beside(one, {}) != socket_beside(two, {})


def test_a_file_broken_while_its_supervisor_runs_still_leads_to_the_socket(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[supervisor]\nruntime_dir = "run"\n')
    before = socket_beside(config, {})

    config.write_text('[supervisor]\nruntime_dir = "run"\n[supervisor]\nnonsense\n')

    assert socket_beside(config, {}) == before == tmp_path / "run" / "ctl.sock"


def test_a_file_that_cannot_be_read_has_no_socket(tmp_path: Path) -> None:
    with pytest.raises(DiscoverError, match="`leasehold check` says more"):
        socket_beside(tmp_path, {})


def test_a_host_whose_zone_has_no_name_is_at_utc(tmp_path: Path) -> None:
    link = tmp_path / "localtime"

    assert local_zone({}, link) == "UTC"
    assert local_zone({"TZ": "EST5EDT4,M3.2.0,M11.1.0"}, link) == "UTC"
    link.symlink_to("/usr/share/zoneinfo/America/New_York")
    assert local_zone({}, link) == "America/New_York"
    assert local_zone({"TZ": "Europe/Berlin"}, link) == "Europe/Berlin"
