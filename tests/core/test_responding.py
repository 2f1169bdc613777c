"""A response as it grows: steps come when they are whole, each is judged once after those before it, and every end is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from core.evaluation.methods import MethodName
from core.ports import Ask, Cut, Failure, Message, Reply, Streamed
from core.responding import Asked, Event, Finished, Growing, Whole, Written, respond
from core.scoring import Done, Piece
from core.steps import find_steps
from tests.fakes import ScriptedModel

TEXT = "So.\nStep 1: They value privacy: it is theirs.\n\nStep 2: They fear\nto be followed.\nStep 3: Share a plan, not a place."
ASK = Ask((Message("user", "?"),))


class Typed:
    """A model that writes the same text in pieces of one size and ends as it is told to."""

    def __init__(self, text: str, size: int, end: Failure | Cut | None = None) -> None:
        self.name, self.text, self.size, self.end = "typed", text, size, end
        self.left = False

    async def ask(self, ask: Ask) -> Reply | Failure:
        raise NotImplementedError

    async def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        try:
            for start in range(0, len(self.text), self.size):
                await asyncio.sleep(0)
                yield self.text[start : start + self.size]
            if self.end is not None:
                yield self.end
        finally:
            self.left = True


def events(model: Typed, critic: ScriptedModel | None = None, method: MethodName = "step_by_step") -> list[Event]:
    async def all_of() -> list[Event]:
        return [event async for event in respond(model, critic, Asked("P", "q", method, ASK))]

    return asyncio.run(all_of())


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_steps_are_those_of_the_finished_text_however_it_came(size: int) -> None:
    found = events(Typed(TEXT, size))
    assert "".join(one.text for one in found if isinstance(one, Written)) == TEXT
    assert [one.span for one in found if isinstance(one, Whole)] == list(find_steps(TEXT).steps)
    assert [one.step for one in found if isinstance(one, Whole)] == [0, 1, 2]
    assert found[-1] == Finished("markers", find_steps(TEXT).notes, "Share a plan, not a place.", "", False)


def test_a_step_is_there_as_soon_as_the_next_begins() -> None:
    growing = Growing()
    assert growing.feed("Step 1: one\nStep 2") == []
    (whole,) = growing.feed(": two")
    assert (whole.step, whole.span.text) == (0, "one")
    assert growing.feed(" and: more") == []
    left, finished = growing.finish("step_by_step", cut=False)
    assert [(one.step, one.span.text) for one in left] == [(1, "two and: more")]
    assert finished.answer == "two and: more"


def test_every_step_is_judged_once_after_those_before_it() -> None:
    critic = ScriptedModel(lambda ask: f"Reasoning: on {len(critic.asked)}. SCORE: 0.5")
    found = events(Typed(TEXT, 3), critic)
    assert sorted(one.step for one in found if isinstance(one, Done)) == [0, 1, 2]
    for place in range(3):
        own = [one for one in found if isinstance(one, Whole | Piece | Done) and one.step == place]
        assert isinstance(own[0], Whole) and isinstance(own[-1], Done) and own[-1].scored.score == 0.5
    first = min(found.index(one) for one in found if isinstance(one, Done))
    assert first < max(found.index(one) for one in found if isinstance(one, Written)), "while the response is written"
    asked = sorted((ask.messages[-1].content for ask in critic.asked), key=len)
    assert "to be followed" not in asked[0] and "to be followed" in asked[-1] and "Share a plan" in asked[-1]


def test_a_response_that_breaks_off_keeps_its_whole_steps() -> None:
    critic = ScriptedModel(lambda ask: "Reasoning: fine. SCORE: 0.1")
    for end, cut, failed in ((Cut(), True, ""), (Failure("server", "It broke.", 1), False, "It broke.")):
        found = events(Typed(TEXT, 5, end), critic)
        assert [one.step for one in found if isinstance(one, Whole)] == [0, 1], "the last one is not whole"
        (ended,) = (one for one in found if isinstance(one, Finished))
        assert (ended.cut, ended.failed, ended.answer) == (cut, failed, None) and "broke off" in ended.why
    (only,) = events(Typed("", 5, Failure("busy", "Too many.", 3)))
    assert only == Finished("whole", (), None, "It broke off before its answer.", False, "Too many.")


def test_other_methods_have_an_answer_and_steps_by_paragraph() -> None:
    found = events(Typed("Analysis: quiet.\n\nAnswer: Go early.", 4), method="chain_of_thought")
    (ended,) = (one for one in found if isinstance(one, Finished))
    assert (ended.how, ended.answer) == ("paragraphs", "Go early.")
    assert [one.span.text for one in found if isinstance(one, Whole)] == ["Analysis: quiet.", "Answer: Go early."]


def test_who_stops_listening_takes_everything_back() -> None:
    model, critic = Typed(TEXT * 50, 1), ScriptedModel(lambda ask: "Reasoning: fine. SCORE: 0.1")

    async def story() -> None:
        told = respond(model, critic, Asked("P", "q", "step_by_step", ASK))
        async for event in told:
            if isinstance(event, Whole):
                break
        await told.aclose()
        assert model.left
        assert len(asyncio.all_tasks()) == 1, "nothing is still at work"

    asyncio.run(story())


def test_a_thousand_steps_are_bounded() -> None:
    text = "".join(f"Step {n}: x\n" for n in range(1, 1001))
    found = events(Typed(text, 50))
    assert [one.span for one in found if isinstance(one, Whole)] == list(find_steps(text).steps)
