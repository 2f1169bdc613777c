"""Score the steps of any response with a critic: every step after those before it, side by side, some of them several times.

Knows the critic's question and its reply; does not know what answers, nor how steps are found in a text. A step without a valid
score is unscored with the reason, never 0 (SPEC 3). Questions are asked response by response and step by step: neighbours share
the longest beginning, which a server with a prefix cache reads once.
"""

import asyncio
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from core.parsing import Malformed, read_critique
from core.ports import Ask, ChatModel, Cut, Failure, Message
from core.prompts.judging import critic
from core.types import shorten

_Asking = Callable[[Ask], Awaitable[str | Failure]]
REASON = 200
"""Characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How steps are scored.

    `samples` 1 asks greedily, as the critic was trained to be asked; n > 1 asks n times at `temperature`, each with a seed of its
    own, and averages. A reply without a valid score is asked for once more, at `temperature`, `retries` times. At most
    `side_by_side` questions are in flight.
    """

    samples: int = 1
    temperature: float = 0.7
    max_tokens: int = 512
    seed: int = 1
    side_by_side: int = 16
    retries: int = 1


class Case(NamedTuple):
    """A response to judge: the preference P, the query q and the steps in order, without their `Step k:`."""

    preference: str
    query: str
    steps: tuple[str, ...]


class Sample(NamedTuple):
    """One reply of the critic: a score in [-1, 1] with its critique, or None with the reason in `why`."""

    score: float | None
    critique: str
    why: str = ""


class Scored(NamedTuple):
    """What the critic says of one step.

    `score` is the mean of the valid samples, None without any (then `why` says why); `critique` is that of the sample nearest to
    the mean. `spread` is the sample deviation (ddof 1), None with fewer than two valid samples.
    """

    score: float | None
    critique: str
    spread: float | None
    samples: tuple[Sample, ...]
    why: str = ""


class Piece(NamedTuple):
    """A piece of the critique of a step, as it is written. `step` counts from 0; `fresh`: a new try, the text before is void."""

    step: int
    text: str
    fresh: bool = False


class Done(NamedTuple):
    """A step that is scored, or known to stay unscored."""

    step: int
    scored: Scored


class Question(NamedTuple):
    """One thing to ask a critic, and how its reply is read."""

    messages: tuple[Message, ...]
    read: Callable[[str], Sample]


async def score(model: ChatModel, case: Case, how: Scoring | None = None) -> list[Scored]:
    """Critique and score of every step of one response, in order."""
    return (await score_all(model, [case], how))[0]


def step_question(case: Case, step: int) -> Question:
    """The critic's question on one step, counted from 0."""
    return Question(critic(case.preference, case.query, case.steps[:step], case.steps[step]), _read)


async def score_all(
    model: ChatModel,
    cases: Sequence[Case],
    how: Scoring | None = None,
    tell: Callable[[int], None] | None = None,
    ask: Callable[[Case, int], Question] = step_question,
) -> list[list[Scored]]:
    """The same for many responses, in the order given. `tell` hears how many steps are done; `ask` says what is asked of one."""
    order = sorted(range(len(cases)), key=lambda place: cases[place])
    flat = [(place, step) for place in order for step in range(len(cases[place].steps))]
    found = await answers(model, [ask(cases[place], step) for place, step in flat], how, tell)
    at = dict(zip(flat, found, strict=True))
    return [[at[place, step] for step in range(len(case.steps))] for place, case in enumerate(cases)]


