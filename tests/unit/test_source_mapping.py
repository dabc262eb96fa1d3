"""From keys and values to tasks, as every source does it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from supervisor.core.tasks.task import Expects, Problem, Stage, Task, Tier
from supervisor.world.sources.entry import Accepted, Held, Rejected, gather, read_entry
from supervisor.world.sources.mapping import Defaults, held_until, hints, task_from_mapping
from supervisor.world.sources.vocabulary import PRIORITY_OF, STAGES, near


def outcome(data: dict[Any, Any], **defaults: Any) -> Task | Problem:
    return task_from_mapping(
        data, source="src", where="here.md", defaults=Defaults(**defaults), created=1234.5
    )


def task(**data: Any) -> Task:
    found = outcome({"key": "k", **data})
    assert isinstance(found, Task), found
    return found


def problem(**data: Any) -> str:
    found = outcome({"key": "k", **data})
    assert isinstance(found, Problem), found
    assert (found.source, found.where) == ("src", "here.md")
    assert found.fix
    return found.sentence()


def test_a_key_is_enough() -> None:
    assert task() == Task(key="k", title="k", source="src", created=1234.5, origin="here.md")


def test_every_key_is_read() -> None:
    found = task(
        title="Fix it",
        body="All of\nit.",
        state="todo",
        priority=7,
        tags=["ci"],
        lane="infra",
        tier=3,
        paths=["src/"],
        shared_paths=["docs/"],
        resources=["port-5432"],
        budget="1h30m",
        harness="claude",
        model="big",
        expects="nothing",
        created="2026-05-10T07:49:00Z",
        repo="web",
        origin="https://example.org/12",
        requires=["a"],
    )

    assert found == Task(
        key="k",
        title="Fix it",
        source="src",
        repo="web",
        body="All of\nit.",
        stage=Stage.OPEN,
        tier=Tier.STANDING,
        priority=7,
        created=datetime(2026, 5, 10, 7, 49, tzinfo=UTC).timestamp(),
        lane="infra",
        tags=("ci",),
        requires=("a",),
        paths=("src/",),
        shared_paths=("docs/",),
        resources=("port-5432",),
        budget=5400.0,
        harness="claude",
        model="big",
        expects=Expects.NOTHING,
        origin="https://example.org/12",
    )


def test_the_defaults_of_the_source_count_where_the_task_is_silent() -> None:
    defaults = {"repo": "r", "lane": "l", "tier": Tier.STANDING, "priority": 4, "harness": "h", "model": "m"}

    silent = outcome({"key": "k"}, **defaults)
    loud = outcome(
        {
            "key": "k",
            "repo": "R",
            "lane": "L",
            "tier": 2,
            "priority": 1,
            "harness": "H",
            "model": "M",
        },
        **defaults,
    )

    assert isinstance(silent, Task)
    assert isinstance(loud, Task)
    assert [silent.repo, silent.lane, silent.harness, silent.model] == ["r", "l", "h", "m"]
    assert (silent.tier, silent.priority) == (Tier.STANDING, 4)
    assert [loud.repo, loud.lane, loud.harness, loud.model] == ["R", "L", "H", "M"]
    assert (loud.tier, loud.priority) == (Tier.BACKLOG, 1)


@pytest.mark.parametrize("stage", Stage)
def test_every_word_for_a_state_is_understood_however_it_is_spelt(stage: Stage) -> None:
    for word in STAGES[stage]:
        assert task(state=word).stage is stage
        assert task(state=word.upper().replace("_", "-")).stage is stage


def test_a_null_is_as_if_the_key_were_absent() -> None:
    assert task(priority=None, state=None, requires=None, created=None) == task()


@pytest.mark.parametrize("word", PRIORITY_OF)
def test_words_for_priorities_have_numbers(word: str) -> None:
    assert task(priority=word).priority == PRIORITY_OF[word]


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("-5", -5), ("0", 0)])
def test_a_priority_may_be_a_number_in_quotes(text: str, number: int) -> None:
    assert task(priority=text).priority == number


def test_priority_words_are_ordered_and_no_word_is_the_least() -> None:
    words = ["none", "low", "medium", "high", "urgent"]

    assert sorted(words, key=PRIORITY_OF.__getitem__) == words
    assert task().priority == PRIORITY_OF["none"]


def test_work_under_way_is_tier_one_unless_the_task_says_otherwise() -> None:
    assert task(state="active").tier is Tier.UNDER_WAY
    assert task(state="active", tier="standing").tier is Tier.STANDING
    assert task(tier="under-way").tier is Tier.UNDER_WAY


@pytest.mark.parametrize("name", ["requires", "depends", "depends_on", "blocked-by", "Blocked By"])
def test_dependencies_have_several_names(name: str) -> None:
    assert task(**{name: ["a", "b"]}).requires == ("a", "b")


def test_dependencies_under_several_names_are_added_together() -> None:
    assert task(requires=["a", "b"], depends="b, c").requires == ("a", "b", "c")


def test_other_names_of_keys_give_way_to_the_key_itself() -> None:
    found = outcome({"key": "k", "id": 12, "category": "b", "lane": "a", "status": "done", "scope": "x"})

    assert isinstance(found, Task)
    assert (found.key, found.lane, found.stage, found.paths) == ("k", "a", Stage.CLOSED, ("x",))


def test_an_id_may_be_a_number() -> None:
    found = outcome({"id": 12})

    assert isinstance(found, Task)
    assert (found.key, found.title) == ("12", "12")


def test_an_issue_as_the_client_of_a_forge_prints_it_is_a_task() -> None:
    issue = {
        "number": 12,
        "title": "Crash",
        "body": "It crashes.",
        "state": "OPEN",
        "url": "https://example.org/12",
        "createdAt": "2026-05-10T07:49:00Z",
        "labels": [{"name": "bug"}],
    }

    found = outcome(issue)

    assert isinstance(found, Task)
    assert (found.key, found.title, found.body, found.stage) == ("12", "Crash", "It crashes.", Stage.OPEN)
    assert (found.origin, found.created) == ("https://example.org/12", 1778399340.0)
    assert hints(issue, source="src", where="here.md") == ()


def test_an_id_outranks_a_number_in_whatever_order() -> None:
    for data in ({"number": 12, "id": "a"}, {"id": "a", "number": 12}):
        found = outcome(data)

        assert isinstance(found, Task)
        assert found.key == "a"


def test_a_single_text_is_a_list_of_one_and_only_words_are_split_at_commas() -> None:
    found = task(tags="a, b,", paths="odd,name.py")

    assert (found.tags, found.paths) == (("a", "b"), ("odd,name.py",))


def test_a_task_waits_while_it_names_what_it_waits_for() -> None:
    assert task(waiting_for="a review").stage is Stage.WAITING
    assert task(state="active", waiting_for=[{"type": "pr_merged"}]).stage is Stage.WAITING
    assert task(waiting_for=[]).stage is Stage.OPEN
    assert task(state="done", waiting_for="x").stage is Stage.CLOSED


def test_commit_false_is_another_way_to_expect_nothing() -> None:
    assert task(commit=False).expects is Expects.NOTHING
    assert task(commit=True).expects is Expects.COMMIT
    assert "keep one" in problem(commit=True, expects="nothing")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        (datetime(2026, 1, 2, 3), datetime(2026, 1, 2, 3, tzinfo=UTC)),  # noqa: DTZ001 - as YAML gives it
        ("2026-01-02T03:00:00+02:00", datetime(2026, 1, 2, 1, tzinfo=UTC)),
        (1767322800, datetime(2026, 1, 2, 3, tzinfo=UTC)),
    ],
)
def test_dates_without_a_zone_are_utc(value: object, expected: datetime) -> None:
    assert task(created=value).created == expected.timestamp()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"state": "dnoe"}, 'state is "dnoe"; write open'),
        ({"state": 3}, "state is 3"),
        ({"priority": "soon"}, 'priority is "soon"; write a whole number'),
        ({"priority": True}, "priority is true"),
        ({"priority": 1.5}, "priority is 1.5"),
        ({"priority": 10**40}, "priority is a huge number"),
        ({"priority": "--5"}, 'priority is "--5"'),
        ({"priority": "٣"}, "priority is"),
        ({"tier": 4}, "tier is 4; write 1 (under way), 2 (backlog) or 3 (standing)"),
        ({"tier": True}, "tier is true"),
        ({"budget": 50}, 'budget is 50, without a unit; write for instance budget: "50m"'),
        ({"budget": "50 parsecs"}, "not a duration"),
        ({"budget": "0"}, "more than nothing"),
        ({"budget": "400d"}, "at most 30d"),
        ({"created": "yesterday"}, 'created is "yesterday", not a date'),
        ({"created": float("nan")}, "created is nan, not a date"),
        ({"created": "0000-01-01"}, "not a date"),
        ({"created": True}, "created is true, not a date"),
        ({"wait": "3 weeks"}, "wait is"),
        ({"tags": {"a": 1}}, "tags is a mapping, not a list"),
        ({"tags": [True]}, "an entry of tags is true, not text"),
        ({"requires": [["a"]]}, "an entry of requires is a list, not text"),
        ({"paths": [""]}, "an entry of paths is empty"),
        ({"paths": ["a\nb"]}, 'control character "\\n"'),
        ({"paths": [f"p{n}" for n in range(1001)]}, "paths has 1001 entries, more than 1000"),
        ({"paths": ["x" * 5000]}, "5000 characters, more than 4096"),
        ({"title": "t" * 501}, "title has 501 characters, more than 500"),
        ({"title": "a\x1b[2Jb"}, 'control character "\\x1b"'),
        ({"title": "safe\u202egpj.exe"}, "control character"),
        ({"title": "half \ud800"}, "control character"),
        ({"title": ["a"]}, "title is a list, not text"),
        ({"title": "  "}, "title is empty"),
        ({"body": "a\0b"}, "NUL"),
        ({"body": "\ud800"}, "half a character"),
        ({"body": 5}, "body is 5, not text"),
        ({"body": "b" * (2 * 1024 * 1024 + 1)}, "more than 2097152"),
        ({"expects": "miracle"}, "write commit or nothing"),
        ({"commit": "yes"}, 'commit is "yes"'),
        ({"harness": ["a"]}, "harness is a list"),
        ({"key": ""}, "key is empty"),
        ({"key": None}, "the task has no key"),
        ({"key": "k" * 201}, "key has 201 characters"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name_with_the_way_out(data: dict[str, Any], words: str) -> None:
    sentence = problem(**data)

    assert words in sentence
    assert sentence.startswith("here.md: ")
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_two_spellings_of_one_key_are_refused() -> None:
    assert "given twice" in problem(**{"blocked-by": "a", "blocked_by": "b"})


def test_keys_of_other_tools_are_let_be() -> None:
    data = {
        "state": "backlog",
        "created": "2026-01-01",
        "task_type": "action",
        "assigned_to": "bob@host",
        "tracking": ["https://example.org/1"],
        "next_action": "Draft it",
        "success_criterion": "green",
        "pool": "general",
        "waiting_since": "2026-01-01",
        "recur": "7d",
        "blocks": ["x"],
        "modified": "2026-01-01",
        "completed": "2026-01-01",
        "spawned_from": "y",
        "due": "2026-01-01",
        "project": "p",
        "area": "ops",
        "energy": "low",
        "mode": "parallel",
        "source": "mail",
        "updated_at": "2026-01-01",
        "created_by": "me",
        "parent": "z",
        "owner": "me",
        "labels": ["l"],
        "effort": "small",
        "name": "n",
        "type": "bug",
        "links": [],
        7: "not even text",
        True: "as YAML reads `on:`",
    }

    assert isinstance(outcome({"key": "k", **data}), Task)
    assert hints(data, source="src", where="here.md") == ()


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("prioritty", "priority"),
        ("piroirty", "priority"),
        ("path", "paths"),
        ("tag", "tags"),
        ("sate", "state"),
        ("requries", "requires"),
        ("shared-path", "shared_paths"),
        ("budjet", "budget"),
        ("resorces", "resources"),
        ("titel", "title"),
        ("catgory", "category"),
    ],
)
def test_a_slip_of_the_pen_is_reported_while_the_task_runs(slip: str, meant: str) -> None:
    (remark,) = hints({"key": "k", slip: "x"}, source="src", where="here.md")

    assert (
        remark.sentence() == f'here.md: the key "{slip}" is not known and is ignored; did you mean "{meant}"?'
    )
    assert isinstance(outcome({"key": "k", slip: "x"}), Task)


def test_a_key_of_any_length_is_looked_at_quickly() -> None:
    assert near("p" * 1_000_000) is None
    assert near("") is None


def test_a_task_is_held_until_the_time_it_asks_for_and_the_reading_says_when() -> None:
    entries = [
        read_entry(data, source="s", where="w", defaults=Defaults(), created=0.0, fallback={})
        for data in (
            {"key": "later", "wait": 200},
            {"key": "late", "wait": 150},
            {"key": "past", "wait": 50},
            {"key": "closed", "wait": 120, "state": "done"},
            {"key": "free"},
            {"key": "bad", "tier": 9},
        )
    ]
    assert [type(entry) for entry in entries] == [Held, Held, Held, Held, Accepted, Rejected]

    early = gather("s", entries, (), 100.0)
    later = gather("s", entries, (), 160.0)
    at_last = gather("s", entries, (), 200.0)

    waiting = [t.key for t in early.reading.tasks if t.stage is Stage.WAITING]
    assert (waiting, early.due) == (["later", "late"], 150)
    assert ([t.key for t in later.reading.tasks if t.stage is Stage.WAITING], later.due) == (["later"], 200)
    assert at_last.due is None
    assert [p.what for p in at_last.reading.problems] == ["tier is 9"]


def test_an_entry_without_wait_is_not_held() -> None:
    assert held_until({"key": "k"}) is None
    assert held_until({"key": "k", "wait": "2026-01-01"}) == datetime(2026, 1, 1, tzinfo=UTC).timestamp()
