"""Base and trained policy answer the same held-out prompts greedily, and the critic scores what they say."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import Local
from app.engines.roles import open_engine
from core.jobs import Reporter, plain
from core.parsing import Malformed, read_steps
from core.policy_data import Asked, Data
from core.policy_report import Answered, as_json, report
from core.ports import Ask, Failure, Reply
from core.prompts.policy import policy, zero_shot
from core.scoring import Case, Scored
from core.steps import marked_steps

EVALUATION = "evaluation.json"
"""Every answer with its scored steps, for base and trained policy, in the job's folder."""
_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Exam:
    """What is asked: prompts, tokens a response may have, which question is put (`data`, as in `SFTSpec`), and what scores."""

    prompts: Sequence[Asked]
    max_new: int
    data: Data
    score: Callable[[Sequence[Case]], list[list[Scored]]]


def evaluate(
    context: Context, exam: Exam, models: Mapping[str, Path], folder: Path, reporter: Reporter
) -> dict[str, Any]:
    """The numbers of each model by name (see `core.policy_report.report`); a run told to stop leaves the rest out."""
    found: dict[str, list[Answered]] = {}
    for place, (name, path) in enumerate(models.items()):

        def tell(done: int, before: int = place * len(exam.prompts), who: str = name) -> bool:
            said = f"Held-out prompts answered by the {who} policy: {done:,} of {len(exam.prompts):,}."
            reporter.progress(before + done, len(models) * len(exam.prompts), said)
            return reporter.cancelled()

        found[name] = asyncio.run(_answered(context, path, exam, tell))
        if len(found[name]) < len(exam.prompts):
            return {}
    told = {name: {"all": report(own), "answers": [as_json(one) for one in own]} for name, own in found.items()}
    (folder / EVALUATION).write_text(json.dumps(plain(told), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return {name: report(own) for name, own in found.items()}


async def _answered(context: Context, path: Path, exam: Exam, tell: Callable[[int], bool]) -> list[Answered]:
    """The answers of one model; fewer than asked for where `tell` said to stop."""
    ask = policy if exam.data == "path" else zero_shot
    found: list[Answered] = []
    async with open_engine(context, "policy", Local(path), Tally()) as model:
        for start in range(0, len(exam.prompts), _TOGETHER):
            if tell(start):
                break
            part = exam.prompts[start : start + _TOGETHER]
            asks = (model.ask(Ask(ask(one.preference, one.query), exam.max_new)) for one in part)
            found += await asyncio.to_thread(_judged, exam, part, await asyncio.gather(*asks))
    return found


def _judged(exam: Exam, part: Sequence[Asked], replies: Sequence[Reply | Failure]) -> list[Answered]:
    """The answers with their steps scored; a response that was cut off, or has no marker where it should, has no steps."""
    texts = ["" if isinstance(reply, Failure) else reply.text for reply in replies]
    ended = [isinstance(reply, Reply) and reply.finish == "stop" for reply in replies]
    cases = [
        Case(one.preference, one.query, _steps(text, exam.data) if whole else ())
        for one, text, whole in zip(part, texts, ended, strict=True)
    ]
    found = exam.score(cases)
    return [
        Answered(
            one.preference,
            one.query,
            text,
            whole,
            whole and not isinstance(read_steps(text), Malformed),
            tuple(scored),
            reply.reason if isinstance(reply, Failure) else "",
        )
        for one, text, whole, scored, reply in zip(part, texts, ended, found, replies, strict=True)
    ]


def _steps(text: str, data: Data) -> tuple[str, ...]:
    if data == "answer":
        return (text,) if text.strip() else ()
    return tuple(step.text for step in marked_steps(text))
