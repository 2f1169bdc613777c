"""People's checks in place of a set's labels, for one job: gathered once, kept in the job's folder, so that a job that goes on
after a stop is trained on the same labels even if somebody checked a step in between.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.context import Context
from app.errors import Refused
from core.checks import CRITIQUE_LIMIT, JUDGED_LIMIT
from core.critic_corrections import Counts, Given, Said, correct, gather, total
from core.jobs import Reporter, plain
from db import checks
from db.scenarios import Kept

PEOPLE = "people.json"
_LONGEST = 256 << 20
"""Bytes of people.json that are read."""
Labels = Mapping[int, Mapping[tuple[str, str], Given]]
"""By tree id, then by node key and digest."""


class _Line(BaseModel):
    """One label in people.json."""

    model_config = ConfigDict(extra="forbid")
    tree: int
    node: str
    digest: str
    score: Annotated[float, Field(ge=-1, le=1)] | None
    critique: Annotated[str, Field(max_length=max(CRITIQUE_LIMIT, JUDGED_LIMIT))] | None
    corrected: bool
    disputed: bool


class _File(BaseModel):
    """All of people.json."""

    model_config = ConfigDict(extra="forbid")
    labels: list[_Line]


def labelled(
    context: Context, kept: Sequence[Kept], folder: Path, reporter: Reporter
) -> tuple[list[Kept], dict[str, int]]:
    """The trees with people's labels, and how many steps these concern (`core.critic_corrections.Counts`).

    Raises Refused where people.json of an earlier attempt cannot be read.
    """
    file = folder / PEOPLE
    if not file.is_file():
        _write(file, labels_now(context, [one.tree_id for one in kept]))
    content = _content(file)
    labels = _read(file, content)
    reporter.input(PEOPLE, hashlib.sha256(content).hexdigest())
    made, counts = apply(kept, labels)
    return made, counts._asdict()


def labels_now(context: Context, trees: Iterable[int]) -> Labels:
    """The labels that follow from the checks of these trees which hold now; a label may not fit its step any more."""
    wanted = set(trees)
    said: dict[int, list[tuple[str, Said]]] = {}
    for event in checks.held(context.database):
        if event.tree_id is not None and event.tree_id in wanted:
            one = Said(event.digest, event.seen.judged, event.check)
            said.setdefault(event.tree_id, []).append((event.node_key, one))
    return {tree: gather(found) for tree, found in said.items()}


def apply(kept: Sequence[Kept], labels: Labels) -> tuple[list[Kept], Counts]:
    """The trees with these labels where they fit, and the counts over all of them."""
    made: list[Kept] = []
    counts: list[Counts] = []
    for one in kept:
        own = labels.get(one.tree_id)
        if own:
            tree, counted = correct(one.tree, own)
            counts.append(counted)
            one = one._replace(tree=tree)
        made.append(one)
    return made, total(counts)


def _write(file: Path, labels: Labels) -> None:
    lines: list[dict[str, Any]] = [
        {"tree": tree, "node": node, "digest": digest, **label._asdict()}
        for tree, own in labels.items()
        for (node, digest), label in own.items()
    ]
    beside = file.with_name(f"{file.name}.part")
    beside.write_text(json.dumps(plain({"labels": lines}), indent=1, ensure_ascii=False) + "\n", "utf-8")
    beside.replace(file)


def _content(file: Path) -> bytes:
    if file.stat().st_size > _LONGEST:
        raise Refused(f"{file} is larger than {_LONGEST >> 20} MiB. Start a new job.")
    return file.read_bytes()


def _read(file: Path, content: bytes) -> Labels:
    try:
        found = _File.model_validate_json(content)
    except ValidationError as error:
        raise Refused(f"{file} cannot be read, so the labels of this job are not known. Start a new job.") from error
    labels: dict[int, dict[tuple[str, str], Given]] = {}
    for line in found.labels:
        label = Given(line.score, line.critique, line.corrected, line.disputed)
        labels.setdefault(line.tree, {})[line.node, line.digest] = label
    return labels


def sentence(counts: Mapping[str, int]) -> str:
    """What people's checks did, for a person."""
    said = [f"{counts['labels']:,} steps have a label from people, {counts['corrected']:,} of them corrected"]
    said += (
        [f"{counts['left_out']:,} judged wrong without a whole correction are left out"] if counts["left_out"] else []
    )
    said += [f"{counts['disputed']:,} are disputed"] if counts["disputed"] else []
    said += [f"{counts['stale']:,} changed since they were checked and keep their own label"] if counts["stale"] else []
    return "; ".join(said) + "."
