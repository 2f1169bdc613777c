"""Registered models for tests: folders that look like checkpoints, and a critic whose report is made of stored steps."""

import json
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import text

from app.actions import jobs as job_actions
from app.actions.models import NewModel, named_in_report, register
from app.context import Context
from app.engines.roles import checkpoint_digest
from core.critic_report import Judged, as_json, report
from core.specs import CriticSpec
from db import jobs, sets
from db.jobs import End, Place
from db.models import Model


def checkpoint(folder: Path, weights: bytes = b"weights", **config: Any) -> Path:
    """A folder with the files of a checkpoint, and nothing in them that could be loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"mode": "good", "max_position_embeddings": 2048} | config))
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def own_report(steps: list[Any], spread: float, missing: int, seed: int) -> dict[str, Any]:
    """The report of a critic that errs by `spread` and leaves every `missing`-th step unscored."""
    draw, judged, points = Random(seed), [], []
    for place, step in enumerate(steps):
        said = None if place % missing == missing - 1 else round(max(-1, min(1, step.score + draw.gauss(0, spread))), 2)
        why = "" if said is not None else "There is no line SCORE: in the reply."
        judged.append(Judged(step.score, said, why, step.depth, step.persona))
        points.append(
            {"scenario": step.scenario_id, "tree": step.tree_id, "node": step.key, "step": step.depth,
             "persona": step.persona, "stated": step.score, "said": said, "why": why}
        )  # fmt: skip
    return as_json(report(judged)) | {"model": f"{seed:016d}", "points": points}


def scored_steps(context: Context, limit: int) -> list[Any]:
    """Scored steps of the database."""
    query = """
    SELECT t.scenario_id, n.tree_id, n.key, n.depth, n.persona, n.score FROM node n JOIN tree t ON t.id = n.tree_id
    WHERE n.score IS NOT NULL AND n.kind = 'thought' ORDER BY n.id LIMIT :limit
    """
    with context.database.read() as connection:
        return list(connection.execute(text(query), {"limit": limit}))


def trained_critic(context: Context, name: str = "Tone critic", base: Path | None = None, steps: int = 90) -> Model:
    """A critic as a training job leaves it: a done job, its folder with weights and report, the registered model."""
    spec = CriticSpec(name=name, set=1)
    job_id = job_actions.enqueue(context, spec)
    job = jobs.claim(context.database, "test", Place("gpu", "cpu", 1), context.now())
    assert job is not None and job.id == job_id
    folder = context.settings.data.resolve() / job.folder
    found = scored_steps(context, steps)
    told = {"base": own_report(found, 0.55, 6, 1), "trained": own_report(found, 0.2, 30, 2)}
    made = checkpoint(folder / "model", name.encode())
    told["trained"]["model"] = named_in_report(checkpoint_digest(made))
    (folder / "report.json").write_text(json.dumps(told))
    owner = sets.one_set(context.database, 1)
    data = {
        "set": 1,
        "name": owner.name if owner else "gone",
        "version": 1,
        "files": [{"name": one.name, "digest": one.digest} for one in sets.files_of(context.database, 1)][:3],
        "train": {"scenarios": 18, "steps": 210},
        "held_out": {"scenarios": 2, "steps": len(found)},
    }
    metrics = {side: own["all"] for side, own in told.items()} | {"losses": {"loss": 0.4}}
    new = NewModel(
        made, name, "critic", base, "starter" if base is None else str(base), "ab" * 32, data, metrics, folder
    )
    model = register(context, new)
    jobs.finish(context.database, job.id, job.attempt, End("done", "Done.", {"model": model.id}), context.now())
    return model
