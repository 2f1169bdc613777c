"""Train a policy on the ranked paths of trees: the listwise preference loss of `core.tpo` on tensors (SPEC 4a).

Knows transformers' Trainer and tokens; `training.runs` knows the folder. Like `core.tpo` it is a reconstruction: the paper prints
no formula. The reference's log probabilities are those of the base, computed once before the training.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import get_peft_model
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid
from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments

from core.jobs import Reporter
from core.policy_data import Ranked, response
from core.steps import find_steps, steps_of_tokens
from core.tpo import differences, weights
from training.models import Loaded
from training.runs import Lesson, Outcome, Recipe, Setting, run
from training.sft import check_lengths
from training.sharding import settled
from training.turns import turn


@dataclass(frozen=True, slots=True)
class Preference:
    """How paths are compared: the recipe (its `batch` counts trees), `beta` of the implicit rewards, and whether steps are
    weighed by how much they differ."""

    recipe: Recipe = field(default_factory=Recipe)
    beta: float = 0.1
    weigh: bool = True


def train_tpo(
    base: Path, train: Sequence[Ranked], held_out: Sequence[Ranked], folder: Path, how: Preference, reporter: Reporter
) -> Outcome:
    """A policy that ranks the paths of `train` as their values do (see `training.runs.run`). Raises NotTrainable."""

    def rows(loaded: Loaded, found: Sequence[Ranked], limit: int) -> Dataset | None:
        return _rows(loaded, found, limit, how.weigh)

    def trainer(setting: Setting) -> TPOTrainer:
        return _trainer(setting, how.beta)

    told = repr({name: value for name, value in asdict(how).items() if name != "recipe"})
    return run(base, Lesson("tpo", train, held_out, rows, trainer, told), folder, how.recipe, reporter)


def step_sums(log_probs: Tensor, index: Tensor, steps: int) -> Tensor:
    """Sums of the log probabilities (B, T) over the tokens of each step (B, K); index (B, T) is -1 for tokens in none."""
    room = torch.zeros(log_probs.shape[0], steps + 1, dtype=log_probs.dtype, device=log_probs.device)
    return room.scatter_add(1, torch.where(index < 0, steps, index), log_probs)[:, :steps]


def loss(ratios: Tensor, values: Tensor, differing: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """The loss of one tree, and its margins of the pairs v_i > v_j (P,): as `core.tpo.loss` and `core.tpo.margins`.

    ratios (N, K), values (N,), differing (N, N, K).
    """
    margin = beta * (differing * (ratios[:, None] - ratios[None])).sum(-1)
    pairs = values[:, None] > values[None]
    if not pairs.any():
        return ratios.sum() * 0.0, margin[pairs]
    lambdas = torch.as_tensor(weights(values.double().cpu().numpy()), dtype=margin.dtype, device=margin.device)
    return -(lambdas * logsigmoid(margin))[pairs].mean(), margin[pairs]


def log_probs_of(model: Any, ids: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """log pi(token t | tokens before t) (B, T); 0 at the first token. The output at t - 1 is what says token t."""
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float() / temperature
    found = log_softmax(logits, dim=-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return torch.cat([torch.zeros_like(found[:, :1]), found], dim=1)


def padded(rows: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Rows of one width, padded on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])


def _tokens(tokenizer: PreTrainedTokenizerBase, one: Ranked, steps: Sequence[str]) -> tuple[list[int], list[int]]:
    """Token ids of prompt and path, and the step of each token: -1 for the prompt."""
    made = turn(tokenizer, one.prompt, response(steps))
    spans = [(span.start, span.end) for span in find_steps(made.reply).steps]
    index = steps_of_tokens(spans, made.ends[made.start :], ended=True)
    return made.ids, [-1] * made.start + index


def _rows(loaded: Loaded, found: Sequence[Ranked], limit: int, weigh: bool) -> Dataset | None:
    """One row for each tree: token ids and steps of its paths, what the base says of each step, values, differences."""
    rows: list[dict[str, Any]] = []
    sizes: list[int] = []
    for one in found:
        ids, index = zip(*(_tokens(loaded.tokenizer, one, steps) for steps in one.responses), strict=True)
        sizes.append(max(map(len, ids)))
        differing = differences(one.responses)
        rows.append(
            {"ids": list(ids), "index": list(index), "values": list(one.values),
             "differing": (differing if weigh else differing * 0 + 1).tolist()}
        )  # fmt: skip
    check_lengths(sizes, [one.scenario for one in found], limit)
    for row in rows:
        row["reference"] = _reference(loaded, row)
    return Dataset.from_list(rows) if rows else None


@torch.no_grad()
def _reference(loaded: Loaded, row: dict[str, Any]) -> list[list[float]]:
    """Sums of the base's log probabilities over each step (N, K), path by path."""
    found: list[list[float]] = []
    for ids, index in zip(row["ids"], row["index"], strict=True):
        tokens, steps = (torch.tensor([one], device=loaded.model.device) for one in (ids, index))
        own = log_probs_of(loaded.model, tokens, torch.ones_like(tokens))
        found.append(step_sums(own, steps, len(row["differing"][0][0]))[0].tolist())
    return found


