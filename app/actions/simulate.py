"""Simulate dialogues as a background job: every model talks with every person, turn by turn, and judges rate each turn.

A simulation that was killed goes on where it was: it is laid out once under its job's folder, turns that took place stay, and
what was asked before comes from the cache of replies. A turn that fails ends its dialogue (`core.simulation.turns`). Where
calls failed that may succeed another time, the job fails with a sentence after all others are done, and resuming it goes on
from the missing turns. At the end the dialogues become a set.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from app.actions.evaluation_plan import engine_for
from app.actions.simulation_plan import Plan, laid_out
from app.actions.simulation_set import store
from app.cancelling import until_cancelled
from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import Engine, Role
from app.engines.roles import open_model
from app.errors import Refused
from core.dialogues import Turn
from core.jobs import Reporter
from core.ports import Ask, ChatModel, Failure, Reply
from core.simulation import turns
from core.simulation.people import Reveal, reveal
from core.simulation.spec import SimulateSpec
from core.simulation.turns import Rating, Said, Talking
from core.types import shorten
from db import simulations
from db.simulations import Line, Player
from db.simulations import Turn as Stored

_FOR_GOOD = ("refused", "too_large")
"""Failures that come again: such a turn or level stays missing, and is counted."""
_SENTENCES = 20
"""Different reasons that a result keeps."""
_NOTHING = Said(None, "", "")

_Read = TypeVar("_Read", Said, Rating)


class _Models(NamedTuple):
    """What one model's dialogues are made with."""

    assistant: ChatModel
    player: ChatModel
    judges: Sequence[ChatModel]


@dataclass(slots=True)
class _Work:
    """A running simulation. Mutable on purpose: dialogues go on side by side."""

    context: Context
    spec: SimulateSpec
    plan: Plan
    reporter: Reporter
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    lost: Counter[str] = field(default_factory=Counter[str])

    @property
    def planned(self) -> int:
        """Turns in all."""
        return len(self.plan.lines) * len(self.plan.players) * self.spec.turns

    @property
    def how(self) -> Talking:
        """How long and how warm everybody talks."""
        spec = self.spec
        return Talking(
            spec.person_tokens, spec.person_temperature, spec.max_new, spec.temperature, spec.judge_tokens, spec.seed
        )

    async def ask(self, model: ChatModel, ask: Ask) -> Reply | Failure:
        """One call; failures that may pass are counted by their reason."""
        outcome = await model.ask(ask)
        if isinstance(outcome, Failure) and outcome.kind not in _FOR_GOOD:
            self.lost[shorten(outcome.reason, 200)] += 1
        return outcome

    async def read(self, model: ChatModel, ask: Ask, reader: Callable[[Reply | Failure], _Read]) -> _Read:
        """What a call says; asked again, warmer and with another seed, where its reply cannot be read."""
        outcome = await self.ask(model, ask)
        found = reader(outcome)
        for attempt in range(1, self.spec.retries + 1):
            if isinstance(outcome, Failure) or found[0] is not None:
                break
            outcome = await self.ask(model, turns.again(ask, attempt))
            found = reader(outcome)
        return found

    def tell(self, more: int = 0) -> None:
        """Progress, after `more` turns."""
        self.done += more
        self.reporter.progress(self.done, self.planned, f"{self.done:,} of {self.planned:,} turns are done.")


