"""Evaluate as a background job: every row answers every case, every judge says what it thinks of it, each answer stored whole.

An evaluation that was killed goes on where it was: it is laid out once under its job's folder, answers that are whole stay, and
what was asked before comes from the cache of replies. Where calls failed that may succeed another time, the job fails with a
sentence after all others are done, and resuming it asks for those alone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from app.actions.evaluation_plan import Plan, engine_for, laid_out
from app.cancelling import until_cancelled
from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import Engine, Role
from app.engines.roles import open_model
from app.errors import Refused
from core.best_of import best_of
from core.evaluation import choices, methods, verdicts
from core.evaluation.choices import Choice, Chosen
from core.evaluation.filler import FILLER
from core.evaluation.methods import Exchange, Method, MethodName, Sampling, read_response, take_filler
from core.evaluation.spec import EvaluateSpec, audited
from core.evaluation.verdicts import Material, Opinion, opinion
from core.jobs import Reporter
from core.parsing import Malformed
from core.ports import Ask, ChatModel, Failure, Reply, Streamed
from core.prompts.verdicts import Check, Order
from core.scoring import Case as Response
from core.scoring import Scoring, score_all
from core.steps import judged_steps
from core.types import shorten
from db import evaluations
from db.evaluations import CUT, Answer, Case, Line, Task, Verdict

_FOR_GOOD = ("refused", "too_large")
"""Failures that come again: such an answer or verdict stays missing, and is counted."""
OTHER: Mapping[Order, Order] = {"preference_first": "response_first", "response_first": "preference_first"}
_OTHER_SEEDS = 1_000
"""What a second try adds to the seed, so that it is another question for the cache."""


class _Critic:
    """A critic whose calls take their places among all others of the evaluation; `failed` is the first that failed."""

    def __init__(self, work: "_Work", model: ChatModel) -> None:
        self._work, self._model, self.name = work, model, model.name
        self.failed: Failure | None = None

    async def ask(self, ask: Ask) -> Reply | Failure:
        """As the model."""
        outcome = await self._work.ask(self._model, ask)
        if isinstance(outcome, Failure):
            self.failed = self.failed or outcome
        return outcome

    def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        """As the model."""
        return self._model.stream(ask)


class _Models(NamedTuple):
    """What one row is worked on with. `critic` is None where no method needs one."""

    answers: ChatModel
    judges: Sequence[ChatModel]
    critic: ChatModel | None


@dataclass(slots=True)
class _Work:
    """A running evaluation. Mutable on purpose: answers are made side by side."""

    context: Context
    spec: EvaluateSpec
    plan: Plan
    reporter: Reporter
    tally: Tally = field(default_factory=Tally)
    done: int = 0
    planned: int = 0
    lost: Counter[str] = field(default_factory=Counter[str])
    calls: asyncio.Semaphore = field(init=False)
    again: frozenset[tuple[Task, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.calls = asyncio.Semaphore(self.spec.side_by_side)
        self.again = frozenset((*self._audited("answer"), *self._audited("choice")))

    def _audited(self, task: Task) -> list[tuple[Task, int]]:
        """The cases of a task (ids) that are judged in both orders."""
        own = [case.id for case in self.plan.cases if task == "answer" or case.choice is not None]
        return [(task, own[place]) for place in audited(self.spec, len(own))]

    async def ask(self, model: ChatModel, ask: Ask) -> Reply | Failure:
        """One call, once there is a place for it; failures that may pass are counted by their reason."""
        async with self.calls:
            outcome = await model.ask(ask)
        if isinstance(outcome, Failure) and outcome.kind not in _FOR_GOOD:
            self.lost[shorten(outcome.reason, 200)] += 1
        return outcome

    @property
    def judges(self) -> int:
        """How many judges there are."""
        return len(self.spec.judges)

    def tell(self) -> None:
        """Progress."""
        self.reporter.progress(
            self.done, self.planned, f"{self.done:,} of {self.planned:,} answers were asked for and judged."
        )


def evaluate(context: Context, spec: EvaluateSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run an evaluation to its end, or until it is told to stop. Returns its id and counts. Raises Refused."""
    return asyncio.run(_evaluate(context, spec, folder, reporter))


