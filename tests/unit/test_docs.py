"""The documentation says what the program is: links, verbs, options, events, files and examples.

`python tests/unit/test_docs.py` writes docs/reference/cli.md anew from the commands, and the tables of
docs/reference/harnesses.md from the rigs of the agents.
"""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from tests.harness import table

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI = DOCS / "reference/cli.md"
HARNESSES = DOCS / "reference/harnesses.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
HEAD = """# Command line

Written from the commands themselves; `leasehold VERB --help` prints the same.

Before a verb, `leasehold` takes `-c FILE` (see [which file](config.md#which-file)), `--version` and `--help`. Each
verb takes `--help`. `--json` prints one JSON document on standard output. Exit codes are
[listed apart](exit-codes-and-signals.md). SESSION is the id of a session or the key of a task, a duration is written
`90s`, `15m` or `1h30m`.

`events` without `-f`, `report` and `session list|show|logs` also answer while no supervisor runs, from its journal and
the records of its sessions. A session whose worker has gone is `unsettled` then: the next supervisor finds out how it ended.
"""


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_command_line_reference_is_what_the_commands_say():
    assert CLI.read_text(encoding="utf-8") == reference(), "run: python tests/unit/test_docs.py"


def test_the_tables_of_the_agents_are_what_their_rigs_say():
    text = HARNESSES.read_text(encoding="utf-8")

    assert text == table.filled(text), "run: python tests/unit/test_docs.py"


def test_the_line_in_the_list_of_verbs_is_the_first_sentence_of_the_verbs_own_help():
    from supervisor.cli.main import VERBS

    told = {verb: line for verb, (_, _, line) in VERBS.items()}
    own = {verb: sentence(command(verb)) for verb in VERBS}

    assert told == own


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page):
    text = without_code(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page_id(page)}: {target}"
        if anchor:
            assert anchor in headings(file), f"{page_id(page)}: {target}"