def simulate(context: Context, spec: SimulateSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run a simulation to its end, or until it is told to stop. Returns its id, its set and counts. Raises Refused."""
    return asyncio.run(_simulate(context, spec, folder, reporter))


async def _simulate(context: Context, spec: SimulateSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    plan = laid_out(context, spec, folder.name, reporter)
    work = _Work(context, spec, plan, reporter)
    await until_cancelled(_whole(work), reporter)
    found, counts = simulations.turns(context.database, plan.id), work.tally.read()
    missing = Counter(why for one in found if (why := why_missing(one)))
    stored = simulations.get(context.database, plan.id)
    return {
        "simulation": plan.id,
        "set": stored and stored.set_id,
        "dialogues": len(plan.lines) * len(plan.players),
        "turns": sum(not why_missing(one) for one in found),
        "planned": work.planned,
        "levels": sum(level.level is not None for one in found for level in one.levels.values()),
        "missing": dict(missing.most_common(_SENTENCES)),
        "calls": counts.calls,
        "from_cache": counts.cached,
        "retries": counts.retries,
        "failures": dict(counts.failures),
        "tokens": counts.prompt_tokens + counts.completion_tokens,
    }


def why_missing(turn: Stored) -> str:
    """Why a stored turn did not take place; '' where it did."""
    if turn.message.text is None:
        return f"The person's message is missing. {turn.message.why}"
    return f"The answer is missing. {turn.answer.why}" if turn.answer.text is None else ""


async def _whole(work: _Work) -> None:
    """A simulation with its end. Raises Refused where calls failed that may succeed."""
    await _all(work)
    plan = work.plan
    if work.lost:
        reason, _ = work.lost.most_common(1)[0]
        raise Refused(
            f"{work.lost.total():,} calls of simulation {plan.id} failed; everything else is done and kept. Most often: "
            f"{reason} When that is mended, resume the job: it goes on from the missing turns. "
            f"`subtext simulations keep {plan.id}` makes a set of what there is."
        )
    store(work.context, plan.id)
    simulations.finish(work.context.database, plan.id, work.context.now())


async def _all(work: _Work) -> None:
    """Whoever plays the people and the judges stay open; what is tested is opened one after the other, so that at most one
    of them needs its memory."""
    known: dict[tuple[int, int], dict[int, Stored]] = {}
    for one in simulations.turns(work.context.database, work.plan.id):
        known.setdefault((one.line, one.player), {})[one.turn] = one
    pairs = [(line, player) for line in work.plan.lines for player in work.plan.players]
    left = [(line, player) for line, player in pairs if not _settled(work.spec, known.get((line.id, player.id), {}))]
    work.tell((len(pairs) - len(left)) * work.spec.turns)
    async with AsyncExitStack() as stack:
        opened: dict[Engine, ChatModel] = {}

        async def open_one(role: Role, chosen: str, where: AsyncExitStack, kept: bool) -> ChatModel:
            engine = engine_for(work.context, role, chosen)
            if engine in opened:
                return opened[engine]
            model = await where.enter_async_context(open_model(work.context, role, engine, work.tally))
            if kept:
                opened[engine] = model
            return model

        if not left:
            return
        player = await open_one("user", work.spec.user, stack, True)
        judges = [await open_one("judge", judge, stack, True) for judge in work.spec.judges]
        for model, own in groupby(left, lambda pair: pair[0].model):
            async with AsyncExitStack() as inner:
                assistant = await open_one("policy", model, inner, False)
                await _side_by_side(work, _Models(assistant, player, judges), list(own), known)


def _settled(spec: SimulateSpec, kept: dict[int, Stored]) -> bool:
    """Every turn took place and every judge gave its level."""
    return all(
        turn in kept
        and not why_missing(kept[turn])
        and all(place in kept[turn].levels and kept[turn].levels[place].level for place in range(len(spec.judges)))
        for turn in range(1, spec.turns + 1)
    )


async def _side_by_side(
    work: _Work,
    models: _Models,
    pairs: Sequence[tuple[Line, Player]],
    known: dict[tuple[int, int], dict[int, Stored]],
) -> None:
    places = asyncio.Semaphore(work.spec.side_by_side)

    async def one(line: Line, player: Player) -> None:
        try:
            await _dialogue(work, models, (line, player), known.get((line.id, player.id), {}))
        finally:
            places.release()

    async with asyncio.TaskGroup() as group:
        for line, player in pairs:
            await places.acquire()
            group.create_task(one(line, player))


async def _dialogue(work: _Work, models: _Models, of: tuple[Line, Player], kept: dict[int, Stored]) -> None:
    """One dialogue from its first missing turn on; judges read a turn while the next one is asked for."""
    said: list[Turn] = []
    async with asyncio.TaskGroup() as judging:
        for turn in range(1, work.spec.turns + 1):
            shown = reveal(of[1].parts, of[1].schedule, turn)
            now = kept.get(turn)
            if now is None or why_missing(now):
                now = await _turn(work, models, of, said, shown)
            if now.message.text is None or now.answer.text is None:
                work.tell(work.spec.turns - turn + 1)
                return
            said.append(Turn(now.message.text, now.answer.text))
            for place, judge in enumerate(models.judges):
                given = now.levels.get(place)
                if given is None or given.level is None:
                    ask = turns.judge_ask(of[1].person, shown, said[-1], work.how)
                    judging.create_task(_judge(work, judge, (now.id, place), ask))
            work.tell(1)


async def _turn(work: _Work, models: _Models, of: tuple[Line, Player], said: Sequence[Turn], shown: Reveal) -> Stored:
    """The next turn of a dialogue: the person's message, the answer to it, both stored at once."""
    line, player = of
    person, how, turn = player.person, work.how, len(said) + 1
    message = await work.read(models.player, turns.person_ask(person, shown, said, how), turns.message_of)
    answer = _NOTHING
    if message.text is not None:
        ask = turns.assistant_ask(line.manner, person, said, message.text, how)
        answer = await work.read(models.assistant, ask, lambda outcome: turns.answer_of(line.manner, outcome))
    put = simulations.put_turn
    made = await asyncio.to_thread(put, work.context.database, (line.id, player.id, turn), message, answer)
    return Stored(made, line.id, player.id, turn, message, answer, {})


async def _judge(work: _Work, judge: ChatModel, of: tuple[int, int], ask: Ask) -> None:
    """A judge's level of a turn (`of`: its id and the place of the judge), stored when it is there."""
    found = await work.read(judge, ask, turns.rating_of)
    await asyncio.to_thread(simulations.put_level, work.context.database, *of, found)