async def _evaluate(context: Context, spec: EvaluateSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    plan = laid_out(context, spec, folder.name, reporter)
    work = _Work(context, spec, plan, reporter)
    await until_cancelled(_whole(work), reporter)
    counts = work.tally.read()
    return {
        "evaluation": plan.id,
        "answers": work.done,
        "planned": work.planned,
        "calls": counts.calls,
        "from_cache": counts.cached,
        "retries": counts.retries,
        "failures": dict(counts.failures),
        "tokens": counts.prompt_tokens + counts.completion_tokens,
    }


async def _whole(work: _Work) -> None:
    """An evaluation with its end. Raises Refused where calls failed that may succeed."""
    await _all(work)
    if work.lost:
        reason, _ = work.lost.most_common(1)[0]
        raise Refused(
            f"{work.lost.total():,} calls of evaluation {work.plan.id} failed; everything else is done and kept. Most often: "
            f"{reason} When that is mended, resume the job: it asks only for what is missing."
        )
    evaluations.finish(work.context.database, work.plan.id, work.context.now())


async def _all(work: _Work) -> None:
    """Judges and critic stay open; what answers is opened one after the other, so that at most one of them needs its memory."""
    whole = evaluations.settled(work.context.database, work.plan.id)
    pairs = [(line, case) for line in work.plan.lines for case in work.plan.cases if evaluations.fits(line, case)]
    work.planned = len(pairs)
    left = [(line, case) for line, case in pairs if (line.id, case.id) not in whole]
    work.done = len(pairs) - len(left)
    work.tell()
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

        judges = [await open_one("judge", judge, stack, True) for judge in work.spec.judges] if left else []
        valued = any(line.method == "best_of_n" for line, _ in left)
        critic = await open_one("critic", work.spec.critic, stack, True) if valued else None
        for model, own in groupby(left, lambda pair: pair[0].model):
            async with AsyncExitStack() as inner:
                answers = await open_one("policy", model, inner, False)
                await _side_by_side(work, _Models(answers, judges, critic), list(own))


async def _side_by_side(work: _Work, models: _Models, pairs: Sequence[tuple[Line, Case]]) -> None:
    places = asyncio.Semaphore(work.spec.side_by_side)

    async def one(line: Line, case: Case) -> None:
        try:
            answer = await _answer(work, models, line, case)
            await asyncio.to_thread(evaluations.put, work.context.database, line.id, case.id, answer)
        finally:
            places.release()
        work.done += 1
        work.tell()

    async with asyncio.TaskGroup() as group:
        for line, case in pairs:
            await places.acquire()
            group.create_task(one(line, case))


async def _answer(work: _Work, models: _Models, line: Line, case: Case) -> Answer:
    """Ask, find what is to be judged, and have it judged."""
    if line.task == "choice":
        return await _choose(work, models.answers, line, case)
    outcome, note = await _respond(work, models, line, case)
    if isinstance(outcome, Failure):
        return Answer("", None, outcome.reason)
    notes = [note] if note else []
    if outcome.finish != "stop":
        notes.append(CUT)
    found = read_response(_method(work, line).name, outcome.text, work.spec.judged)
    if isinstance(found, Malformed):
        notes.append(f"{found.reason} The whole response is judged.")
        found = read_response("zero_shot", outcome.text, "response")
    if isinstance(found, Malformed):
        return Answer(outcome.text, None, " ".join([*notes, found.reason]))
    material = Material(case.preference, case.query, found)
    said = await _judge(work, models.judges, material, ("answer", case.id) in work.again)
    return Answer(outcome.text, found, " ".join(notes), tuple(said))


def _method(work: _Work, line: Line) -> Method:
    known: dict[str, MethodName] = {row.method: row.method for row in work.spec.rows}
    name = known[line.method]
    shots = work.plan.shots if name == "few_shot" else ()
    return Method(name, shots, work.spec.samples if name == "best_of_n" else 1, work.spec.by)


async def _respond(work: _Work, models: _Models, line: Line, case: Case) -> tuple[Reply | Failure, str]:
    """The reply of a row to a case, of several the one that the critic holds highest, and what has to be said of it.

    A sample or a judgement that failed is the failure of them all: the best of fewer would be another method.
    """
    spec, method = work.spec, _method(work, line)
    asked = methods.Case(case.preference, case.query, tuple(Exchange(*turn) for turn in case.shown))
    sampling = Sampling(spec.max_new, spec.temperature, spec.top_p, spec.seed)
    asks = methods.asks(method, asked, sampling, take_filler(FILLER, line.turns))
    outcomes = await asyncio.gather(*(work.ask(models.answers, ask) for ask in asks))
    replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
    if len(replies) < len(outcomes):
        return next(outcome for outcome in outcomes if isinstance(outcome, Failure)), ""
    if len(replies) == 1 or models.critic is None:
        return replies[0], ""
    responses = [Response(case.preference, case.query, judged_steps(reply.text, reply.finish)) for reply in replies]
    how = Scoring(seed=spec.seed, side_by_side=spec.side_by_side)
    critic = _Critic(work, models.critic)
    best = best_of(await score_all(critic, responses, how), spec.by)
    if critic.failed is not None:
        return critic.failed, ""
    if best is None:
        return replies[0], f"The critic could value none of {len(replies)} samples, so the first one stands."
    return replies[best.place], ""


async def _choose(work: _Work, model: ChatModel, line: Line, case: Case) -> Answer:
    """Multiple choice: the letter is the verdict, and nobody judges it."""
    told: Mapping[str, Any] = case.choice or {}
    choice = Choice(case.preference, str(told["query"]), tuple(told["options"]), int(told["right"]))
    reply, said = await _choice(work, model, choice, line.turns)
    if isinstance(reply, Failure):
        return Answer("", None, reply.reason)
    made = [Verdict("choice", 0, 0, said.outcome, "", said.why, "")]
    if ("choice", case.id) in work.again:
        turned, other = await _choice(work, model, choices.turned(choice), line.turns)
        text = "" if isinstance(turned, Failure) else turned.text
        made.append(Verdict("choice", evaluations.swapped(0, work.judges), 0, other.outcome, "", other.why, text))
    return Answer(reply.text, reply.text, "", tuple(made))


async def _choice(work: _Work, model: ChatModel, choice: Choice, turns: int) -> tuple[Reply | Failure, Chosen]:
    asked = choices.messages(choice, take_filler(FILLER, turns))
    reply = await work.ask(model, Ask(asked, work.spec.max_new, seed=work.spec.seed))
    return reply, choices.chosen(choice, reply)


async def _judge(work: _Work, judges: Sequence[ChatModel], about: Material, again: bool) -> list[Verdict]:
    """What every judge says; `again` also in the other order, under a number of its own (`db.evaluations.swapped`)."""
    spec, how = work.spec, work.spec.judging()
    orders = [(how, 0), (replace(how, order=OTHER[how.order]), work.judges)] if again else [(how, 0)]
    planned: list[tuple[Check, int, int, int, Ask]] = [
        (check, place, shift, repeat, ask)
        for check in spec.checks
        for place in range(len(judges))
        for judging, shift in orders
        for repeat, ask in enumerate(verdicts.asks(check, about, judging))
    ]
    found = await asyncio.gather(*(_opinion(work, judges[place], ask) for _, place, _, _, ask in planned))
    return [
        Verdict(check, place + shift, repeat, said.outcome, said.explanation, said.why, said.reply)
        for (check, place, shift, repeat, _), said in zip(planned, found, strict=True)
    ]


async def _opinion(work: _Work, judge: ChatModel, ask: Ask) -> Opinion:
    """What a judge says; asked again, warmer and with another seed, where its reply holds no verdict."""
    found = opinion(await work.ask(judge, ask))
    for attempt in range(1, work.spec.retries + 1):
        if found.outcome != "unparsed":
            break
        again = replace(
            ask,
            temperature=work.spec.judge_temperature,
            seed=(ask.seed or 0) + attempt * _OTHER_SEEDS,
            repeat=ask.repeat + attempt * _OTHER_SEEDS,
        )
        found = opinion(await work.ask(judge, again))
    return found
