"""launch, pause, resume, drain, reload and reprioritize."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from supervisor.core.decisions import orders, resting
from supervisor.core.decisions.admission import Admission, Closing, Draining, Open, Paused, admission_name
from supervisor.core.decisions.assign import launch
from supervisor.core.decisions.effects import Effect, Launch, Note
from supervisor.core.decisions.tables import Tables
from supervisor.core.pacing import flow
from supervisor.core.sessions.lifecycle import Ended, Running
from supervisor.core.sessions.roster import Session
from supervisor.daemon.authority import Authority
from supervisor.daemon.spawn import Spawn
from supervisor.daemon.verbs.answers import answered_once_durable, carried, not_found, who
from supervisor.daemon.verbs.sessions import summary
from supervisor.world.control.caller import Caller
from supervisor.world.control.errors import Code, RpcError
from supervisor.world.control.later import Later
from supervisor.world.control.methods import Method, Params


class LaunchParams(Params, kw_only=True):
    """A task by key, or the best that may run; a harness, or the task's own."""

    task: str | None = None
    harness: str = ""


class PauseParams(Params, kw_only=True):
    """Why; and a lane, to pause only that."""

    why: str = ""
    lane: str | None = None


class ResumeParams(Params, kw_only=True):
    """A lane, or a harness, to let only that go on; without either, the supervisor."""

    lane: str | None = None
    harness: str | None = None


class DrainParams(Params, kw_only=True):
    """`wait`: answer when the last session has ended."""

    wait: bool = False


def _lanes(tables: Tables) -> set[str]:
    """Return the lanes of all tasks and sessions, and those with a state of their own."""
    return {
        *tables.lane_state,
        *(work.task.lane for work in tables.backlog.works()),
        *(session.intent.lane for session in tables.roster),
    }


class OperatorVerbs:
    """Answers to an operator's orders. `reload` and `reprioritize` read configuration and sources."""

    def __init__(
        self,
        authority: Authority,
        spawn: Spawn,
        reload: Callable[[str], Awaitable[dict[str, Any]]],
        reprioritize: Callable[[str], Awaitable[dict[str, Any]]],
    ) -> None:
        self._authority = authority
        self._spawn = spawn
        self._reload = reload
        self._reprioritize = reprioritize

    def methods(self) -> list[Method[Any]]:
        """Return the verbs."""
        return [
            Method("launch", LaunchParams, self.launch),
            Method("pause", PauseParams, self.pause),
            Method("resume", ResumeParams, self.resume),
            Method("drain", DrainParams, self.drain),
            Method("reload", Params, self._done_later(self._reload)),
            Method("reprioritize", Params, self._done_later(self._reprioritize)),
        ]

    def launch(self, _caller: Caller, params: LaunchParams) -> object:
        """Start one session; answered when its harness runs, or could not be started."""
        authority = self._authority
        result = launch(authority.tables, params.task, params.harness, authority.now())
        started = (
            [effect.session for effect in result if isinstance(effect, Launch)]
            if isinstance(result, list)
            else []
        )
        later = Later()
        if started:
            authority.promises.when_session(started[0], later, self._when_running)
        carried(authority, result)
        return later

    def _when_running(self, session: Session) -> object | RpcError | None:
        match session.life.state:
            case Running():
                return summary(self._authority, session, self._authority.now())
            case Ended(_, ending):
                return RpcError(Code.REFUSED, f"session {session.id} {ending.sentence}")
            case _:
                return None

    def pause(self, caller: Caller, params: PauseParams) -> object:
        """Start nothing new, or nothing of one lane."""
        authority, now = self._authority, self._authority.now()
        if params.lane is not None:
            return self._lane(params.lane, flow.Hold(who(caller), params.why))
        self._admit(Paused(who(caller), params.why, now.wall), caller)
        return answered_once_durable(authority, {"admission": admission_name(authority.tables.admission)})

    def resume(self, caller: Caller, params: ResumeParams) -> object:
        """End a pause or a drain, the pause of one lane, or the rest of a harness and its account."""
        authority = self._authority
        if params.harness is not None:
            return self._harness(params.harness, who(caller))
        if params.lane is not None:
            known = _lanes(authority.tables)
            if params.lane not in known:
                raise not_found(
                    "lane", params.lane, f"there are: {', '.join(sorted(filter(None, known))) or 'none'}"
                )
            return self._lane(params.lane, flow.Resume(who(caller)))
        self._admit(Open(), caller)
        return answered_once_durable(authority, {"admission": admission_name(authority.tables.admission)})

    def drain(self, caller: Caller, params: DrainParams) -> object:
        """Let what runs finish and start nothing new."""
        authority, now = self._authority, self._authority.now()
        self._admit(Draining(who(caller), now.wall), caller)
        if not params.wait or not len(authority.tables.roster):
            running = len(authority.tables.roster)
            return answered_once_durable(authority, {"admission": "draining", "running": running})

        def look() -> None:
            if not len(authority.tables.roster):
                authority.after.remove(look)
                later.answer({"admission": "draining", "running": 0})

        later = Later(on_gone=lambda: authority.after.remove(look))
        authority.after.append(look)
        return later

    def _admit(self, admission: Admission, caller: Caller) -> None:
        authority = self._authority
        if isinstance(closing := authority.tables.admission, Closing):
            raise RpcError(Code.REFUSED, f"the supervisor is ending ({closing.by}); start it again first")
        if isinstance(admission, Open) and (failure := authority.recorder.failure) is not None:
            raise RpcError(
                Code.REFUSED, f"{failure}; the supervisor resumes by itself once it can record again"
            )
        tables, by, now = authority.tables, who(caller), authority.now()
        opened = isinstance(admission, Open)
        authority.do(orders.resume(tables, by, now) if opened else orders.admit(tables, admission, by, now))

    def _harness(self, name: str, by: str) -> object:
        authority = self._authority
        tables = authority.tables
        if name not in tables.policy.harnesses:
            known = ", ".join(tables.policy.harnesses) or "none"
            raise not_found("harness", name, f"there are: {known}")
        effects = resting.lift(tables, name, by)
        authority.do(effects or [])
        authority.tick()
        return answered_once_durable(authority, {"harness": name, "rested": effects is not None})

    def _lane(self, lane: str, event: flow.Hold | flow.Resume) -> object:
        authority, now = self._authority, self._authority.now()
        tables = authority.tables
        state, notice = flow.step(
            tables.lane_state.get(lane, flow.Flowing()), event, tables.policy.intensity, now.wall
        )
        tables.lane_state[lane] = state
        effects: list[Effect] = []
        if notice is not None:
            effects.append(Note(f"lane.{notice.value}", data={"lane": lane, "by": event.by}))
        authority.do(effects)
        authority.tick()
        return answered_once_durable(authority, {"lane": lane, "state": flow.lane_name(state)})

    def _done_later(
        self, order: Callable[[str], Awaitable[dict[str, Any]]]
    ) -> Callable[[Caller, Params], Later]:
        def answer(caller: Caller, _params: Params) -> Later:
            later = Later()

            async def carry_out() -> None:
                try:
                    later.answer(await order(who(caller)))
                except RpcError as error:
                    later.refuse(error)

            self._spawn(carry_out)
            return later

        return answer
