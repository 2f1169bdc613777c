"""From a way of prompting and a case to what a model is asked, and from its reply to the answer that is judged (SPEC 4, 5).

Knows methods, cases and filler turns; does not know which model answers, what a critic says of several answers
(`core.best_of`), or where cases and turns come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

from core.best_of import By
from core.parsing import LONGEST_REPLY, Malformed, read_answer, read_steps
from core.ports import Ask, Message
from core.prompts import conversing, policy
from core.prompts.policy import Shot

MethodName = Literal["zero_shot", "few_shot", "chain_of_thought", "step_by_step", "best_of_n", "reminder"]
Judged = Literal["answer", "response"]
"""What a judge reads: the answer that a person would be given, or the whole response with its thinking."""


class Exchange(NamedTuple):
    """One user message and its answer."""

    user: str
    assistant: str


class Case(NamedTuple):
    """One thing to answer: the preference P, the query q, and the exchanges in which the preference showed itself.

    Without exchanges the preference is stated (PrefEval explicit, DeepPref); with them the model sees only the exchanges
    (PrefEval choice and persona), and the preference is for the judge.
    """

    preference: str
    query: str
    shown: tuple[Exchange, ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """A way of prompting.

    `shots`: 1 to 10 examples, for few-shot only. `samples`: answers for each case, 2 or more for best of N only, of which a
    critic keeps the best `by` its step scores. Raises ValueError where they do not go together.
    """

    name: MethodName
    shots: tuple[Shot, ...] = ()
    samples: int = 1
    by: By = "mean"

    def __post_init__(self) -> None:
        if (self.name == "few_shot") != bool(self.shots) or len(self.shots) > 10:
            raise ValueError(f"1 to 10 examples go with few-shot and with nothing else, not {len(self.shots)}")
        if (self.name == "best_of_n") != (self.samples > 1):
            raise ValueError(f"two or more samples go with best of N and with nothing else, not {self.samples}")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn. `temperature` 0 is greedy; best of N needs more than 0. `seed` >= 0 holds for every case."""

    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 1


def messages(method: Method, case: Case, filler: Sequence[Exchange] = ()) -> tuple[Message, ...]:
    """What a model is asked about a case after the `filler` exchanges, which are about something else.

    A stated preference without filler is one message with both, the form that policies are trained on. Otherwise it is a
    conversation: how the preference showed itself (a stated one is acknowledged by a fixed line), the filler, the query.
    """
    if not case.shown and not filler:
        return _at_once(method, case)
    return conversing.late(_way(method.name), turns(case, filler), case.query, method.shots)


def turns(case: Case, filler: Sequence[Exchange]) -> list[Message]:
    """What was said before the query: how the preference showed itself, then the filler."""
    shown = case.shown or (Exchange(case.preference, conversing.ACKNOWLEDGED),)
    return [
        message
        for one in (*shown, *filler)
        for message in (Message("user", one.user), Message("assistant", one.assistant))
    ]


def _way(name: MethodName) -> conversing.Way:
    return "step_by_step" if name == "best_of_n" else name


def _at_once(method: Method, case: Case) -> tuple[Message, ...]:
    way = _way(method.name)
    match way:
        case "zero_shot":
            return policy.zero_shot(case.preference, case.query)
        case "few_shot":
            return policy.few_shot(case.preference, case.query, method.shots)
        case "chain_of_thought":
            return policy.chain_of_thought(case.preference, case.query)
        case "step_by_step":
            return policy.policy(case.preference, case.query)
        case "reminder":
            return conversing.reminder(case.preference, case.query)
        case _:
            assert_never(way)


def asks(method: Method, case: Case, how: Sampling, filler: Sequence[Exchange] = ()) -> tuple[Ask, ...]:
    """The questions to a model about a case: one, or one for each sample of best of N, each with a seed of its own.

    Raises ValueError for best of N at temperature 0: all samples would be the same.
    """
    if method.samples > 1 and how.temperature <= 0:
        raise ValueError("best of N needs a temperature above 0: greedy samples are all the same")
    asked = messages(method, case, filler)
    return tuple(
        Ask(asked, how.max_tokens, how.temperature, how.top_p, how.seed + sample, repeat=sample)
        for sample in range(method.samples)
    )


def take_filler(exchanges: Sequence[Exchange], turns: int) -> tuple[Exchange, ...]:
    """The first `turns` exchanges. Raises ValueError with a sentence where there are not as many."""
    if not 0 <= turns <= len(exchanges):
        raise ValueError(f"{turns} filler turns were asked for, and {len(exchanges)} are there")
    return tuple(exchanges[:turns])


def read_response(name: MethodName, text: str, judged: Judged = "answer") -> str | Malformed:
    """What a judge reads of a reply: the answer by itself, or the whole response. Malformed where the answer cannot be found.

    Step-by-step: the last step; chain of thought: what follows `Answer:`; else the reply without thinking aloud.
    """
    if judged == "response":
        if not text.strip():
            return Malformed("The reply is empty.")
        return (
            text if len(text) <= LONGEST_REPLY else Malformed(f"The reply has more than {LONGEST_REPLY:,} characters.")
        )
    if _way(name) != "step_by_step":
        return read_answer(text)
    steps = read_steps(text)
    return steps if isinstance(steps, Malformed) else steps[-1]
