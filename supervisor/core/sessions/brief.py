"""The brief: what a session is told at its start. One text, from facts that the supervisor holds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from supervisor.core.duration import format_duration
from supervisor.core.history.plateau import Plateau
from supervisor.core.history.recent import Touch
from supervisor.core.tasks.notes import TaskNote
from supervisor.core.tasks.standing import LastRun
from supervisor.core.tasks.task import Expects, Task

_GUARD_RULE = (
    '- a write to a file that another session holds fails with "Device or resource busy", in any program; '
    "the file named by $LEASEHOLD_NOTICE says who holds it: work on something else first, then try again"
)
_MOVED_RULE = "- you go on in another folder: {}. That of your earlier session is gone: use no path below it, whatever you remember"
_TREE_RULE = (
    "- leases are looked at when your commits are integrated; need a file that another session holds? "
    "`leasehold lease acquire PATH --wait 60s`; `leasehold lease who PATH` names its holder"
)
_FENCE_RULE = (
    '- a write outside it, into the checkout or another session\'s work tree, fails with "Device or resource busy"; '
    "the file named by $LEASEHOLD_NOTICE says why"
)
_SAY = (
    "- say how it went before you end: `leasehold task done`, `task block WHY` or `task handoff NOTE`; "
    "`leasehold task note TEXT` leaves a note for later sessions"
)
_CONFINED_RULE = (
    '- you are confined: outside {} a write fails with "Permission denied", and nothing can be mounted'
)
_SHOWN_STATES = frozenset({"paused", "unkillable"})  # those that last, and in which it gives nothing back
SHOWN = 12  # lines per list; the rest is counted, so that a brief stays readable


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another session alive now, and what it holds."""

    session: str
    task: str
    title: str
    holds: tuple[str, ...]
    state: str = "running"


@dataclass(frozen=True, slots=True)
class Brief:
    """The facts. `now` is Unix seconds, `budget` seconds, `level` how leases are enforced here, `rung` what holds a session together."""

    session: str
    task: Task
    now: float
    budget: float
    level: str
    rung: str = ""
    holds: tuple[str, ...] = ()
    may_discover: bool = False
    guarded: bool = False
    neighbours: tuple[Neighbour, ...] = ()
    recent: tuple[Touch, ...] = ()
    dirty: tuple[str, ...] = ()  # now, in its scope
    last: LastRun | None = None
    salvages: tuple[str, ...] = ()  # ids of uncommitted work kept from earlier sessions of the task
    notes: tuple[TaskNote, ...] = ()
    plateau: Plateau | None = None
    moved_to: str = ""  # its work tree, where its agent remembers working in an earlier one
    branch: str = ""  # its own, in a work tree of its own; it comes into `target` when the session ends
    target: str = ""
    way: str = "rebase"
    allowance: str = ""  # what else it may use, in words
    writable: tuple[str, ...] = ()  # where alone it may write, when it is confined


SECTIONS = ("title", "body", "session", "others", "landed", "inherited", "notes", "plateau", "rules")
TEMPLATE = "{title}\n\n{body}\n\n{session}\n\n{others}\n\n{landed}\n\n{inherited}\n\n{notes}\n\n{plateau}\n\n{rules}\n"
BODY_LIMIT = 64 << 10  # bytes of UTF-8
NOTES_LIMIT = 24 << 10  # bytes of all notes that are shown
LIMIT = 120 << 10  # bytes of the whole: Linux starts no program with an argument above 128 KiB
_LINE_LIMIT = 2000  # characters of one line of a list, in which paths may be long


