"""What the audience sees of a run: a lane for each slot, the latest news, and running counts."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.demo.story import work_of

NEWS = 7  # lines of news on the screen


class Tone(enum.Enum):
    """What a piece of news means for the work."""

    PLAIN = "plain"
    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"
    GUARD = "guard"  # something was refused, and so nothing happened


@dataclass(frozen=True, slots=True)
class Lane:
    """A slot with a session in it; `since` is seconds from the start of the run."""

    session: str
    task: str
    tone: Tone
    text: str
    since: float


@dataclass(frozen=True, slots=True)
class News:
    """Something worth a line of its own; `at` is seconds from the start of the run."""

    at: float
    session: str
    task: str
    tone: Tone
    text: str


@dataclass(slots=True)
class Lanes:
    """The state of the show. Lanes without a session are None; one more is opened if all are taken."""

    title: str
    lanes: list[Lane | None]
    news: deque[News] = field(default_factory=lambda: deque(maxlen=NEWS))
    counts: dict[str, int] = field(default_factory=dict)

    def hear(self, event: Mapping[str, Any], at: float) -> News | None:
        """Take in one event of a session; return it as news if it is any."""
        session, task = str(event["session"]), work_of(str(event["task"]))
        tone, text, counted = _told(event)
        if counted:
            self.counts[counted] = self.counts.get(counted, 0) + 1
        place = self._place(session)
        known = self.lanes[place]
        if event["kind"] == "ends":
            self.lanes[place] = None
        elif text or known is None:
            self.lanes[place] = Lane(session, task, tone, text or "starts", known.since if known else at)
        if event["kind"] in _QUIET:
            return None
        news = News(at, session, task, tone, text)
        if event["kind"] not in _SEEN_IN_LANES:
            self.news.append(news)
        return news

    def overwritten(self, victim: str, by: str, task: str, path: str, at: float) -> News:
        """Note that one session's write wiped out what another had written."""
        self.counts["updates overwritten"] = self.counts.get("updates overwritten", 0) + 1
        text = f"its write of {path} wiped out an update of {victim}"
        news = News(at, by, work_of(task), Tone.BAD, text)
        self.news.append(news)
        return news

    def crowd(self) -> int:
        """Return how many sessions are at the task that most of them are at."""
        tasks = [lane.task for lane in self.lanes if lane is not None]
        return max((tasks.count(task) for task in tasks), default=0)

    def busy(self) -> int:
        """Return how many lanes have a session."""
        return sum(lane is not None for lane in self.lanes)

    def _place(self, session: str) -> int:
        for place, lane in enumerate(self.lanes):
            if lane is not None and lane.session == session:
                return place
        for place, lane in enumerate(self.lanes):
            if lane is None:
                return place
        self.lanes.append(None)
        return len(self.lanes) - 1


_QUIET = frozenset({"thinks", "waited", "tests", "commits", "wrote", "already"})
_SEEN_IN_LANES = frozenset({"starts", "waits", "ends"})


def _told(event: Mapping[str, Any]) -> tuple[Tone, str, str]:
    """Return an event's tone, its words, and the count that it adds to."""
    why = str(event.get("why", ""))
    match event["kind"]:
        case "starts":
            return Tone.PLAIN, "takes the task", "sessions"
        case "claim_denied":
            text = f"claim denied, session {event['holder']} has it; goes ahead anyway"
            return Tone.BAD, text, "claims ignored"
        case "thinks":
            return Tone.PLAIN, str(event["about"]), ""
        case "waits":
            return Tone.WAIT, f"waits: {why}", "waits"
        case "anyway":
            return Tone.BAD, f"writes anyway: {why}", "leases ignored"
        case "tests":
            return Tone.PLAIN, "runs the tests", ""
        case "tests_failed":
            return Tone.BAD, f"tests fail: {why}", "failed tests"
        case "commits":
            return Tone.PLAIN, "commits", ""
        case "commit_failed":
            return Tone.WAIT, f"commit failed: {why}", ""
        case "refused":
            return Tone.GUARD, f"commit refused: {why.split(' (', maxsplit=1)[0]}", "commits refused"
        case "nothing_to_commit":
            return Tone.BAD, "nothing left to commit: somebody else's commit took its work", ""
        case "committed":
            return Tone.GOOD, f"committed {event['head']}", "commits"
        case "ends" if event["done"]:
            return Tone.GOOD, "done", ""
        case "ends":
            return Tone.BAD, f"gave up: {why}", "gave up"
        case _:
            return Tone.PLAIN, "", ""
