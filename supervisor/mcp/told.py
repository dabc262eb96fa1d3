"""Answers as short texts that a model can act on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from supervisor.core.duration import format_duration
from supervisor.world.git.history import Commit

_SHOWN = 20  # entries of a list; the rest is counted


def granted(answer: Mapping[str, Any]) -> str:
    """Say what was leased."""
    named = _list([f"{lease['scope']} ({lease['mode']})" for lease in answer["leases"]])
    return f"You hold {named}. Nobody else can write there until you release it or end."


def holders(answer: Mapping[str, Any], own: str) -> str:
    """Say who holds a path."""
    if not answer["leases"]:
        return f"Nobody holds {answer['path']}; lease_acquire makes it yours."
    return "\n".join(_holder(lease, own) for lease in answer["leases"])


def _holder(lease: Mapping[str, Any], own: str) -> str:
    age = format_duration(lease["age"])
    if lease["holder"] == own:
        return f"{lease['scope']} is yours ({lease['mode']}) for {age}."
    task = f", task {lease['task']}" if lease["task"] else ""
    pid = f", pid {lease['pid']}" if lease["pid"] else ""
    who = "an operator" if lease["holder"] == "operator" else f"session {lease['holder']}"
    return (
        f"{lease['scope']} is held by {who}{task}{pid} ({lease['mode']}) for {age}. "
        "Work on something else first, or call lease_acquire with wait_seconds."
    )


def sessions(found: Sequence[Mapping[str, Any]], leases: Iterable[Mapping[str, Any]], own: str) -> str:
    """Say who is at work, and what each holds."""
    holds: dict[str, list[str]] = {}
    for lease in leases:
        holds.setdefault(lease["holder"], []).append(lease["scope"])
    lines = [_session(session, holds.get(session["id"], []), own) for session in found[:_SHOWN]]
    others = sum(session["id"] != own for session in found)
    lines.append(
        "Nobody else is at work." if not others else f"{others} other session{'s' * (others != 1)} at work."
    )
    return "\n".join(lines + _rest(len(found)))


def _session(session: Mapping[str, Any], held: Sequence[str], own: str) -> str:
    you = " (you)" if session["id"] == own else ""
    for_ = format_duration(session["elapsed"] or 0.0)
    left = f", {format_duration(session['left'])} left" if session["left"] is not None else ""
    holding = f"; holds {_list(held)}" if held else ""
    return f"{session['id']}{you}: {session['title']} (task {session['task']}), {session['state']} for {for_}{left}{holding}"


def task(found: Mapping[str, Any]) -> str:
    """Say what is known of the session's task."""
    lines = [f"{found['id']}: {found['title']}"]
    if found["scopes"]:
        lines.append(f"may write: {_list([scope['scope'] for scope in found['scopes']])}")
    if found["budget"]:
        lines.append(f"budget: {format_duration(found['budget'])}")
    if found["requires"]:
        lines.append(f"requires: {_list(found['requires'])}")
    if found["last"]:
        lines.append(f"last attempt: {found['last']['outcome']}: {found['last']['sentence']}")
        if found["last"].get("salvages"):
            lines.append(f"uncommitted work kept as salvage: {_list(found['last']['salvages'])}")
    now = time.time()
    lines += [
        f"note of {note['by']}, {_ago(note['at'], now)}: {note['text']}" for note in found["notes"][-_SHOWN:]
    ]
    if found["body"]:
        lines += ["", found["body"]]
    return "\n".join(lines)


def commits(found: Sequence[Commit], own: str, where: str) -> str:
    """Say what landed lately."""
    if not found:
        return f"Nothing has landed {where} lately."
    now = time.time()
    return "\n".join([*(_commit(commit, own, now) for commit in found[:_SHOWN]), *_rest(len(found))])


def _commit(commit: Commit, own: str, now: float) -> str:
    who = commit.author if commit.session is None else f"session {commit.session}"
    who = "you" if commit.session == own else who
    task = f", task {commit.task}" if commit.task and commit.session != own else ""
    return f"{commit.sha[:10]} {_ago(commit.at_wall, now)} by {who}{task}: {commit.subject} ({_list(commit.paths)})"


def refused(message: str, data: Any) -> str:
    """Say why something was refused and what to do next."""
    lines = list(data.get("lines") or ()) if isinstance(data, Mapping) else []
    reason = data.get("reason") if isinstance(data, Mapping) else None
    if reason in {"held", "timed_out"}:
        lines.append("In this tool, waiting is lease_acquire with wait_seconds.")
    return "\n".join([message, *lines])


def _ago(at: float, now: float) -> str:
    return f"{format_duration(max(0.0, now - at))} ago"


def _list(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_SHOWN])
    return shown + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")


def _rest(count: int) -> list[str]:
    return [f"and {count - _SHOWN} more"] if count > _SHOWN else []
