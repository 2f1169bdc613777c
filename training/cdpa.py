"""Train a policy with an advantage for every token (CDRA paper, Eq. 3; SPEC 4, 4a): one subclass of TRL's GRPOTrainer.

Knows TRL, tokens and a function that scores steps; not what scores them. One hook of the trainer is overridden, the one that
makes advantages; two are only watched, for what is written down: log probabilities and loss. The same trainer runs the GRPO
baselines: there the advantage is one number for the whole response.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from trl.trainer.grpo_trainer import GRPOTrainer

from core.advantages import Level, Normal, signals
from core.parsing import Malformed, read_steps
from core.scoring import Case, Scored
from core.steps import marked_steps, steps_of_tokens
from training.loss import advantages, scalar_advantages, token_kl
from training.rollouts import FOLDER, Response, write
from training.turns import decoded

Score = Callable[[Sequence[Case]], list[list[Scored]]]
"""Critique and score of every step of many responses, in order; the critic's calls are its own business."""
WINDOW = 200
"""Newest steps over which the share without a score is watched."""


class CriticFailed(RuntimeError):
    """Too many steps came back without a score; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Credit:
    """How scores become advantages.

    `tokens` True is CDPA: the score of its step for every token, at `level`. False is GRPO with the mean step score as the one
    reward of a response. `format_weight` > 0 adds an ordinary group advantage for responses that end with well-numbered steps
    (SPEC 4a: without it a policy learns to write no markers). A run stops when more than `max_unscored` of the newest steps have
    no score. Every `keep_every` updates the responses are written down; 0 keeps none.
    """

    tokens: bool = True
    level: Level = "position"
    normal: Normal = field(default_factory=Normal)
    format_weight: float = 1.0
    max_unscored: float = 0.2
    keep_every: int = 1


def format_reward(text: str) -> float:
    """1.0 for steps numbered 1 to N at the start of their lines, none empty; else 0.0."""
    return 0.0 if isinstance(read_steps(text), Malformed) else 1.0


class StepRewards:
    """The reward functions: scores the steps of a batch of completions and remembers them for the advantages."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, score: Score, ends: frozenset[int]) -> None:
        self._tokenizer, self._score, self._ends = tokenizer, score, ends
        self.batch: list[Response] = []
        self.seconds = 0.0
        """How long the scores of the newest batch took."""

    def steps(
        self, prompts: list[Any], completion_ids: list[list[int]], preference: list[str], query: list[str], **_: Any
    ) -> list[float | None]:
        """The mean step score of each completion, None where no step has a score. Remembers everything in `batch`."""
        self.batch, cases = [], list[Case]()
        for prompt, ids, like, asked in zip(prompts, completion_ids, preference, query, strict=True):
            response, steps = self._read(prompt, ids, like, asked)
            self.batch.append(response)
            cases.append(Case(like, asked, steps))
        began = time.monotonic()
        found = self._score(cases)
        self.seconds = time.monotonic() - began
        for one, scored in zip(self.batch, found, strict=True):
            one.scores = [step.score for step in scored]
            one.critiques = [step.critique for step in scored]
            one.reasons = [step.why for step in scored]
        return [_mean(one.scores) for one in self.batch]

    def format(self, prompts: list[Any], **_: Any) -> list[float]:
        """The format reward of the same completions; stands behind `steps` in the list of reward functions."""
        assert len(prompts) == len(self.batch)
        return [one.format for one in self.batch]

    def _read(self, prompt: Any, ids: list[int], preference: str, query: str) -> tuple[Response, tuple[str, ...]]:
        """A response, not yet scored, and the texts of its steps: none where it was cut off or has no marker."""
        tokens = decoded(self._tokenizer, ids)
        truncated = not ids or ids[-1] not in self._ends
        steps = () if truncated else marked_steps(tokens.text)
        spans = [(step.start, step.end) for step in steps]
        shown = prompt if isinstance(prompt, str) else prompt[-1]["content"]
        response = Response(
            shown, preference, query, tokens.text, truncated, 0.0 if truncated else format_reward(tokens.text),
            list(ids), tokens.ends, steps_of_tokens(spans, tokens.ends, ended=not truncated), spans, [], [], [],
        )  # fmt: skip
        return response, tuple(step.text for step in steps)


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


