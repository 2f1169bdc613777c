"""Checked steps as files: SFT rows and TRL stepwise supervision with corrected labels, PRM800K's shape, and our own JSON lines.

Our own lines are read back, checked field by field; the others are for training. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.checks import CRITIQUE_LIMIT, JUDGED_LIMIT, REASON_LIMIT, Check, Judged, Label, Seen, label_of, size_of
from core.parsing import write_reply
from core.prompts import judging
from core.types import Json

LONGEST_LINE = 1 << 20
"""Bytes; every line that we write is shorter, whatever its characters."""
GOOD, BAD = 0.4, 0.0
"""PRM800K's ratings from scores: 1 from the band "surface-level" upwards, -1 below 0, 0 between."""
_Short = Field(max_length=400)


class Labelled(NamedTuple):
    """A step with the label that people gave it, and where it comes from."""

    tree: int | None
    judged: Judged
    check: Check
    who: str
    source: str
    at: str

    @property
    def label(self) -> Label:
        """What holds after the check."""
        return label_of(self.judged, self.check)


def newest(steps: Sequence[Labelled]) -> list[Labelled]:
    """One label for each step: where several people checked it, the newest. Order of first checks."""
    kept: dict[tuple[int | None, Judged], Labelled] = {}
    for step in sorted(steps, key=lambda one: one.at):
        kept[step.tree, step.judged] = step
    return list(kept.values())


def sft(steps: Sequence[Labelled]) -> Iterator[Json]:
    """Conversational rows for the critic, as `core.datasets.d_rea` writes them, where a check gives both critique and score."""
    for one in newest(steps):
        judged, (score, critique) = one.judged, one.label
        if score is None or critique is None:
            continue
        asked = judging.critic(judged.preference, judged.query, [text for _, text in judged.before], judged.step)
        yield {
            "prompt": [message._asdict() for message in asked],
            "completion": [{"role": "assistant", "content": write_reply(critique, score)}],
            "topic": judged.topic,
            "preference": judged.preference,
            "query": judged.query,
            "step": len(judged.before) + 1,
            "kind": judged.kind,
            "persona": judged.persona,
            "score": score,
            "node": judged.key,
            "verdict": one.check.verdict,
            "source": one.source,
            "verified": True,
            "ai_score": judged.score,
            "ai_critique": judged.critique,
        }


class _Run(NamedTuple):
    """A step with a label and the labelled steps right before it."""

    judged: Judged
    texts: list[str]
    scores: list[float]


def _runs(steps: Sequence[Labelled]) -> list[_Run]:
    """The longest runs of labelled steps; a run within a longer one is left out."""
    known: dict[tuple[object, ...], tuple[Labelled, float]] = {}
    for one in newest(steps):
        if one.label.score is not None:
            known[_place(one, one.judged.key, one.judged.step)] = (one, one.label.score)
    inside: set[tuple[object, ...]] = set()
    runs: list[tuple[tuple[object, ...], _Run]] = []
    for place, (one, score) in known.items():
        texts, scores = [one.judged.step], [score]
        for key, text in reversed(one.judged.before):
            above = known.get(_place(one, key, text))
            if above is None:
                break
            inside.add(_place(one, key, text))
            texts.insert(0, text)
            scores.insert(0, above[1])
        runs.append((place, _Run(one.judged, texts, scores)))
    return [run for place, run in runs if place not in inside]


def _place(one: Labelled, key: str, text: str) -> tuple[object, ...]:
    return one.tree, one.judged.preference, one.judged.query, key, text


def stepwise(steps: Sequence[Labelled], binary: bool = False) -> Iterator[Json]:
    """TRL stepwise supervision: `prompt`, `completions`, `labels`. Steps before the first labelled one belong to the prompt.

    Labels are scores in [-1, 1]; with `binary` they are true where the rating is 1 (see `rating`).
    """
    for judged, texts, scores in _runs(steps):
        lead = [text for _, text in judged.before][: len(judged.before) + 1 - len(texts)]
        prompt = "\n\n".join([judged.preference, judged.query, *lead])
        yield {"prompt": prompt, "completions": texts, "labels": [rating(s) == 1 for s in scores] if binary else scores}


