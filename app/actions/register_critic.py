"""Register what a critic training made, with everything it was made of: base, examples, set, numbers, parents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.actions.models import NewModel, data_hash, register
from app.context import Context
from core.critic_data import Example
from core.jobs import told_text
from core.specs import CriticSpec
from db import sets

_FILES = 200


def registered(
    context: Context, spec: CriticSpec, base: Path, examples: Sequence[Example], folder: Path, result: Mapping[str, Any]
) -> int:
    """The id of the model in `folder`; the same folder again keeps its id. `result` is that of the training so far."""
    data = told_of(context, spec.set) | {"train": result["train"], "held_out": result["held_out"]}
    new = NewModel(
        folder / "model",
        " ".join(told_text(spec.name).split()) or f"critic {folder.name}",
        "critic",
        base,
        spec.base or "starter",
        data_hash([repr((one.group, one.node, one.prompt, one.completion)) for one in examples]),
        data,
        {**result.get("report", {}), "losses": result["losses"]},
        folder,
    )
    return register(context, new).id


def told_of(context: Context, set_id: int) -> dict[str, Any]:
    """What a model keeps of the set it was trained on: id, name, version, files."""
    owner = sets.one_set(context.database, set_id)
    files = sets.files_of(context.database, set_id)
    return {
        "set": set_id,
        "name": owner.name if owner else "",
        "version": owner.version if owner else 0,
        "files": [{"name": file.name, "digest": file.digest} for file in files[:_FILES]],
    }
