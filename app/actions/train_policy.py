"""Train a policy by reinforcement as a background job: prompts of a set, a critic that scores while it runs, a report at the end.

Goes on from its newest checkpoint. torch is imported late, in the function that trains.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from app.actions.bases import base_at
from app.actions.policy_runs import Run, critic_of, data_of, registered, report_of, start_of
from app.actions.preflight_processes import vllm_problem
from app.actions.together import train_together
from app.actions.train_critic import check_trackers
from app.context import Context
from app.engines.live_critic import LiveCritic
from app.engines.roles import checkpoint_digest
from app.errors import Refused
from app.order import Order
from core.jobs import Reporter
from core.policy_data import Asked
from core.policy_specs import PolicySpec
from core.scoring import Case, Scored

_Score = Callable[[Sequence[Case]], list[list[Scored]]]
_NO_TORCH = "Training needs torch and trl: pip install 'subtext[train]'."
SIGNALS = ("zero_grpo", "zero_cdpa", "turned", "unscored", "outside")
"""Shares whose mean over all updates is part of the result."""
LAST = (
    "loss",
    "step_time",
    "critic_time",
    "step_score",
    "kl",
    "entropy",
    "steps",
    "grad_norm",
    "completions/mean_length",
    "rewards/format/mean",
)


def train_policy(context: Context, spec: PolicySpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run a training to its end, or until it is told to stop. Returns counts, last metrics, signals, report. Raises Refused."""
    if problem := vllm_problem(context, spec):
        raise Refused(problem)
    base = start_of(context, spec, reporter)
    check_trackers(spec.report_to, folder)
    parts = data_of(context, spec, reporter)
    prompts = parts.train[: spec.limit] if spec.limit else parts.train
    result: dict[str, Any] = {
        "train": {"scenarios": len(prompts)},
        "held_out": {"scenarios": len(parts.held_out)},
        "drawn": parts.drawn,
    }
    spec = with_reward_model(context, spec, reporter)
    run = Run(spec, base, folder, [(one.preference, one.query) for one in prompts], parts.held_out)
    critic = critic_of(context, spec, reporter, spec.reward)
    if spec.processes > 1:
        result |= train_together(context, Order(spec, base, (list(prompts), []), critic.engine), folder, reporter)
        if result["whole"] and spec.report_prompts and parts.held_out and not reporter.cancelled():
            with critic:
                result["evaluation"] = report_of(context, run, critic, reporter)
    else:
        with critic:
            result |= learn(spec, base, prompts, score_of(spec, critic), folder, reporter)
            if result["whole"]:
                result["evaluation"] = report_of(context, run, critic, reporter)
            result["critic"] = critic_counts(critic)
    if result["whole"]:
        result["model"] = registered(context, run, result)
        reporter.progress(1, 1, f"The policy is registered as model {result['model']}.")
    return result


def with_reward_model(context: Context, spec: PolicySpec, reporter: Reporter) -> PolicySpec:
    """The spec with the folder of its reward model, where it names one. Raises Refused."""
    if not spec.reward_model:
        return spec
    path = base_at(context, spec.reward_model)
    reporter.input("reward_model", checkpoint_digest(path))
    return spec.model_copy(update={"reward_model": str(path)})


def score_of(spec: PolicySpec, critic: LiveCritic) -> _Score:
    """What scores the steps: the critic by the way of the reward, or the reward model in the named folder. Raises Refused."""
    if not spec.reward_model:
        return partial(critic, reward=spec.reward)
    # Late, as below.
    try:
        from training.models import NotLoadable
        from training.reward_model import RewardModel
    except ImportError as error:
        raise Refused(_NO_TORCH) from error
    try:
        return RewardModel(Path(spec.reward_model), spec.device)
    except NotLoadable as error:
        raise Refused(str(error)) from error


def critic_counts(critic: LiveCritic) -> dict[str, Any]:
    """What a critic was asked so far: calls, failures by reason, tokens, and the seconds that were waited for it."""
    counts = critic.tally.read()
    return {
        "calls": counts.calls,
        "failures": dict(counts.failures),
        "tokens": counts.prompt_tokens + counts.completion_tokens,
        "seconds": round(critic.seconds, 1),
    }


def learn(
    spec: PolicySpec, base: Path, prompts: Sequence[Asked], score: _Score, folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """The training itself, in this process or this process's part of it: counts, last metrics, signals. Raises Refused."""
    # Late: torch belongs to the processes that run a model, never to the page or the worker.
    try:
        from training.cdpa import CriticFailed
        from training.models import NotLoadable
        from training.policy import Prompt, train_policy
    except ImportError as error:
        raise Refused(_NO_TORCH) from error
    reporter.progress(0, 0, f"Loading {base.name}.")
    asked = [Prompt(one.preference, one.query) for one in prompts]
    try:
        outcome = train_policy(base, asked, score, folder, recipe_of(spec), reporter)
    except (NotLoadable, CriticFailed) as error:
        raise Refused(str(error)) from error
    log: list[dict[str, Any]] = outcome.metrics.get("log", [])
    told = {"whole": outcome.whole, "updates": outcome.updates, "planned": outcome.planned}
    return told | {"metrics": last(log, LAST), "signals": means(log, SIGNALS)}


def recipe_of(spec: PolicySpec) -> Any:
    """The spec as a `training.policy.PolicyRecipe`."""
    # Late, as above.
    from core.advantages import Normal
    from training.cdpa import Credit
    from training.policy import PolicyRecipe

    credit = Credit(
        tokens=spec.tokens,
        level=spec.level,
        normal=Normal(spec.eps, spec.sigma_floor, spec.min_alive),
        format_weight=spec.format_weight,
        max_unscored=spec.max_unscored,
        keep_every=spec.keep_every,
    )
    same = ("group", "prompts", "batch", "updates", "warmup", "beta", "epsilon", "temperature", "top_p", "iterations", "loss",
            "max_new", "seed", "save_every", "log_every", "device", "vllm", "vllm_url")  # fmt: skip
    return PolicyRecipe(
        credit=credit,
        report_to=tuple(spec.report_to),
        rate=spec.learning_rate,
        rank=spec.lora_rank,
        alpha=spec.lora_alpha,
        dropout=spec.lora_dropout,
        **{name: getattr(spec, name) for name in same},
    )


def last(log: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The last value of each name that was logged."""
    return {name: value for row in log for name, value in row.items() if name in names}


def means(log: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, float]:
    """The mean over all updates of each share that was logged as a number."""
    found = {
        name: [row[name] for row in log if isinstance(row.get(name), float) and row[name] == row[name]]
        for name in names
    }
    return {name: statistics.fmean(values) for name, values in found.items() if values}