def test_every_page_is_reached_from_the_map():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", text)}

    assert {path for path in DOCS.rglob("*.md") if path.name != "index.md"} == linked


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_file_of_the_program_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:supervisor|workers|tests)/[\w./-]*)`", text):
        assert (ROOT / name).exists(), f"{page_id(page)}: {name}"


def test_the_events_that_are_recorded_are_those_that_are_documented():
    text = (DOCS / "reference/events.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", text, re.MULTILINE)

    assert len(documented) == len(set(documented))
    assert set(documented) == set(kinds())


def test_the_events_that_the_command_line_knows_are_those_that_are_recorded():
    from supervisor.cli.event_kinds import KINDS

    assert set(KINDS) == set(kinds())


def test_the_variables_of_a_session_are_documented():
    text = (DOCS / "reference/environment.md").read_text(encoding="utf-8")
    program = "".join(path.read_text(encoding="utf-8") for path in program_files("supervisor/daemon"))
    set_there = set(re.findall(r'"(LEASEHOLD_[A-Z_]*[A-Z])"', program))

    assert "LEASEHOLD_TOKEN" in set_there
    assert [name for name in sorted(set_there) if f"`{name}`" not in text] == []


def test_the_reasons_and_outcomes_are_documented():
    from supervisor.core.decisions.selection import Reason
    from supervisor.core.sessions.outcome import Outcome

    why = (DOCS / "how-to/see-why-a-task-does-not-run.md").read_text(encoding="utf-8")
    endings = (DOCS / "how-to/write-a-harness.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([a-z_]+)` \|", why, re.MULTILINE)) == {r.value for r in Reason}
    # A preempted session is no end that a harness brings about.
    assert [o.value for o in Outcome if f"`{o.value}`" not in endings] == ["preempted"]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_configuration_in_the_documentation_loads(page, tmp_path):
    from supervisor.world.config.load import load

    for number, text in enumerate(blocks(page, "toml")):
        found = tomllib.loads(text)
        if not all(is_section(value) for value in found.values()):
            continue  # single keys of a section that the text around them names
        whole = "" if "repos" in found else f'[repos.example]\npath = "{tmp_path}"\n'
        whole += "" if "harness" in found else '[harness.example]\ncommand = ["true"]\n'
        file = tmp_path / f"{number}.toml"
        file.write_text(f"{whole}{text}", encoding="utf-8")
        (tmp_path / ".git").mkdir(exist_ok=True)
        (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")

        assert load(file, {}).harness, f"{page_id(page)}: {text}"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_task_file_in_the_documentation_is_a_task_without_a_slip(page):
    from supervisor.core.tasks.task import Task
    from supervisor.world.sources.mapping import Defaults, hints, task_from_mapping

    for text in blocks(page, "markdown"):
        if not text.startswith("---\n"):
            continue
        data = yaml.safe_load(text.split("---\n")[1])
        where = page_id(page)

        found = task_from_mapping(
            {"key": "x", **data}, source="docs", where=where, defaults=Defaults(), created=0.0
        )

        assert isinstance(found, Task), found
        assert hints(data, source="docs", where=where) == ()


# --- what the program is ----------------------------------------------------------------------------


def command(verb: str) -> click.Command:
    from supervisor.cli.main import VERBS

    module, attribute, _ = VERBS[verb]
    found = getattr(importlib.import_module(f"supervisor.cli.{module}"), attribute)
    assert isinstance(found, click.Command)
    return found


def sentence(of: click.Command) -> str:
    """Return the first line of the help, as the list of verbs shows it."""
    return re.split(r"(?<=\.)\s|[;\n]", (of.help or "").strip())[0].rstrip(".") + "."


def program_files(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if "demo" not in path.parts]


def kinds() -> Iterator[str]:
    """Yield the kind of every event that is made anywhere; parts that vary stand for all their values."""
    from supervisor.core.pacing.flow import Notice

    for path in program_files("supervisor"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Note"
            ):
                continue
            match node.args[:1]:
                case [ast.Constant(str(kind))]:
                    yield kind
                case [ast.JoinedStr([ast.Constant("lane."), _])]:
                    yield from (f"lane.{notice.value}" for notice in Notice)
                case [ast.JoinedStr([ast.Constant("intensity."), _])]:
                    yield from (f"intensity.{notice.value}" for notice in Notice if notice is not Notice.HELD)
                case [ast.Name("kind")]:
                    yield from ("task.released", "task.retried")  # handed on by the two orders that do so
                case other:
                    assert not other, f"{path}:{node.lineno}: an event whose kind cannot be read"


# --- what the documentation has -----------------------------------------------------------------------


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def headings(page: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def is_section(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict))


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


# --- the reference of the command line ----------------------------------------------------------------


def reference() -> str:
    """Return docs/reference/cli.md as the commands of this moment want it."""
    from supervisor.cli.main import VERBS

    return "\n".join([HEAD, *(entry(command(verb), f"leasehold {verb}", "##") for verb in VERBS)])


def entry(of: click.Command, name: str, level: str) -> str:
    context = click.Context(of, info_name=name)
    usage = " ".join([name, *of.collect_usage_pieces(context)])
    lines = [f"{level} {name.removeprefix('leasehold ')}", "", prose(of.help or ""), ""]
    if isinstance(of, click.Group):
        lines += [entry(inner, f"{name} {key}", "###") for key, inner in of.commands.items()]
        return "\n".join(lines)
    lines += ["```text", usage, "```", ""]
    records = [option.get_help_record(context) for option in of.params if isinstance(option, click.Option)]
    shown = [record for record in records if record is not None]
    if shown:
        lines += ["| option | |", "|---|---|"]
        lines += [f"| `{left.replace('|', ' or ')}` | {cell(right)} |" for left, right in shown]
        lines.append("")
    return "\n".join(lines)


def prose(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    CLI.write_text(reference(), encoding="utf-8")
    HARNESSES.write_text(table.filled(HARNESSES.read_text(encoding="utf-8")), encoding="utf-8")
