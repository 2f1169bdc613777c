"""A reward model as people publish them: a sequence classifier whose head gives a whole response one number (GRPO + RM, SPEC 4).

Knows checkpoints and tokens; not what the number is used for. A step of a response carries the number of the whole.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from core.parsing import number_steps
from core.prompts.policy import policy
from core.scoring import Case, Sample, Scored, average, unscored
from training.models import OFFLINE, UNREADABLE, NotLoadable, device_of, load_tokenizer, unreadable

TOGETHER = 8
"""Responses in one forward."""


class RewardModel:
    """Called with cases it returns a Scored for every step, like a critic, without a critique.

    The score is 2 sigmoid(x) - 1 of the number x of the head: in [-1, 1], and in the order of x. Of x a Bradley-Terry model knows
    differences only, so 0 means nothing; the advantages of a group are made of differences too.
    """

    def __init__(self, folder: Path, device: str = "auto") -> None:
        """Load the checkpoint. Raises NotLoadable, also for a model without a trained head for one number."""
        place = device_of(device)
        self._tokenizer: PreTrainedTokenizerBase = load_tokenizer(folder)
        self._tokenizer.padding_side = "right"
        try:
            model, told = AutoModelForSequenceClassification.from_pretrained(
                folder,
                dtype=torch.float32 if place.type == "cpu" else torch.bfloat16,
                use_safetensors=True,
                output_loading_info=True,
                **OFFLINE,
            )
        except UNREADABLE as error:
            raise unreadable(folder, error) from error
        if told["missing_keys"] or model.config.num_labels != 1:
            raise NotLoadable(
                f"The checkpoint in {folder} is no reward model: it needs a trained head that gives one number "
                "(a model for sequence classification with one label)."
            )
        # The head is read at the last token that is no padding. Where padding looks like the end of a turn, that would be one
        # too early; such a checkpoint reads its rows one by one, without padding.
        self._together = TOGETHER if self._tokenizer.pad_token_id != self._tokenizer.eos_token_id else 1
        model.config.pad_token_id = self._tokenizer.pad_token_id if self._together > 1 else None
        self._model = model.eval().to(place)
        self._longest = int(getattr(model.config, "max_position_embeddings", 0) or 2048)

    def __call__(self, cases: Sequence[Case]) -> list[list[Scored]]:
        """One Scored for every step, in order; a response that is too long to be read is unscored, with the reason."""
        found: dict[int, Sample] = {}
        ids = {place: self._ids(case) for place, case in enumerate(cases) if case.steps}
        for place, own in ids.items():
            if len(own) > self._longest:
                found[place] = unscored(f"The reward model reads {self._longest:,} tokens; this is {len(own):,}.")
        fits = sorted((place for place in ids if place not in found), key=lambda place: len(ids[place]))
        for start in range(0, len(fits), self._together):
            part = fits[start : start + self._together]
            found |= zip(part, self._numbers([ids[place] for place in part]), strict=True)
        return [[average([found[place]])] * len(case.steps) if case.steps else [] for place, case in enumerate(cases)]

    def _ids(self, case: Case) -> list[int]:
        asked = [message._asdict() for message in policy(case.preference, case.query)]
        said = {"role": "assistant", "content": "\n".join(number_steps(list(case.steps)))}
        text = self._tokenizer.apply_chat_template([*asked, said], tokenize=False)
        return self._tokenizer(str(text), add_special_tokens=False)["input_ids"]  # type: ignore[return-value]

    @torch.no_grad()
    def _numbers(self, rows: Sequence[list[int]]) -> list[Sample]:
        batch = self._tokenizer.pad({"input_ids": list(rows)}, return_tensors="pt").to(self._model.device)
        numbers = self._model(**batch).logits[:, 0].double()
        scores = (2 * numbers.sigmoid() - 1).tolist()
        return [
            Sample(score, "") if score == score else unscored("The reward model gave no number.") for score in scores
        ]
