"""From the text of a spec to the folder a training starts from: starter model, folder, registered model, or model of a job."""

import re
from pathlib import Path

from app.actions.models import base_folder
from app.context import Context
from app.engines.choices import usable
from app.engines.roles import STARTER
from app.errors import Refused
from core.job_spec import AFTER
from db import jobs, models


def base_at(context: Context, base: str) -> Path:
    """The folder of a base: '' the starter model, a path, a folder below `models`, `model:ID`, or `job:ID` for what a job made.

    Raises Refused, saying where it was looked for, where there is none.
    """
    if not base:
        return STARTER
    if base == AFTER:
        raise Refused(f"The base {AFTER!r} is the model of the job before: say after which job this one comes.")
    if base.startswith("model:"):
        return base_folder(context, base)
    if found := re.fullmatch(r"job:([1-9][0-9]{0,14})", base):
        return _made_by(context, int(found[1]))
    below = (context.settings.data / "models").resolve()
    folder = (below / base).resolve()
    if not Path(base).is_absolute() and not folder.is_relative_to(below):
        raise Refused(f"The base {base!r} leads out of the folder {below}. Give its absolute path.")
    if not (folder / "config.json").is_file():
        raise Refused(
            f"There is no checkpoint in {folder}. Nothing is downloaded: put the files of {base!r} there, "
            "or give the absolute path of their folder as the base."
        )
    return folder


def _made_by(context: Context, job_id: int) -> Path:
    """The folder of the model that a job registered; it must still hold what was registered."""
    job = jobs.get(context.database, job_id)
    if job is None:
        raise Refused(f"There is no job {job_id} whose model could be the base. `subtext jobs list` lists them.")
    model = models.at_path(context.database, f"{job.folder}/model")
    if model is None:
        raise Refused(f"Job {job_id} ({job.kind}, {job.status}) has made no model, so nothing can start from it.")
    return usable(context, model.id)[1]
