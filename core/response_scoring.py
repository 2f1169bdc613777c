"""Score responses with a critic in every way a reward can be made of (SPEC 4, 4a): step by step, or one number for the whole.

Knows what is asked and how a reply becomes a number in [-1, 1]; does not know what answers. Where one number is asked for, every
step of a response carries it, so the mean of its steps is the score and nothing else has to know the difference.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from core.parsing import Malformed, read_checklist, read_critique, read_review
from core.policy_specs import Reward, Whole
from core.ports import ChatModel
from core.prompts.checklist import QUESTIONS, checklist
from core.prompts.judging import critic, review
from core.scoring import Case, Question, Sample, Scored, Scoring, answers, score_all, step_question, unscored


async def score_responses(
    model: ChatModel,
    cases: Sequence[Case],
    reward: Reward,
    how: Scoring | None = None,
    tell: Callable[[int], None] | None = None,
) -> list[list[Scored]]:
    """One Scored for every step, in order. `tell` hears how many questions are answered. A case without steps is passed over."""
    match reward:
        case "steps":
            return await score_all(model, cases, how, tell)
        case "steps+review":
            return await score_all(model, cases, how, tell, _answer_by_review)
        case "response" | "review" | "rubric":
            return await _whole(model, cases, reward, how, tell)
        case _:
            assert_never(reward)


def _answer_by_review(case: Case, step: int) -> Question:
    """The last step is the answer; it has a rubric of its own."""
    return question(case, "review") if step == len(case.steps) - 1 else step_question(case, step)


async def _whole(
    model: ChatModel, cases: Sequence[Case], reward: Whole, how: Scoring | None, tell: Callable[[int], None] | None
) -> list[list[Scored]]:
    asked = [case for case in cases if case.steps]
    found = iter(await answers(model, [question(case, reward) for case in asked], how, tell))
    return [_spread(next(found), len(case.steps)) if case.steps else [] for case in cases]


def _spread(scored: Scored, steps: int) -> list[Scored]:
    """The score on every step; the critique stands at the first one only."""
    return [scored, *[scored._replace(critique="", samples=())] * (steps - 1)]


def question(case: Case, reward: Whole) -> Question:
    """What is asked about a whole response: its last step is the answer. Raises ValueError without a step."""
    if not case.steps:
        raise ValueError("a response without a step cannot be judged")
    *steps, answer = case.steps
    match reward:
        case "response":
            return Question(critic(case.preference, case.query, (), "\n".join(case.steps)), _number)
        case "review":
            return Question(review(case.preference, case.query, steps, answer), _review)
        case "rubric":
            return Question(checklist(case.preference, case.query, steps, answer), _checklist)
        case _:
            assert_never(reward)


def _number(text: str) -> Sample:
    read = read_critique(text)
    return unscored(read.reason) if isinstance(read, Malformed) else Sample(read.score, "")


def _review(text: str) -> Sample:
    read = read_review(text)
    return unscored(read.reason) if isinstance(read, Malformed) else Sample(2 * read.total / 100 - 1, read.text)


def _checklist(text: str) -> Sample:
    read = read_checklist(text, len(QUESTIONS))
    if isinstance(read, Malformed):
        return unscored(read.reason)
    lines = [f"{'yes' if yes else 'no'}: {asked}" for asked, yes in zip(QUESTIONS, read, strict=True)]
    return Sample(sum(read) / len(read), "\n".join(lines))
