"""Listening to harnesses: what they print is read as it comes, and becomes the facts of their sessions.

The kernel says which logs were written to. A burst of writes is one look, a silent fleet is none. After a restart
of the supervisor a log is read from its beginning, so that the facts are those of the whole session.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup
from asyncinotify import Inotify, Mask, Watch

from supervisor.core.decisions import hearing
from supervisor.core.decisions.hearing import Mark
from supervisor.core.sessions.exit_record import NEVER_RAN, ExitRecord
from supervisor.core.sessions.lifecycle import Settling
from supervisor.core.sessions.masking import Masks, secrets_in
from supervisor.core.sessions.outcome import TRY_LATER
from supervisor.core.sessions.reading import Reading, Verdict, VerdictKind
from supervisor.core.sessions.roster import Session
from supervisor.core.sessions.verdicts import Told, last_words, weigh_end, with_last_words
from supervisor.daemon.authority import Authority
from supervisor.daemon.earlier_sums import sums_of
from supervisor.daemon.equipping import ACCOUNT, WHICH
from supervisor.daemon.places import Places
from supervisor.world.config.credentials import pass_through
from supervisor.world.config.harness_program import reader_of
from supervisor.world.config.models import Settings
from supervisor.world.config.secrets import secrets_of
from supervisor.world.harness.account import changed as changed_since
from supervisor.world.harness.adapter import Adapter
from supervisor.world.harness.model_server import model_server
from supervisor.world.harness.registry import COMMAND, AdapterError
from supervisor.world.harness.replaced import replaced
from supervisor.world.launch.environment import session_base
from supervisor.world.launch.spec import HOME
from supervisor.world.launch.tail import PIECE, Tail, end_of, head_of, last_line

log = structlog.get_logger("leasehold")

_TOGETHER = 0.5  # seconds from the first write of a burst to the look at it
_AT_ONCE = 1 << 20  # bytes of one log at one look: what writes faster is a flood, and costs no more than that
_BACKLOG = 1 << 25  # bytes of a log that is first looked at
_BLIND = 5.0  # seconds between two looks where the kernel cannot tell of writes
_WRITTEN = Mask.MODIFY | Mask.ONESHOT | Mask.DONT_FOLLOW
_OF_THE_SERVER = frozenset({VerdictKind.UNREACHABLE, VerdictKind.AUTH})
_RECORD = 1 << 20  # bytes of what was written down of its start
_ERRORS = 1 << 14  # bytes of the end of an error log that an adapter is given
_FILES_KEPT = 64  # names of touched files that an ending carries


@dataclass(slots=True, eq=False)
class _Hearing:
    """One session that is listened to. `watch` is armed until its log is written to."""

    session: Session
    adapter: Adapter
    tail: Tail
    masks: Masks
    reading: Reading = field(default_factory=Reading)
    mark: Mark = field(default_factory=Mark)
    done: bool = False  # its worker knows that it ought to leave
    watch: Watch | None = None


class Listener:
    """Hears every living session. `settings` are those in force; they say which harness is understood, and its secrets."""

    def __init__(
        self,
        authority: Authority,
        places: Places,
        settings: Callable[[], Settings],
        group: TaskGroup,
    ) -> None:
        self._authority = authority
        self._places = places
        self._settings = settings
        self._hearings: dict[str, _Hearing] = {}
        self._group = group
        self._inotify: Inotify | None = None
        self.ought_to_leave: Callable[[str], bool] = lambda _session: True  # set by what speaks to workers
        self._begun = anyio.Event()
        group.start_soon(self._run, name="listener")

    async def _run(self) -> None:
        """Listen until cancelled."""
        try:
            inotify = Inotify(sync_timeout=0)
        except OSError as error:
            log.warning("listening.blind", every=_BLIND, why=error.strerror)
            await self._look_around()
            return
        with inotify:
            self._inotify = inotify
            try:
                for heard in list(self._hearings.values()):
                    self._arm(heard)
                    await self._read(heard, _BACKLOG)
                await self._listen(inotify)
            finally:
                self._inotify = None

    def begin(self, session_id: str) -> None:
        """Listen to a session whose harness runs, from the beginning of its log; once, however often it is said."""
        session = self._authority.tables.roster.get(session_id)
        if session is None or session_id in self._hearings:
            return
        heard = self._hear(session)
        session.heard = heard.reading
        self._hearings[session_id] = heard
        self._begun.set()
        if self._inotify is not None:
            self._arm(heard)
            self._group.start_soon(self._read, heard, _BACKLOG, name=f"listen to {session_id}")

    async def catch_up(self, session_id: str) -> None:
        """Hear what a session has printed until now, as far as one look goes."""
        if (heard := self._hearings.get(session_id)) is not None:
            await self._read(heard)

    async def finish(self, session_id: str) -> Told | None:
        """Hear a session out that is over, and return its last word."""
        session = self._authority.tables.roster.get(session_id)
        if session is None or _never_ran(session):
            return None
        heard = self._hearings.pop(session_id, None) or self._hear(session)
        self._disarm(heard)
        while await self._read(heard):
            pass  # its last word is the one that counts
        if rest := heard.tail.last():
            self._take(heard, [rest])
        session.heard = heard.reading
        self._authority.do(
            hearing.ended(self._authority.tables, session, heard.reading, self._authority.now())
        )
        told = self._told(heard)
        heard.reading.events.clear()  # the log has them
        heard.reading.own.clear()
        heard.reading.errors = ""
        return told

    def shown(self, session: Session) -> dict[str, Any] | None:
        """Return the facts of a living or lately ended session, without secrets."""
        if session.heard is None:
            return None
        found = self.masks(session).all(session.heard.as_json())
        return {"adapter": self._adapter(session).name, **found, "hooks": session.hooks.value}

    # --- hearing ------------------------------------------------------------------------------------

    async def _listen(self, inotify: Inotify) -> None:
        behind: list[_Hearing] = []
        while True:
            if not behind:
                await anyio.wait_readable(inotify.fd)
            await anyio.sleep(_TOGETHER)
            while (event := inotify.sync_get()) is not None:
                self._forget(event.watch)
            written = [heard for heard in self._hearings.values() if heard.watch is None or heard in behind]
            behind = []
            for heard in written:
                if self._hearings.get(heard.session.id) is not heard:
                    continue  # it ended during this round
                self._arm(heard)  # before the look, so that a write between the two is not missed
                if await self._read(heard):
                    behind.append(heard)

    async def _look_around(self) -> None:
        """Look at every log from time to time, while there is one."""
        while True:
            if not self._hearings:
                self._begun = anyio.Event()
                await self._begun.wait()
            for heard in list(self._hearings.values()):
                await self._read(heard)
            await anyio.sleep(_BLIND)

    def _arm(self, heard: _Hearing) -> None:
        if self._inotify is None or heard.watch is not None:
            return
        try:
            heard.watch = self._inotify.add_watch(self._out(heard.session), _WRITTEN)
        except OSError:
            heard.watch = None  # no log yet, or no more watches: the next burst of another one looks here too

    def _disarm(self, heard: _Hearing) -> None:
        if self._inotify is not None and heard.watch is not None:
            with suppress(OSError):  # it went off just now
                self._inotify.rm_watch(heard.watch)
        heard.watch = None

    def _forget(self, watch: Watch | None) -> None:
        for heard in self._hearings.values():
            if heard.watch is watch:
                heard.watch = None

    def _hear(self, session: Session) -> _Hearing:
        heard = _Hearing(session, self._adapter(session), Tail(self._out(session)), self.masks(session))
        if (sums := sums_of(self._places.folder(session.id))) is not None:
            heard.reading.own["before"] = sums
        return heard

    def _adapter(self, session: Session) -> Adapter:
        harness = self._settings().harness.get(session.intent.harness)
        try:
            return COMMAND if harness is None else reader_of(harness)
        except AdapterError as error:
            log.warning("harness.not_understood", session=session.id, why=str(error))
            return COMMAND

    async def _read(self, heard: _Hearing, most: int = _AT_ONCE) -> bool:
        """Take in up to `most` bytes of what was written; tell whether more is there.

        It goes a piece at a time, so that nobody waits for a chatty session.
        """
        for _ in range(most // PIECE):
            lines = heard.tail.lines()
            if lines is None:
                return False
            self._take(heard, lines)
            await anyio.lowlevel.checkpoint()
        return True

    def _take(self, heard: _Hearing, lines: Iterable[bytes]) -> None:
        reading, hear = heard.reading, heard.adapter.hear
        reading.now = self._authority.now().wall
        for line in lines:
            reading.lines += 1
            try:
                hear(line, reading)
            except Exception:  # noqa: BLE001  - of another package's adapter; a harness may print anything
                reading.odd += 1
        reading.long, reading.missed = heard.tail.long, heard.tail.missed
        if reading.final and not heard.done:  # a harness that has told its result has nothing left to do
            heard.done = self.ought_to_leave(heard.session.id)
        mark = Mark.of(reading)
        if mark != heard.mark:
            before, heard.mark = heard.mark, mark
            authority = self._authority
            effects = hearing.heard(authority.tables, heard.session, before, mark, authority.now())
            if effects:
                authority.do(effects)

    # --- the end --------------------------------------------------------------------------------------

    def _told(self, heard: _Hearing) -> Told:
        reading, found = heard.reading, _found(heard.session)
        facts = {"adapter": heard.adapter.name, **heard.masks.all(reading.as_json())}
        facts["files"] = facts["files"][:_FILES_KEPT]
        facts["hooks"] = heard.session.hooks.value
        if changed := self._replaced(heard.session):
            facts["replaced"] = changed
        if touched := self._account(heard.session):
            facts["account"] = touched[:_FILES_KEPT]
        if found is None:
            return Told(None, facts)
        self._hear_errors(heard)
        try:
            verdict = heard.adapter.ending(reading, found.code, found.signal)
        except Exception as error:  # noqa: BLE001  - of another package's adapter
            log.error("adapter.failed", adapter=heard.adapter.name, session=heard.session.id, why=repr(error))
            verdict = None
        verdict = weigh_end(found, reading, verdict, last_line(self._out(heard.session)))
        if verdict is None and found.cause == "exited" and found.code not in {0, TRY_LATER}:
            facts["last_words"] = heard.masks.text(last_words(reading))
        verdict = with_last_words(verdict, reading, heard.adapter.tested)
        return Told(self._located(heard, verdict), facts).masked(heard.masks)

    def _hear_errors(self, heard: _Hearing) -> None:
        """Give the reading the end of what its harness wrote on standard error."""
        out = self._out(heard.session)
        err = out.with_name("err.log")
        heard.reading.errors = end_of(err, _ERRORS)
        with suppress(OSError):
            heard.reading.errors_latest = err.stat().st_mtime_ns >= out.stat().st_mtime_ns

    def _replaced(self, session: Session) -> str:
        """Return the file of its program that is another one than at its start."""
        lines = head_of(self._places.folder(session.id) / HOME / WHICH, _RECORD).splitlines()
        return replaced(lines[2]) if len(lines) > 2 else ""

    def _account(self, session: Session) -> list[str]:
        """Return what became another one in the home of its account since its start."""
        return changed_since(head_of(self._places.folder(session.id) / HOME / ACCOUNT, _RECORD))

    def _located(self, heard: _Hearing, verdict: Verdict | None) -> Verdict | None:
        """Name the model server in a verdict about it, where the configuration does."""
        harness = self._settings().harness.get(heard.session.intent.harness)
        if verdict is None or harness is None or verdict.kind not in _OF_THE_SERVER:
            return verdict
        passed = pass_through(harness.env_from, os.environ).values
        env = {**session_base(os.environ), **passed, **harness.env}
        url = model_server(heard.adapter.name, env, (*harness.args, *(harness.command or ())))
        if not url or url in verdict.sentence:
            return verdict
        return replace(verdict, sentence=f"{verdict.sentence} (model server {url})")

    def masks(self, session: Session) -> Masks:
        """Return what hides the secrets of a session in its words."""
        harness = self._settings().harness.get(session.intent.harness)
        secrets = secrets_of(harness, os.environ) if harness is not None else secrets_in(os.environ)
        return Masks([session.intent.capability, *secrets])

    def _out(self, session: Session) -> Path:
        return self._places.folder(session.id) / "out.log"


def _found(session: Session) -> ExitRecord | None:
    state = session.life.state
    return state.found if isinstance(state, Settling) and isinstance(state.found, ExitRecord) else None


def _never_ran(session: Session) -> bool:
    found = _found(session)
    return found is not None and found.cause in NEVER_RAN