class CDPATrainer(GRPOTrainer):
    """GRPOTrainer whose advantages (B, T) come from step scores. Made with `reward_funcs=[rewards.steps, rewards.format]`."""

    def __init__(self, *arguments: Any, rewards: StepRewards, credit: Credit, folder: Path, **options: Any) -> None:
        super().__init__(*arguments, reward_funcs=[rewards.steps, rewards.format], **options)
        self._steps, self._credit, self._folder = rewards, credit, folder
        self._pending: list[Response] = []
        self._newest: list[bool] = []
        self._seen: tuple[Tensor, Tensor] | None = None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """The batch of GRPOTrainer with our advantages in place of its own; `row` leads from a row to its response."""
        out = super()._generate_and_score_completions(inputs)
        own, mask = self._steps.batch, out["completion_mask"]
        index = torch.full(mask.shape, -1, dtype=torch.long, device=mask.device)
        width = max((len(one.scores) for one in own), default=0) or 1
        scores = torch.full((len(own), width), torch.nan, dtype=torch.float64, device=mask.device)
        for row, one in enumerate(own):
            index[row, : len(one.index)] = torch.tensor(one.index, device=mask.device)
            known = [torch.nan if score is None else score for score in one.scores]
            scores[row, : len(known)] = torch.tensor(known, dtype=torch.float64, device=mask.device)
        index = index.masked_fill(mask == 0, -1)
        out["advantages"] = self._advantages(scores, index, mask)
        out["row"] = torch.arange(len(own), device=mask.device)
        self._remember(own, out["advantages"], mask)
        return out

    def _advantages(self, scores: Tensor, index: Tensor, mask: Tensor) -> Tensor:
        """Advantages of the local rows (B, T), with the statistics of whole groups: rows of a group may lie on two processes."""
        group = self.num_generations if self.model.training else self.num_generations_eval
        # Cut-off responses count as badly formed, though they learn nothing: else nothing speaks for ending a response at all.
        formats = torch.tensor([one.format for one in self._steps.batch], dtype=torch.float64)
        whole, places, real = self._gathered(scores, torch.nan), self._gathered(index, -1), self._gathered(mask, 0)
        means = torch.where((~whole.isnan()).any(1), whole.nanmean(1), torch.nan)
        credit = self._credit
        if credit.tokens:
            found = advantages(whole, places, group, credit.level, credit.normal)
        else:
            found = scalar_advantages(means, group, credit.normal)[:, None] * real
        if credit.format_weight:
            share = scalar_advantages(self._gathered(formats.to(mask.device), torch.nan), group, credit.normal)
            found = found + credit.format_weight * share[:, None] * real
        self._tell(whole, places, real, group)
        begin = self.accelerator.process_index * len(mask)
        return found[begin : begin + len(mask), : mask.shape[1]].float()

    def _gathered(self, values: Tensor, padding: float) -> Tensor:
        """The rows of all processes, padded to one width."""
        if values.dim() > 1:
            values = self.accelerator.pad_across_processes(values, dim=1, pad_index=padding)  # type: ignore[arg-type]
        return self.accelerator.gather(values)  # type: ignore[return-value]

    def _tell(self, scores: Tensor, index: Tensor, mask: Tensor, group: int) -> None:
        """Metrics of the batch of all processes; raises CriticFailed on every process alike."""
        metrics = self._metrics["train" if self.model.training else "eval"]
        steps, tokens = index.amax(1) + 1, mask.sum().clamp(min=1)
        asked = [place < count for count in steps.tolist() for place in range(scores.shape[1])]
        missing = [lost for lost, real in zip(scores.isnan().flatten().tolist(), asked, strict=True) if real]
        found = [
            signals(own.cpu().numpy(), at.cpu().numpy(), self._credit.normal)
            for own, at in zip(scores.split(group), index.split(group), strict=True)
        ]
        scored = sum(one.steps for one in found)
        metrics["critic_time"].append(self._steps.seconds)
        metrics["step_score"].append(scores.nanmean().item())
        metrics["unscored"].append(sum(missing) / len(missing) if missing else math.nan)
        metrics["steps"].append(steps.float().mean().item())
        metrics["outside"].append((((index < 0) & (mask > 0)).sum() / tokens).item())
        metrics["zero_grpo"].append(sum(not one.grpo for one in found) / len(found))
        metrics["zero_cdpa"].append(sum(not one.cdpa for one in found) / len(found))
        metrics["turned"].append(sum(one.turned for one in found) / scored if scored else math.nan)
        self._newest = (self._newest + missing)[-WINDOW:]
        share = sum(self._newest) / len(self._newest) if self._newest else 0.0
        if len(self._newest) >= 20 and share > self._credit.max_unscored:
            reasons = [reason for one in self._steps.batch for reason in one.reasons if reason]
            raise CriticFailed(
                f"{share:.0%} of the newest {len(self._newest)} steps have no score; "
                f"{self._credit.max_unscored:.0%} are allowed. {'The critic says: ' + reasons[0] if reasons else 'See the log.'}"
            )

    def _remember(self, own: list[Response], found: Tensor, mask: Tensor) -> None:
        group = self.num_generations
        begin = self.accelerator.process_index * len(own)
        for row, one in enumerate(own):
            one.group, one.response = divmod(begin + row, group)
            one.advantages = found[row][mask[row] > 0].tolist() or [0.0] * len(one.ids)
        self._pending = own

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **options: Any) -> Any:
        """Watched: log probabilities and entropies of the forward that has a gradient."""
        found = super()._get_per_token_logps_and_entropies(*arguments, **options)
        if options.get("compute_entropy"):
            self._seen = found[0].detach(), found[1].detach()
        return found

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        """The loss of GRPOTrainer, untouched; what it was computed from is written down."""
        loss = super()._compute_loss(model, inputs)
        every = self._credit.keep_every
        if every and self.model.training and self._pending and (self.state.global_step + 1) % every == 0:
            self._write(inputs)
        return loss

    def _write(self, inputs: dict[str, Any]) -> None:
        assert self._seen is not None
        log_probs, entropy = self._seen
        old, reference = inputs.get("old_per_token_logps"), inputs.get("ref_per_token_logps")
        rho = torch.ones_like(log_probs) if old is None else (log_probs - old).exp()
        given = inputs["advantages"]
        clipped = ((rho < 1 - self.epsilon_low) & (given < 0)) | ((rho > 1 + self.epsilon_high) & (given > 0))
        kl = None if reference is None else token_kl(log_probs, reference)
        rows = inputs["row"].tolist()
        for place, row in enumerate(rows):
            one = self._pending[row]
            count = len(one.ids)
            one.entropy = entropy[place, :count].tolist()
            one.clipped = clipped[place, :count].tolist()
            one.kl = [] if kl is None else kl[place, :count].tolist()
        if self.accelerator.sync_gradients and all(one.entropy for one in self._pending):
            write(self._folder / FOLDER, self.state.global_step + 1, self.accelerator.process_index, self._pending)
