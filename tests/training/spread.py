"""One training of a policy in as many processes as it is started in, on responses that are given: for a test.

Which response is which depends only on its place in the whole batch and on the update, so one process and two see the same.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.engines.roles import STARTER
from core.scoring import Case, Scored
from training.cdpa import CDPATrainer, Credit
from training.policy import PolicyRecipe, Prompt, train_policy

PROMPTS = [Prompt("I like quiet places.", "Where do I go?"), Prompt("I never borrow money.", "How do I pay?")]
TEXTS = [
    "Step 1: They hide.\nStep 2: Go early and bring some tea with you.",
    "Step 1: a",
    "Hm.\nStep 1: They like it calm\nStep 3: So walk along the river in the morning, where nobody is.",
    "no marker at all",
    "Step 1: They would rather save.\nStep 2: They dislike debt.\nStep 3: Pay with what you have.",
]


def by_length(cases: Sequence[Case]) -> list[list[Scored]]:
    return [
        [
            Scored(None, "", None, (), "away") if step == "a" else Scored(min(1.0, len(step) / 60), "c", None, ())
            for step in case.steps
        ]
        for case in cases
    ]


def given(self: Any, prompt_ids: list[Any], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
    """The responses of this process."""
    begin = self.accelerator.process_index * len(prompt_ids) + self.state.global_step
    texts = [TEXTS[(begin + row) % len(TEXTS)] for row in range(len(prompt_ids))]
    tokenizer = self.processing_class
    return [[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in texts], None


class Silent:
    """A reporter that nobody reads; with `stop` it wishes to end after the first update, on the second process only."""

    def __init__(self, stop: bool) -> None:
        self._stop, self._done = stop, 0.0

    def progress(self, done: float, total: float, message: str = "") -> None:
        self._done = done

    def metric(self, step: int, name: str, value: float) -> None: ...

    def input(self, name: str, digest: str) -> None: ...

    def cancelled(self) -> bool:
        from accelerate import PartialState

        return self._stop and self._done >= 1 and PartialState().process_index == 1


if __name__ == "__main__":
    CDPATrainer._generate_single_turn = given  # type: ignore[method-assign]
    recipe = PolicyRecipe(
        credit=Credit(), updates=2, group=4, prompts=2, batch=2, rate=1e-5, max_new=80, rank=0, save_every=5, device="cpu",
        beta=0.04, iterations=1,
    )  # fmt: skip
    train_policy(STARTER, PROMPTS, by_length, Path(sys.argv[1]), recipe, Silent("stop" in sys.argv))