def render(brief: Brief, template: str = TEMPLATE) -> str:
    """Return the brief as Markdown: the template with its sections filled in; what an empty one leaves is closed up.

    `{title}`, `{body}`, `{session}`, `{others}`, `{landed}`, `{inherited}`, `{notes}`, `{plateau}` and `{rules}` are filled
    in; other braces stay.
    """
    sections = {
        "title": f"# {brief.task.title}",
        "body": _body(brief.task, titled="{title}" in template),
        "session": _paragraph("This session", _session_lines(brief)),
        "others": _paragraph("Others at work now", _neighbour_lines(brief.neighbours)),
        "landed": _paragraph("Landed in your scope lately", _recent_lines(brief)),
        "inherited": _paragraph("Work that you inherit", _inherited_lines(brief)),
        "notes": _paragraph("Notes on this task", _note_lines(brief)),
        "plateau": _paragraph("Plateau warning", [brief.plateau.sentence()] if brief.plateau else []),
        "rules": _paragraph("Rules", _rule_lines(brief)),
    }
    # The template is closed up before it is filled: a task's own text keeps its empty lines.
    empty = "|".join(name for name, text in sections.items() if not text)
    if empty:
        template = re.sub(rf"\{{(?:{empty})\}}\n*", "", template)
    named = re.compile(r"\{(" + "|".join(sections) + r")\}")
    text = named.sub(lambda found: sections[found[1]], template).replace("\0", "").rstrip() + "\n"
    return _cut(text, LIMIT, "[{} bytes more did not fit here]\n")


def misspelt(template: str) -> list[str]:
    """Return in words what a template of one's own seems to get wrong: a section nearly named, or no task in it."""
    found = [
        f"no section {{{name}}}; did you mean {{{near[0]}}}?"
        for name in dict.fromkeys(re.findall(r"\{([A-Za-z_]+)\}", template))
        if name not in SECTIONS and (near := get_close_matches(name, SECTIONS, 1, 0.75))
    ]
    if "{body}" not in template and "{title}" not in template:
        found.append("neither {title} nor {body}: sessions would not be told their task")
    return found


def _cut(text: str, limit: int, rest: str) -> str:
    """Return the text, or what fits into `limit` bytes of it and `rest` with the number of the others."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) <= limit:
        return text
    return f"{raw[:limit].decode('utf-8', 'ignore')}\n\n{rest.format(len(raw) - limit)}"


def _body(task: Task, *, titled: bool) -> str:
    """Return the task's text, cut where it is too long to be handed over, and without the title that stands above it."""
    text = task.body.strip()
    first, _, rest = text.partition("\n")
    if titled and first.startswith("# ") and first[2:].strip() == task.title:
        text = rest.strip()
    return _cut(text, BODY_LIMIT, f"[{{}} bytes more: `leasehold task show {task.key}` has all of it]")


def _session_lines(brief: Brief) -> list[str]:
    task = brief.task
    lines = [f"- session {brief.session}, task {task.key}" + (f", lane {task.lane}" if task.lane else "")]
    lines.append(
        f"- time budget: {format_duration(brief.budget)}"
        + (f"; at most {brief.allowance}" if brief.allowance else "")
    )
    if brief.holds:
        lines.append(f"- you hold: {_list(brief.holds)}")
    elif brief.may_discover:
        if brief.branch:
            lines.append(
                "- you hold no paths: those that you change are leased when your commits are integrated"
            )
        else:
            when = "first write" if brief.guarded else "commit"
            lines.append(
                f"- you hold no paths yet: a path that nobody holds becomes yours when you {when} it"
            )
    if task.repo:
        name, _, told = brief.level.partition(": ")
        lines.append(f"- leases are enforced by: {name}" + (f" ({told})" if told else ""))
    if brief.rung:
        lines.append(f"- what you start ends with this session: {brief.rung}")
    return lines


def _neighbour_lines(neighbours: Sequence[Neighbour]) -> list[str]:
    lines = [
        f"- {n.session}: {n.title} (task {n.task})"
        + (f", {n.state}" if n.state in _SHOWN_STATES else "")
        + (f", holds {_list(n.holds)}" if n.holds else "")
        for n in neighbours[:SHOWN]
    ]
    return lines + _rest(len(neighbours))