def _trainer(setting: Setting, beta: float) -> "TPOTrainer":
    model: Any = setting.loaded.model
    if setting.lora is not None:
        model.enable_input_require_grads()
        model = get_peft_model(model, setting.lora)
    padding = setting.loaded.tokenizer.pad_token_id or 0
    return TPOTrainer(
        beta,
        model=model,
        args=settled(TrainingArguments(**setting.arguments)),
        data_collator=lambda features: collated(features, padding),
        train_dataset=setting.sides[0],
        eval_dataset=setting.sides[1],
        processing_class=setting.loaded.tokenizer,
        callbacks=setting.callbacks,
    )


def collated(features: Sequence[dict[str, Any]], padding: int) -> dict[str, Any]:
    """The paths of all trees of a batch as rows (B, T), and what belongs to each tree as a list of tensors."""
    ids = [path for one in features for path in one["ids"]]
    index = [path for one in features for path in one["index"]]
    mask = [[1] * len(path) for path in ids]
    trees = [{name: torch.tensor(one[name]) for name in ("values", "differing", "reference")} for one in features]
    return {"ids": padded(ids, padding), "mask": padded(mask, 0), "index": padded(index, -1), "trees": trees}


class TPOTrainer(Trainer):
    """Trainer with the listwise loss; logs the share of pairs in the right order (`right`) and the mean `margin`."""

    def __init__(self, beta: float, **options: Any) -> None:
        super().__init__(**options)
        self.beta = beta
        self.model_accepts_loss_kwargs = False  # the loss is a mean: batches of an update are averaged, not summed
        self._margins: dict[str, list[Tensor]] = {"train": [], "eval": []}

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of the trees of a batch."""
        own = log_probs_of(model, inputs["ids"], inputs["mask"])
        found: list[Tensor] = []
        start = 0
        for tree in inputs["trees"]:
            end = start + len(tree["values"])
            sums = step_sums(own[start:end], inputs["index"][start:end], tree["reference"].shape[1])
            lost, margins = loss(sums - tree["reference"], tree["values"], tree["differing"], self.beta)
            found.append(lost)
            self._margins["train" if model.training else "eval"].append(margins.detach())
            start = end
        mean = torch.stack(found).mean()
        return (mean, {}) if return_outputs else mean

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[Tensor, None, None]:
        """Only the loss: there are no predictions to gather."""
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)).detach(), None, None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add what the margins of all pairs since the last log say."""
        mode = "eval" if any(name.startswith("eval_") for name in logs) else "train"
        if self._margins[mode] and ("loss" in logs or "eval_loss" in logs):
            margins = torch.cat(self._margins[mode])
            before = "eval_" if mode == "eval" else ""
            logs |= {f"{before}right": (margins > 0).double().mean().item(), f"{before}margin": margins.mean().item()}
            self._margins[mode] = []
        super().log(logs, start_time)
