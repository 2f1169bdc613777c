"""Scores of the steps of a response: order, samples, retries, streams, and what is never invented."""

import asyncio
import math
from collections.abc import Callable

import pytest

from core.ports import Ask, Failure, Reply
from core.scoring import Case, Done, Piece, Sample, Scoring, average, score, score_all, stream_score
from tests.fakes import ScriptedModel

CASE = Case("I like quiet.", "Where to?", ("They tire of crowds.", "They want control.", "Go to the lake."))


def said(value: float) -> str:
    return f"Reasoning: It looks at the case. SCORE: {value}"


def by_step(values: list[float]) -> Callable[[Ask], str]:
    """A critic that scores by which step is in the fence."""

    def answer(ask: Ask) -> str:
        text = ask.messages[-1].content
        fence = text.split("[[judge this]]")[1]
        return said(next(value for value, step in zip(values, CASE.steps, strict=True) if step in fence))

    return answer


def test_every_step_is_judged_after_those_before_it() -> None:
    model = ScriptedModel(by_step([0.9, -0.25, 0.0]))
    found = asyncio.run(score(model, CASE))
    assert [one.score for one in found] == [0.9, -0.25, 0.0]
    assert all(one.critique == "It looks at the case." and one.spread is None and one.why == "" for one in found)
    assert [ask.temperature for ask in model.asked] == [0, 0, 0]
    last = model.asked[-1].messages[-1].content
    assert "[[step 1]]\nThey tire of crowds." in last and "[[step 2]]" in last and "[[step 3]]" not in last


def test_questions_stand_in_an_order_in_which_neighbours_share_a_beginning() -> None:
    other = CASE._replace(preference="Only noise is fine.")
    model = ScriptedModel(by_step([0.1, 0.2, 0.3]))
    cases = [CASE, other, CASE._replace(steps=CASE.steps[:2])]
    found = asyncio.run(score_all(model, cases, Scoring(side_by_side=1)))
    assert [[one.score for one in steps] for steps in found] == [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2]]
    asked = [ask.messages[-1].content for ask in model.asked]
    assert ["noise" in text for text in asked] == [False] * 5 + [True] * 3


def test_no_more_questions_than_allowed_are_in_flight() -> None:
    inside = most = 0

    class Slow(ScriptedModel):
        async def ask(self, ask: Ask) -> Reply | Failure:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            return await super().ask(ask)

    heard: list[int] = []
    model = Slow(by_step([0.1, 0.2, 0.3]))
    asyncio.run(score_all(model, [CASE] * 5, Scoring(side_by_side=4), heard.append))
    assert most == 4 and heard == list(range(1, 16))


def test_samples_are_averaged_each_with_a_seed_of_its_own() -> None:
    values = iter([0.2, 0.8, 0.5])
    model = ScriptedModel(lambda _: said(next(values)))
    (found,) = asyncio.run(score(model, CASE._replace(steps=CASE.steps[:1]), Scoring(samples=3, side_by_side=1)))
    assert found.score == pytest.approx(0.5) and found.spread == pytest.approx(0.3)
    assert [one.score for one in found.samples] == [0.2, 0.8, 0.5]
    assert len({ask.seed for ask in model.asked}) == len({ask.repeat for ask in model.asked}) == 3
    assert all(ask.temperature == 0.7 for ask in model.asked)


def test_a_reply_without_a_score_is_asked_for_once_more_then_stays_unscored() -> None:
    replies = iter(["Reasoning: no score", said(0.4)])
    model = ScriptedModel(lambda _: next(replies))
    (found,) = asyncio.run(score(model, CASE._replace(steps=CASE.steps[:1])))
    assert found.score == 0.4
    assert model.asked[0].temperature == 0 and model.asked[1].temperature > 0, "the same again would be said again"

    model = ScriptedModel(lambda _: "Reasoning: good SCORE: high")
    (found,) = asyncio.run(score(model, CASE._replace(steps=CASE.steps[:1])))
    assert (
        found.score is None and found.why == "No SCORE in the reply is a number from -1 to 1." and len(model.asked) == 2
    )

    model = ScriptedModel(lambda _: Failure("timeout", "The server took too long.", 5))
    (found,) = asyncio.run(score(model, CASE._replace(steps=CASE.steps[:1]), Scoring(samples=2)))
    assert found.score is None and found.why == "The server took too long."


def test_an_average_leaves_out_what_was_not_scored() -> None:
    found = average([Sample(None, "", "broken"), Sample(0.2, "low"), Sample(0.6, "high"), Sample(0.7, "higher")])
    assert found.score == pytest.approx(0.5) and found.critique == "high"
    assert found.spread == pytest.approx(math.sqrt(0.07))
    assert average([Sample(-0.0, "flat")]).spread is None
    nothing = average([])
    assert nothing.score is None and nothing.why


def test_a_stream_shows_every_critique_as_it_is_written() -> None:
    async def events(model: ScriptedModel, how: Scoring) -> list[Piece | Done]:
        return [event async for event in stream_score(model, CASE, how)]

    found = asyncio.run(events(ScriptedModel(by_step([0.9, 0.1, -1.0])), Scoring(samples=1)))
    for step, value in enumerate([0.9, 0.1, -1.0]):
        own = [event for event in found if event.step == step]
        assert isinstance(own[0], Piece) and own[0].fresh
        assert "".join(event.text for event in own if isinstance(event, Piece)) == said(value)
        assert isinstance(own[-1], Done) and own[-1].scored.score == value
    several = asyncio.run(events(ScriptedModel(by_step([0.9, 0.1, -1.0])), Scoring(samples=3)))
    assert [len(event.scored.samples) for event in several if isinstance(event, Done)] == [3, 3, 3]


def test_a_second_try_voids_what_was_shown_of_the_first() -> None:
    replies = iter(["Reasoning: no score", said(0.4)])

    async def events() -> list[Piece | Done]:
        case = CASE._replace(steps=CASE.steps[:1])
        return [event async for event in stream_score(ScriptedModel(lambda _: next(replies)), case)]

    found = asyncio.run(events())
    fresh = [place for place, event in enumerate(found) if isinstance(event, Piece) and event.fresh]
    assert len(fresh) == 2
    shown = "".join(event.text for event in found[fresh[1] :] if isinstance(event, Piece))
    assert shown == said(0.4)


def test_a_stream_that_is_left_takes_its_questions_back() -> None:
    left: list[int] = []

    class Endless(ScriptedModel):
        async def ask(self, ask: Ask) -> Reply | Failure:
            try:
                await asyncio.sleep(3600)
            finally:
                left.append(1)
            raise AssertionError

    async def leave() -> None:
        stream = stream_score(Endless(str), CASE)
        assert isinstance(await anext(stream), Piece)
        await stream.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert len(left) == 3


def test_a_response_without_steps_has_no_scores() -> None:
    assert asyncio.run(score(ScriptedModel(str), CASE._replace(steps=()))) == []


def test_a_fault_of_the_program_ends_the_stream_instead_of_hanging() -> None:
    class Broken(ScriptedModel):
        async def ask(self, ask: Ask) -> Reply | Failure:
            raise ZeroDivisionError

    async def events() -> None:
        async for _ in stream_score(Broken(str), CASE):
            pass

    with pytest.raises(ZeroDivisionError):
        asyncio.run(asyncio.wait_for(events(), 10))