def _recent_lines(brief: Brief) -> list[str]:
    newest = tuple(reversed(brief.recent))
    lines = [
        f"- {format_duration(max(0.0, brief.now - touch.at))} ago, "
        f"{'session ' + touch.session if touch.session else 'somebody'}: "
        f"{touch.subject or touch.sha[:10]} ({_list(touch.paths)})"
        for touch in newest[:SHOWN]
    ]
    if lines:
        lines.append("  Check first whether this already did your task; if it did, say so and end.")
    return lines + _rest(len(newest))


def _inherited_lines(brief: Brief) -> list[str]:
    lines = []
    if brief.last is not None:
        lines.append(f"- the last attempt (session {brief.last.session}): {brief.last.sentence}")
        if brief.last.said is not None and not brief.last.said.fits_a_line():
            lines.append(_indented(brief.last.said.text))
    lines += [
        f"- work of an earlier session is kept as salvage {name}: look with `leasehold salvage show {name} "
        f"--patch`, put it into the checkout with `leasehold salvage apply {name}`"
        for name in brief.salvages[-SHOWN:]
    ]
    if brief.last is not None and brief.last.branch and brief.branch:
        lines.append(
            f"- commits of an earlier session are on your branch already, and not yet in {brief.target}: "
            f"`git log {brief.target}..` shows them; finish what is missing, or take back what is wrong"
        )
        if brief.last.conflicts:
            lines.append(
                f"- they conflict with {brief.target} in {_list(brief.last.conflicts)}: `git {brief.way} {brief.target}`, "
                "resolve, and go on"
            )
    if brief.dirty:
        lines.append(f"- uncommitted changes in your scope, yours to finish or discard: {_list(brief.dirty)}")
    return lines


def _note_lines(brief: Brief) -> list[str]:
    """Return the latest notes, as many as there is room for."""
    lines: list[str] = []
    room = NOTES_LIMIT
    for note in reversed(brief.notes[-SHOWN:]):
        ago = format_duration(max(0.0, brief.now - note.at))
        line = f"- {note.by}, {ago} ago: {_indented(note.text).lstrip()}"
        room -= len(line.encode("utf-8", "surrogatepass"))
        if room < 0:
            break
        lines.insert(0, line)
    if older := len(brief.notes) - len(lines):
        lines.insert(0, f"- {older} older: `leasehold task show {brief.task.key}`")
    return lines


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.strip().splitlines())


def _rule_lines(brief: Brief) -> list[str]:
    lines = []
    if brief.branch:
        lines = [
            (
                f"- you work in a work tree of your own, on branch {brief.branch}: commit there; when you end, your "
                f"commits come into {brief.target} by {brief.way}. Never move {brief.target} yourself"
            ),
            (
                f"- `leasehold integrate` brings what you have committed into {brief.target} at once, and you go on: do it when "
                "others wait for a part of your work. In a conflict it names the files and both sides, and exits with 1"
            ),
            _TREE_RULE,
            *([_MOVED_RULE.format(brief.moved_to)] if brief.moved_to else []),
            *([_FENCE_RULE] if brief.guarded else []),
            *([_CONFINED_RULE.format(_list(brief.writable))] if brief.writable else []),
        ]
    elif brief.task.repo:
        lines = [
            "- commit only what you hold; a commit outside your leases is refused and names the path",
            "- need another file? `leasehold lease acquire PATH --wait 60s`; `leasehold lease who PATH` names its holder",
            *([_GUARD_RULE] if brief.guarded else []),
            "- name the paths you commit (`git commit -- PATH …`): others share this checkout",
        ]
    if brief.task.expects is Expects.COMMIT and brief.task.repo:
        lines.append("- commit your work before you end; without a commit the task counts as not done")
    lines.append(_SAY)
    return lines


def _paragraph(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _list(items: Sequence[str]) -> str:
    shown = ", ".join(items[:SHOWN])
    if len(shown) > _LINE_LIMIT:
        shown = f"{shown[:_LINE_LIMIT]} …"
    return shown + (f" and {len(items) - SHOWN} more" if len(items) > SHOWN else "")


def _rest(count: int) -> list[str]:
    return [f"- and {count - SHOWN} more"] if count > SHOWN else []
