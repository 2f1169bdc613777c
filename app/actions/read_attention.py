"""Read attention as a background job: every model on every scenario of the order, one slice each, the numbers in a small file.

A job that was killed goes on where it was: plan.json says once which scenarios and weights are meant, and a pair whose line
stands in numbers.jsonl is not read again. The report is made of the slices at the end (`app.actions.attention_report`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.actions.attention_files import PLAN, append, done, slice_name, store
from app.actions.attention_models import Checkpoint, checkpoint_of
from app.actions.attention_report import write_report
from app.context import Context
from app.errors import Refused
from core.attention import Unmeasured
from core.attention_question import question
from core.attention_spec import AttentionSpec
from core.attention_told import told_figures, told_meter
from core.critic_data import group_of
from core.evaluation.cases import case_of
from core.jobs import Reporter
from db import scenarios, sets

if TYPE_CHECKING:
    from training.probe import Probe

HELD_OUT = ("validation", "test")


class Asked(NamedTuple):
    """A scenario that is read: its number in the database, its cluster (scenarios of the same words are one), and its texts."""

    scenario: int
    cluster: str
    preference: str
    query: str


def cases(context: Context, spec: AttentionSpec) -> list[Asked]:
    """The scenarios of an order. Raises Refused where there is none."""
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    found: dict[str, Asked] = {}
    any_case = False
    for record, number in scenarios.heads(context.database, spec.set):
        case, scenario = case_of(record), record.scenario
        if case is None or case.shown or scenario is None or number is None:
            continue
        any_case = True
        if spec.part == "held_out" and scenario.split not in HELD_OUT:
            continue
        found.setdefault(group_of(scenario), Asked(number, group_of(scenario), case.preference, case.query))
        if len(found) == spec.limit:
            break
    if not found:
        more = " No scenario of it states the split validation or test: choose part=all." if any_case else ""
        raise Refused(f"The set has no scenario that states a preference and asks something.{more}")
    return list(found.values())


def read_attention(context: Context, spec: AttentionSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run the order to its end, or until it is told to stop. Returns counts.

    A model that cannot be read does not keep the others from being read and reported. Raises Refused, then at the end.
    """
    own = cases(context, spec)
    found = [checkpoint_of(context, chosen) for chosen in spec.checkpoints]
    _planned(context, spec, folder, own, found)
    for one in found:
        reporter.input(one.name, one.digest)
    known = done(folder)
    total = len(own) * len(found)
    count = len(known)
    refused: list[str] = []
    for place, one in enumerate(found):
        left = [(case, own[case]) for case in range(len(own)) if (place, case) not in known]
        try:
            for case, told in _one_model(spec, folder, one, left, place):
                append(folder, {"model": place, "case": case} | told)
                count += 1
                reporter.progress(count, total, f"{count:,} of {total:,} prompts were read.")
                if reporter.cancelled():
                    break
        except Refused as refusal:
            refused.append(f"{one.name} cannot be read. {refusal}")
        if reporter.cancelled():
            break
    report = write_report(folder, spec)
    if refused:
        raise Refused(" ".join(refused))
    return {"read": count, "planned": total, "unmeasured": sum(len(one["problems"]) for one in report["models"])}


def _one_model(
    spec: AttentionSpec, folder: Path, checkpoint: Checkpoint, left: list[tuple[int, Asked]], place: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    if not left:
        return
    # Late: torch belongs to the process of a job that runs a model.
    from training.models import NotLoadable, load
    from training.probe import open_probe

    try:
        probe = open_probe(load(checkpoint.folder, spec.device, checkpoint.name))
    except NotLoadable as error:
        raise Refused(str(error)) from error
    for number, case in left:
        try:
            yield number, _one(spec, folder, probe, (place, number), case)
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            # Out of memory, or a tokenizer that does not fit its model: the other prompts may be read all the same.
            yield number, {"reason": f"The model failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def _one(spec: AttentionSpec, folder: Path, probe: "Probe", place: tuple[int, int], case: Asked) -> dict[str, Any]:
    from training.looking import look, write_answer

    asked = question(case.preference, case.query, spec.method)
    answer = write_answer(probe.loaded, asked.messages, spec.max_new) if spec.answers else ""
    text = answer if isinstance(answer, str) else ""
    found = look(probe, asked, str(case.scenario), text)
    if isinstance(found, Unmeasured):
        return {"reason": found.reason}
    store(folder / slice_name(*place), found.slice, place[1] < spec.heads)
    use = answer if isinstance(answer, Unmeasured) else found.use
    told = {"answer": found.said or text, "use": told_meter(use, asked.reverse)} if spec.answers else {}
    return told_figures(found.slice) | told


def _planned(context: Context, spec: AttentionSpec, folder: Path, own: list[Asked], found: list[Checkpoint]) -> None:
    """Write the plan, or see that it still holds. Raises Refused where set or weights are others than when the job began."""
    stored = sets.one_set(context.database, spec.set)
    assert stored is not None
    plan = {
        "set": {"id": spec.set, "name": stored.name, "version": stored.version},
        "cases": [case._asdict() for case in own],
        "models": [{"name": one.name, "digest": one.digest} for one in found],
    }
    path = folder / PLAN
    if not path.exists():
        beside = path.with_name(f".{PLAN}.part")
        beside.write_text(json.dumps(plan, ensure_ascii=False), "utf-8", errors="replace")
        beside.replace(path)
        return
    known = json.loads(path.read_text("utf-8"))
    if [one["digest"] for one in known["models"]] != [one.digest for one in found]:
        raise Refused("A model has other weights than when this job began. Start a new one.")
    if [one["cluster"] for one in known["cases"]] != [one.cluster for one in own]:
        raise Refused("The set has other scenarios than when this job began. Start a new one.")