def rating(score: float) -> Literal[-1, 0, 1]:
    """-1 bad, 0 neutral, 1 good: PRM800K's three ratings from a score in [-1, 1]."""
    return -1 if score < BAD else 0 if score < GOOD else 1


def prm800k(steps: Sequence[Labelled]) -> Iterator[Json]:
    """One object for each run: a question, and its steps with the ratings -1, 0 and 1; null where no person checked a step.

    The shape is the one of PRM800K's phase 2 files (Lightman et al. 2023): `question`, `label.steps[].completions[]` with
    `text` and `rating`, `chosen_completion`. Our score stands beside the rating.
    """
    for judged, texts, scores in _runs(steps):
        lead = [text for _, text in judged.before][: len(judged.before) + 1 - len(texts)]
        rated: list[tuple[str, float | None]] = [(text, None) for text in lead]
        rated += zip(texts, scores, strict=True)
        rows = [
            {
                "completions": [
                    {"text": text, "rating": None if s is None else rating(s), "score": s, "flagged": False}
                ],
                "human_completion": None,
                "chosen_completion": 0,
            }
            for text, s in rated
        ]
        bad = any(s is not None and rating(s) == -1 for _, s in rated)
        question = {"problem": f"{judged.preference}\n\n{judged.query}", "preference": judged.preference}
        label = {
            "steps": rows,
            "finish_reason": "found_error" if bad else "solution" if judged.kind == "answer" else None,
        }
        yield {"question": question | {"query": judged.query}, "label": label}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _JudgedLine(_Strict):
    preference: str
    query: str
    topic: str
    before: list[tuple[str, str]] = Field(max_length=60)
    key: str = _Short
    kind: Literal["thought", "answer"]
    depth: int = Field(ge=0, le=1000)
    persona: str = _Short
    step: str
    critique: str = Field(min_length=1)
    score: float | None = Field(ge=-1, le=1)


class CheckLine(_Strict):
    """One event as a line of our own file. `tree` only tells the trees of one file apart; the diff is made again on reading."""

    form: Literal["subtext.check.1"] = "subtext.check.1"
    tree: int | None = Field(ge=1, lt=1 << 62)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    judged: _JudgedLine
    siblings: list[float] = Field(max_length=50)
    marks: int = Field(ge=0, le=100)
    verdict: Literal["agree", "partly", "wrong", ""]
    score: float | None = Field(ge=-1, le=1)
    critique: str | None = Field(max_length=CRITIQUE_LIMIT)
    reason: str = Field(max_length=REASON_LIMIT)
    diff: list[tuple[str, str]] = Field(default=[], max_length=CRITIQUE_LIMIT + JUDGED_LIMIT)
    who: str = Field(min_length=1, max_length=80)
    source: Literal["person", "model"]
    at: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
    client_id: str = Field(min_length=1, max_length=100)

    def seen(self) -> Seen:
        """What was judged."""
        values: dict[str, Any] = self.judged.model_dump()
        values["before"] = tuple(self.judged.before)
        return Seen(Judged(**values), tuple(self.siblings), self.marks)


def read_line(line: bytes) -> CheckLine | str:
    """A line of our own file, or a sentence that says what is wrong with it."""
    if len(line) > LONGEST_LINE:
        return f"it has more than {LONGEST_LINE:,} bytes"
    try:
        found = CheckLine.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100]
        return f"{where or 'the line'}: {first['msg'][:200]}"
    if size_of(found.seen().judged) > JUDGED_LIMIT:
        return f"what was judged has more than {JUDGED_LIMIT:,} characters"
    return found
