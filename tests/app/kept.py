"""Rollouts for tests: responses written as a run writes them, in the folder of a job."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.actions import jobs as job_actions
from app.context import Context
from core.specs import DoctorSpec
from core.steps import find_steps, steps_of_tokens
from db import jobs
from training.rollouts import FOLDER, Response, write

PREFERENCE, QUERY = "I like quiet places.", "Where do I go on Sunday?"


def response(
    text: str, scores: Sequence[float | None], advantages: Sequence[float] | float = 0.0, **changes: Any
) -> Response:
    """A response of tokens of four characters and one that ends the turn, with a critique for every scored step."""
    found = find_steps(text)
    spans = [(step.start, step.end) for step in found.steps] if found.how == "markers" else []
    ends = [*range(4, len(text), 4), len(text), len(text)]
    index = steps_of_tokens(spans, ends, ended=True)
    if isinstance(advantages, float):
        given = [advantages] * len(ends)
    else:
        given = [advantages[step] if step >= 0 else 0.0 for step in index]
    made = Response(
        f"{PREFERENCE}\n{QUERY}", PREFERENCE, QUERY, text, False, 1.0, list(range(100, 100 + len(ends))), ends, index, spans,
        list(scores), ["" if score is None else f"Critique of {score}." for score in scores],
        ["The server was away." if score is None else "" for score in scores],
        advantages=given, kl=[0.01 * (at % 7) for at in range(len(ends))], entropy=[0.1 * (at % 5) for at in range(len(ends))],
        clipped=[at == 3 for at in range(len(ends))],
    )  # fmt: skip
    return replace(made, **changes)


def group(number: int, *members: Response) -> list[Response]:
    """The responses as one group."""
    return [replace(one, group=number, response=place) for place, one in enumerate(members)]


def ordinary(number: int = 0, word: str = "garden") -> list[Response]:
    """A group of three in which little is odd."""
    return group(
        number,
        response(f"Step 1: They need rest.\nStep 2: Go to the {word} early.", [0.8, 0.2], [0.7, -0.7]),
        response(f"Step 1: They hide.\nStep 2: Take the {word} path 🙈 slowly.", [0.2, 0.6], [-0.7, 0.7]),
        response("Hm. \nStep 1: They think.\nStep 2: Stay at home.", [0.5, 0.4], [0.1, 0.05]),
    )


def job_with_rollouts(context: Context, **updates: list[Response]) -> int:
    """A job that kept these updates, by names such as `u3`; returns its id."""
    job_id = job_actions.enqueue(context, DoctorSpec())
    job = jobs.get(context.database, job_id)
    assert job is not None
    folder = context.settings.data.resolve() / job.folder
    (folder / FOLDER).mkdir(parents=True)
    for name, responses in updates.items():
        write(folder / FOLDER, int(name[1:]), 0, responses)
    return job_id


def folder_of(context: Context, job_id: int) -> Path:
    """The rollouts folder of a job."""
    return context.settings.data.resolve() / "jobs" / str(job_id) / FOLDER
