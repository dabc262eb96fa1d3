"""A broker, the orders about leases and what a worker knows of them, with messages late, lines lost and supervisors new.

The decisions, the orders and the worker's knowledge are the real ones. Between them are queues that the test empties as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.core.decisions import claims, requests, wake
from supervisor.core.decisions.effects import Disown, Effect, Entrust, Recount, Wake
from supervisor.core.decisions.entrusting import disown, entrust, raised
from supervisor.core.decisions.first_write import first_write
from supervisor.core.decisions.requests import LeaseRefusal
from supervisor.core.decisions.tables import Tables
from supervisor.core.leases.broker import Broker
from supervisor.core.leases.fencing import Tokens
from supervisor.core.leases.lease import Granted, Lease, Mode, Waiting, Want, Woken
from supervisor.core.leases.scope import Kind, Scope, covers, file_scope, parse_scopes
from supervisor.core.moment import Moment
from supervisor.core.sessions.lifecycle import ProcessId
from supervisor.daemon.lease_orders import LeaseOrders
from supervisor.daemon.news import News
from supervisor.daemon.places import Places
from supervisor.world.git.wire_path import decode_path
from tests.conftest import POLICY, make_house, work
from workers.gate.wire import text_of
from workers.guard.lease import is_newer, token_of
from workers.guard.rights import Rights

WORKER = ProcessId(1000, 1, "boot")
FILES = (b"a", b"d/a", b"d/e/a", "ü".encode(), b"\xff", b"[x]", b"A")
TEXTS = ("a", "d/", "d/a", "./", "d/*", "ü")
UNKNOWN = {"ok": False, "error": "unknown op 'grant'; there are hold and revoke"}

some_files = st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique=True)
texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2, unique=True)
modes = st.sampled_from(Mode)


@dataclass
class Question:
    """What a guard asks, and what it knew when it did."""

    newest: int
    files: list[bytes] = field(default_factory=list)
    folders: list[bytes] = field(default_factory=list)
    git: str = ""
    makes: bool = False
    tokens: list[object] | None = None  # of leases that are given back
    fleeting: bool = False


@dataclass
class Few:
    """The answer in few words."""

    token: int
    granted_at: float


Answer = Few | list[Any] | None


def written(leases: Iterable[Lease]) -> list[Any]:
    """Return leases as they come to a worker."""
    found: list[Any] = json.loads(json.dumps([msgspec.to_builtins(lease) for lease in leases]))
    return found


class Told(RuleBasedStateMachine):
    """Two sessions: one whose worker is watched, and one that wants the same files."""

    def __init__(self) -> None:
        super().__init__()
        self.house = make_house(replace(POLICY))
        self.house.offer(work("mine"), work("theirs"))
        self.house.fill()
        self.house.started("mine")
        self.house.started("theirs")
        self.me, self.other = self.house.session("mine"), self.house.session("theirs")
        self.tables: Tables = self.house.tables
        self.orders = LeaseOrders(cast("Any", self), self)
        self.news = News(cast("Any", self), Places(Path("/nowhere"), Path("/nowhere")), cast("Any", self))
        self.rights = Rights("repo", self.me.id)
        self.guarded = self.folds = self.old = False
        self.link: list[tuple[str, Callable[[Mapping[str, Any]], None] | None, dict[str, Any]]] = []
        self.acks: list[tuple[Callable[[Mapping[str, Any]], None], Mapping[str, Any]]] = []
        self.hello: list[list[object] | None] = []  # that has not arrived
        self.is_up = False
        self.questions: list[Question] = []
        self.answers: list[tuple[Question, Answer]] = []
        self.waiting: dict[int, Question] = {}
        self.kept: list[tuple[Question, tuple[Lease, ...]]] = []  # git is asked which of them are clean
        self.unsure: set[Scope] = set()
        self.turn: list[object] = []
        self.asking = self.unanswered = 0

    @initialize(
        guarded=st.sampled_from([True, True, False]),
        folds=st.booleans(),
        old=st.sampled_from([False, False, True]),
        greeted=st.booleans(),
    )
    def begin(self, *, guarded: bool, folds: bool, old: bool, greeted: bool) -> None:
        self.guarded, self.folds, self.old = guarded, folds, old
        self.tables.broker = Broker(self.new_tokens(0), folding=("repo",) if folds else ())
        self.me.level = self.other.level = "kernel" if guarded else "hooks"
        if guarded:
            self.rights.replace([])  # a guard is made with the leases of the start
        if greeted:
            self.settle()

    # -- the supervisor ----------------------------------------------------------------------------

    def now(self) -> Moment:
        return self.house.now

    def tick(self) -> None:
        """Do nothing: no time passes."""

    def event(self, session: str, event: object) -> None:
        """Take no news of its life."""

    @staticmethod
    def new_tokens(last: int) -> Tokens:
        tokens = Tokens(last)
        tokens.reserve(last + 10**6)
        return tokens

    def do(self, effects: Iterable[Effect]) -> None:
        for effect in [*effects, *raised(self.tables)]:
            match effect:
                case Entrust() | Disown() | Recount():
                    self.orders.carry(effect)
                case Wake(result) if result.waiter in self.waiting:
                    question = self.waiting.pop(result.waiter)
                    answer = written(result.leases) if isinstance(result, Woken) else None
                    self.answers.append((question, answer))

    def order(
        self,
        session: str,
        op: str,
        answered: Callable[[Mapping[str, Any]], None] | None = None,
        **fields: Any,
    ) -> bool:
        """Put an order on its way to the worker."""
        if session != self.me.id or not self.is_up:
            return False
        self.link.append((op, answered, json.loads(json.dumps(fields))))
        return True

    def scope(self, path: bytes) -> Scope:
        return file_scope(decode_path(text_of(path)), "repo", fold_case=self.folds)

    def wants(self, names: list[str], mode: Mode) -> tuple[Want, ...]:
        return tuple(
            Want(scope, mode) for name in names for scope in parse_scopes(name, "repo", fold_case=self.folds)
        )

    @property
    def knows(self) -> bool:
        """Whether the supervisor knows who holds what."""
        return not self.tables.wait_for_reports

    def judge(self, question: Question, wait: float) -> None:
        asked = claims.Claim(
            tuple(decode_path(text_of(path)) for path in question.files),
            tuple(decode_path(text_of(path)) for path in question.folders),
            git=question.git,
        )
        if len(asked.files) == 1 and not asked.folders and not asked.git and not self.unsure:
            (path,) = asked.files
            lease = first_write(self.tables, self.me, path, self.now().mono, fold_case=self.folds)
            if lease is not None:
                plain = lease.scope.kind is Kind.FILE and lease.scope.key == lease.scope.text
                in_few = plain and lease.scope.key == text_of(question.files[0])
                few = Few(lease.token, lease.granted_at)
                self.answers.append((question, few if in_few else written([lease])))
                return
        verdict, wants, effects = claims.claim(
            self.tables, self.me, asked, wait, self.now(), fold_case=self.folds
        )
        self.unsure.difference_update(want.scope for want in wants)
        match verdict:
            case Granted(leases):
                self.answers.append((question, written(leases)))
            case Waiting(waiter=waiter):
                self.waiting[waiter] = question
            case LeaseRefusal(data={"reason": "recovering"}):
                self.questions.append(question)
            case LeaseRefusal():
                self.answers.append((question, None))
        self.do(effects)

    def take_back(self, question: Question) -> None:
        tokens = [token for token in question.tokens or [] if isinstance(token, int)]
        scopes = sorted({self.scope(path) for path in question.files}, key=lambda scope: scope.key)
        kept, effects = claims.give_back(self.tables, self.me, tokens, scopes, self.now())
        self.do(effects)
        if not kept:
            self.answers.append((question, []))
            return
        self.unsure |= {lease.scope for lease in kept}
        self.tables.untold |= {lease.token for lease in kept}
        self.kept.append((question, kept))

    @precondition(lambda self: self.questions and self.knows)
    @rule(wait=st.sampled_from([0.0, 60.0]))
    def a_question_arrives(self, wait: float) -> None:
        question = self.questions.pop(0)
        if question.tokens is None:
            self.judge(question, wait)
        else:
            self.take_back(question)
        self.do(())

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def git_has_said_which_are_clean(self, data: st.DataObject) -> None:
        self.git_has_said(lambda: data.draw(st.booleans()))

    def git_has_said(self, is_clean: Callable[[], bool]) -> None:
        """Let go of what git wrote and left as it is committed, as far as the session has not asked for it since."""
        question, kept = self.kept.pop(0)
        broker = self.tables.broker
        alive = [lease for lease in kept if broker.lease(lease.token) is not None]
        clean = [lease.scope for lease in alive if lease.scope in self.unsure and is_clean()]
        self.unsure -= {lease.scope for lease in kept}
        self.do(claims.let_go(self.tables, self.me, clean, self.now()))
        left = [lease for lease in alive if broker.lease(lease.token) is not None]
        self.answers.append((question, written(left)))
        self.tables.untold -= {lease.token for lease in kept}

    @precondition(lambda self: self.knows)
    @rule(names=texts, mode=modes, wait=st.sampled_from([0.0, 60.0]), mine=st.booleans())
    def leases_are_acquired(self, names: list[str], mode: Mode, wait: float, *, mine: bool) -> None:
        holder = self.me.id if mine else self.other.id
        if mine:
            self.unsure.clear()  # it has asked for itself
        _, effects = requests.acquire(self.tables, holder, self.wants(names, mode), wait, self.now())
        self.do(effects)

    @precondition(lambda self: not self.guarded and self.knows)
    @rule(files=some_files)
    def a_hook_asks_before_an_edit(self, files: list[bytes]) -> None:
        newest = self.tables.broker.last_token
        asked = claims.Claim(tuple(decode_path(text_of(path)) for path in files))
        _, _, effects = claims.claim(self.tables, self.me, asked, 60.0, self.now(), fold_case=self.folds)
        self.do(effects)
        self.do(entrust(self.tables, self.me.id, self.tables.broker.since(self.me.id, newest)))

    @precondition(lambda self: self.knows)
    @rule()
    def the_other_gives_all_back(self) -> None:
        _, effects = requests.release(self.tables, self.other.id, None, self.now())
        self.do(effects)

    @precondition(lambda self: self.tables.broker.held(self.me.id))
    @rule(data=st.data(), still_open=st.booleans())
    def leases_are_released(self, data: st.DataObject, *, still_open: bool) -> None:
        tables = self.tables
        held = [one for one in tables.broker.held(self.me.id) if one.token not in tables.closing]
        leases = [one for one in held if data.draw(st.booleans())]
        if not self.guarded:
            over = [Want(lease.scope, lease.mode) for lease in leases]
            ended, effects = requests.release(tables, self.me.id, over, self.now())
            self.do([*disown(tables, self.me.id, ended), *effects])
            return
        tokens = [lease.token for lease in leases]
        tables.closing.update(tokens)

        def answered(message: Mapping[str, Any]) -> None:
            if self.tables.broker is not broker:
                return  # asked by a supervisor that is no more
            tables.closing.difference_update(tokens)
            left = [lease for lease in leases if tables.broker.lease(lease.token)]
            if message.get("ok") is True and not still_open:
                over = [Want(lease.scope, lease.mode) for lease in left]
                self.do(requests.release(tables, self.me.id, over, self.now())[1])
                return
            self.do(wake.keep(tables, left, self.now()))

        broker = tables.broker
        if not self.orders.revoke(self.me.id, tokens, answered):
            tables.closing.difference_update(tokens)

    @precondition(lambda self: not self.guarded and self.tables.broker.held(self.me.id))
    @rule(data=st.data())
    def a_lease_expires(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.tables.broker.held(self.me.id)))
        self.do(wake.still_idle(self.tables, lease.token, None, self.now()))

    # -- the line to the worker ----------------------------------------------------------------------

    def obey(self) -> Mapping[str, Any]:
        op, _, fields = self.link.pop(0)
        if op == "grant" and self.old:
            return UNKNOWN
        if op == "grant":
            self.rights.grant(fields["leases"])
        elif op == "revoke":
            self.rights.revoke(fields["tokens"])
        else:
            self.rights.replace(fields["leases"], fields["upto"])
        return {"ok": True}

    @precondition(lambda self: self.link)
    @rule()
    def an_order_arrives(self) -> None:
        answered = self.link[0][1]
        answer = self.obey()
        if answered is not None:
            self.acks.append((answered, answer))

    @precondition(lambda self: self.acks)
    @rule()
    def an_answer_to_an_order_arrives(self) -> None:
        answered, answer = self.acks.pop(0)
        answered(answer)

    @precondition(lambda self: not self.is_up)
    @rule()
    def the_worker_is_reached(self) -> None:
        """Greet, once all is taken in that has been answered."""
        while self.answers:
            self.an_answer_arrives()
        self.is_up = True
        self.hello.append(json.loads(json.dumps(self.rights.leases)))

    @precondition(lambda self: self.hello)
    @rule()
    def its_greeting_arrives(self) -> None:
        self.orders.greeted(self.me.id)
        self.news.hear(self.me.id, WORKER, {"event": "hello", "leases": self.hello.pop()})

    @precondition(lambda self: self.is_up)
    @rule()
    def the_worker_is_lost(self) -> None:
        unanswered = [answered for _, answered, _ in self.link] + [answered for answered, _ in self.acks]
        self.link.clear()
        self.acks.clear()
        self.hello.clear()
        self.is_up = False
        self.orders.lost(self.me.id)
        for answered in unanswered:
            if answered is not None:
                answered({"ok": False, "gone": True})

    @precondition(lambda self: self.is_up)
    @rule()
    def the_worker_is_lost_for_a_moment(self) -> None:
        self.the_worker_is_lost()
        self.the_worker_is_reached()
        self.its_greeting_arrives()

    @precondition(lambda self: self.knows)
    @rule(orders=st.integers(0, 5), answers=st.integers(0, 5))
    def the_supervisor_dies_and_another_begins(self, orders: int, answers: int) -> None:
        """Let what it had sent by then arrive; everything else is as if it had never been decided."""
        while orders and self.link:
            self.obey()
            orders -= 1
        while answers and self.answers:
            self.an_answer_arrives()
            answers -= 1
        self.questions[:0] = [
            *(question for question, _ in self.answers),
            *(question for question, _ in self.kept),
            *self.waiting.values(),
        ]
        for queue in (self.link, self.acks, self.hello, self.answers, self.kept):
            queue.clear()
        self.waiting.clear()
        self.unsure.clear()
        self.is_up = False
        self.orders.lost(self.me.id)
        before = self.tables.broker
        broker = Broker(self.new_tokens(before.last_token + 100), folding=("repo",) if self.folds else ())
        assert broker.restore(self.other.id, before.held(self.other.id)) is None
        self.tables.broker = broker
        self.tables.closing.clear()
        self.tables.untold.clear()
        self.tables.wait_for_reports.add(self.me.id)
        self.news.unreported.add(self.me.id)

    # -- the worker ----------------------------------------------------------------------------------

    def ask(self, question: Question) -> None:
        question.newest = self.rights.newest
        self.asking += bool(question.git)
        self.questions.append(question)

    @precondition(lambda self: self.guarded)
    @rule(files=some_files, makes=st.booleans(), moves=st.booleans())
    def files_are_written(self, files: list[bytes], *, makes: bool, moves: bool) -> None:
        needed = [path for path in files if not self.rights.cover(path)]
        folders = [b"d"] if moves and not self.rights.cover_tree(b"d") else []
        if needed or folders:
            self.ask(Question(0, needed, folders, makes=makes))

    @precondition(lambda self: self.guarded)
    @rule(git=st.sampled_from(["changes", "sweeps"]))
    def git_wants_a_turn(self, git: str) -> None:
        self.ask(Question(0, git=git))

    @precondition(lambda self: self.turn and not self.asking)
    @rule(files=st.lists(st.sampled_from(FILES), max_size=3, unique=True))
    def a_turn_ends(self, files: list[bytes]) -> None:
        tokens, self.turn = self.turn, []
        self.rights.revoke(tokens)
        self.ask(Question(0, files, tokens=tokens))

    @precondition(lambda self: self.guarded)
    @rule(files=some_files)
    def files_are_gone(self, files: list[bytes]) -> None:
        if tokens := self.rights.give_back(files):
            self.unanswered += 1
            self.ask(Question(0, tokens=tokens, fleeting=True))

    @precondition(lambda self: not self.unanswered and not self.link)
    @rule()
    def what_was_given_back_is_forgotten(self) -> None:
        self.rights.pardon()

    @rule()
    def git_takes_the_files_in(self) -> None:
        self.rights.keep()

    @precondition(lambda self: self.answers)
    @rule()
    def an_answer_arrives(self) -> None:
        question, answer = self.answers.pop(0)
        self.asking -= bool(question.git)
        if question.tokens is not None:
            self.unanswered -= question.fleeting
            if isinstance(answer, list) and not question.fleeting:
                self.rights.grant(answer)
        elif isinstance(answer, Few):
            self.take_few(question, answer)
        elif answer is not None:
            self.take_leases(question, answer)

    def take_few(self, question: Question, answer: Few) -> None:
        if self.rights.is_revoked(answer.token):
            self.ask(question)
            return
        (path,) = question.files
        self.rights.add_file(path, answer.token, answer.granted_at)
        if question.makes and answer.token > question.newest:
            self.rights.make(path, answer.token)

    def take_leases(self, question: Question, leases: list[Any]) -> None:
        if question.git:
            self.turn += [token_of(lease) for lease in leases if is_newer(lease, question.newest)]
        if self.rights.lack(leases):
            self.ask(question)
            return
        folders = [*question.folders, b""] if question.git == "sweeps" else question.folders
        self.rights.add(leases, question.files, folders)
        for path, lease in zip(question.files, leases, strict=False):
            if question.makes and is_newer(lease, question.newest) and lease[1]["kind"] == "file":
                self.rights.make(path, token_of(lease))

    # -- what holds ----------------------------------------------------------------------------------

    @invariant()
    def nothing_is_written_that_the_supervisor_may_give_to_others(self) -> None:
        if not self.guarded or not self.knows:
            return
        held = [one for one in self.tables.broker.held(self.me.id) if one.mode is Mode.EXCLUSIVE]
        for path in FILES:
            name = decode_path(text_of(path))
            if self.rights.cover(path):
                assert any(covers(one.scope, name, fold_case=self.folds) for one in held), path

    def arrive(self) -> bool:
        """Let the next message arrive; return False when none is under way."""
        if self.link:
            self.an_order_arrives()
        elif self.acks:
            self.an_answer_to_an_order_arrives()
        elif self.hello:
            self.its_greeting_arrives()
        elif not self.is_up:
            self.the_worker_is_reached()
        elif self.answers:
            self.an_answer_arrives()
        elif self.kept:
            self.git_has_said(lambda: False)
        elif self.questions:
            self.a_question_arrives(0.0)
        else:
            return False
        return True

    def teardown(self) -> None:
        self.once_all_has_arrived_both_know_the_same()

    @rule()
    def once_all_has_arrived_both_know_the_same(self) -> None:
        if self.old:
            self.settle()
            if self.is_up:
                self.the_worker_is_lost()
        self.settle()
        told = self.rights.leases
        held = self.tables.broker.held(self.me.id)

        assert told is not None
        assert [token_of(lease) for lease in told] == sorted(lease.token for lease in held)
        for path in FILES:
            if not path.isascii() or (self.folds and path != path.lower()):
                continue  # the supervisor is asked for each
            mine = [
                one for one in held if one.mode is Mode.EXCLUSIVE and one.scope.kind in {Kind.FILE, Kind.TREE}
            ]
            covered = any(covers(one.scope, path.decode(), fold_case=self.folds) for one in mine)
            assert self.rights.cover(path) or not covered, path

    def settle(self) -> None:
        for _ in range(1_000):
            if not self.arrive():
                return
        raise AssertionError("there is no end of questions and answers")


Told.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestTold = Told.TestCase