async def answers(
    model: ChatModel,
    questions: Sequence[Question],
    how: Scoring | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[Scored]:
    """What the critic says to each question, in the order given; they are asked in that order too, side by side."""
    how = how or Scoring()
    places = asyncio.Semaphore(how.side_by_side)
    done = 0

    async def one(question: Question) -> Scored:
        nonlocal done
        scored = await _scored([_whole(model)] * how.samples, question, how, places)
        done += 1
        if tell is not None:
            tell(done)
        return scored

    return list(await asyncio.gather(*(one(question) for question in questions)))


async def stream_score(
    model: ChatModel, case: Case, how: Scoring | None = None, only: Sequence[int] | None = None
) -> AsyncGenerator[Piece | Done]:
    """The same for one response, as it is written: pieces of the first sample of every step, and each step's end.

    `only`: the places of the steps that are asked about, all by default. Closing the iterator takes the questions back.
    """
    how = how or Scoring()
    places = asyncio.Semaphore(how.side_by_side)
    events: asyncio.Queue[Piece | asyncio.Task[Done]] = asyncio.Queue()

    async def one(step: int) -> Done:
        asks = [_shown(model, step, events), *[_whole(model)] * (how.samples - 1)]
        return Done(step, await _scored(asks, step_question(case, step), how, places))

    tasks = [asyncio.create_task(one(step)) for step in (range(len(case.steps)) if only is None else only)]
    for task in tasks:
        task.add_done_callback(events.put_nowait)
    try:
        left = len(tasks)
        while left:
            event = await events.get()
            left -= isinstance(event, asyncio.Task)
            yield event.result() if isinstance(event, asyncio.Task) else event
    finally:
        for task in tasks:
            task.cancel()


def _whole(model: ChatModel) -> _Asking:
    async def asking(ask: Ask) -> str | Failure:
        outcome = await model.ask(ask)
        return outcome if isinstance(outcome, Failure) else outcome.text

    return asking


def _shown(model: ChatModel, step: int, events: asyncio.Queue[Piece | asyncio.Task[Done]]) -> _Asking:
    async def asking(ask: Ask) -> str | Failure:
        events.put_nowait(Piece(step, "", fresh=True))
        pieces: list[str] = []
        async for piece in model.stream(ask):
            if isinstance(piece, Failure):
                return piece
            if isinstance(piece, Cut):
                break  # a critique that was cut off is read all the same: its score may be there
            pieces.append(piece)
            events.put_nowait(Piece(step, piece))
        return "".join(pieces)

    return asking


async def _scored(asks: Sequence[_Asking], question: Question, how: Scoring, places: asyncio.Semaphore) -> Scored:
    """One answer from all of its samples."""
    return average(
        await asyncio.gather(*(_sample(ask, question, repeat, how, places) for repeat, ask in enumerate(asks)))
    )


async def _sample(asking: _Asking, question: Question, repeat: int, how: Scoring, places: asyncio.Semaphore) -> Sample:
    """One sample; another try where the reply cannot be read."""
    found = Sample(None, "", "It was not asked.")
    for attempt in range(1 + how.retries):
        ask = Ask(question.messages, how.max_tokens)
        if how.samples > 1 or attempt:
            number = repeat * (1 + how.retries) + attempt
            ask = replace(ask, temperature=how.temperature, seed=how.seed + number, repeat=number)
        async with places:
            outcome = await asking(ask)
        found = unscored(outcome.reason) if isinstance(outcome, Failure) else question.read(outcome)
        if found.score is not None:
            break
    return found


def unscored(reason: str) -> Sample:
    """A sample without a score."""
    return Sample(None, "", shorten(reason, REASON))


def _read(text: str) -> Sample:
    read = read_critique(text)
    return unscored(read.reason) if isinstance(read, Malformed) else Sample(read.score, read.critique)


def average(taken: Sequence[Sample]) -> Scored:
    """One score from the samples of a step: the mean of the valid ones; unscored with the first reason where there is none."""
    valid = [(one.score, one.critique) for one in taken if one.score is not None]
    if not valid:
        return Scored(None, "", None, tuple(taken), taken[0].why if taken else "It was not asked.")
    values = [value for value, _ in valid]
    mean = statistics.fmean(values)
    nearest = min(valid, key=lambda pair: abs(pair[0] - mean))
    return Scored(mean, nearest[1], statistics.stdev(values) if len(values) > 1 else None, tuple(taken))
