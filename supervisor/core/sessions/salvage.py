"""Salvage: the uncommitted work of a session that ended, kept in a commit that no branch knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN = 3  # paths in a sentence; the rest is counted
RECORDED = 200  # paths of each kind in an event; the commit has them all


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was kept: `id` names it on the command line, `ref` and `commit` in git.

    `paths` were leased by the session. `unleased` were held by nobody and changed while it ran, so they may
    also be the work of `neighbours`, other sessions alive at its end. `unkept` says of paths that are not in
    the commit why not. `cleaned` were restored to the last commit in the checkout.
    """

    id: str
    ref: str
    commit: str
    paths: tuple[str, ...] = ()
    unleased: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    unkept: Mapping[str, str] = field(default_factory=dict)
    cleaned: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return in words what was kept, and under which name."""
        moved = bool(self.paths) and set(self.paths) <= set(self.cleaned)
        how = "moved to" if moved else "kept as"
        text = f"uncommitted changes in {listed((*self.paths, *self.unleased))} {how} salvage {self.id}"
        if self.unleased:
            whose = f", maybe of {', '.join(self.neighbours)}" if self.neighbours else ""
            text += f" ({len(self.unleased)} of them without a lease{whose})"
        if self.unkept:
            text += f", but not {_reasons(self.unkept)}"
        return text

    def as_json(self) -> dict[str, Any]:
        """Return the form that evidence, events and `--json` have; `count` is of all that was kept."""
        return {
            "id": self.id,
            "ref": self.ref,
            "commit": self.commit,
            "count": len(self.paths) + len(self.unleased),
            "paths": list(self.paths[:RECORDED]),
            "unleased": list(self.unleased[:RECORDED]),
            "neighbours": list(self.neighbours),
            "unkept": dict(list(self.unkept.items())[:RECORDED]),
            "cleaned": list(self.cleaned[:RECORDED]),
        }


@dataclass(frozen=True, slots=True)
class Unsalvaged:
    """Nothing could be kept, and `why`. The `paths` stay as they are; those in `held` stay leased, too."""

    why: str
    paths: tuple[str, ...]
    held: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return it in words."""
        stays = "; it stays in the checkout, and held" if self.held else "; it stays in the checkout"
        what = listed(self.paths) or "what was changed without a lease"
        return f"{what} could not be salvaged: {self.why}{stays}"

    def as_json(self) -> dict[str, Any]:
        """Return the form that evidence and events have."""
        return {"why": self.why, "paths": list(self.paths), "held": list(self.held)}


def listed(paths: Sequence[str]) -> str:
    """Return the first few paths, and the number of the others."""
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + more


def _reasons(unkept: Mapping[str, str]) -> str:
    shown = [f"{path} ({why})" for path, why in list(unkept.items())[:SHOWN]]
    return ", ".join(shown) + (f" and {len(unkept) - SHOWN} more" if len(unkept) > SHOWN else "")
