"""What an evaluation asks: cases out of a set, rows with the names of their models, examples for few-shot; laid out once.

Opens and calls no model.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from app.actions.bases import base_at
from app.context import Context
from app.engines.choices import engine_of, named_folder
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from core.critic_data import group_of
from core.evaluation.cases import case_of, choice_of
from core.evaluation.spec import EvaluateSpec, RowSpec
from core.jobs import Reporter
from core.policy_data import examples
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.prompts import FURTHER, PROMPTS, digest
from core.prompts.policy import Shot
from core.specs import read_spec
from core.types import Foreign, Tree, shorten
from db import evaluations, jobs, scenarios, sets
from db.evaluations import Case, Evaluation, Line, New
from db.scenarios import Head

_REWARDS = {
    "steps": "grpo_prm",
    "steps+review": "grpo_prm",
    "response": "grpo_rm",
    "review": "grpo_grm",
    "rubric": "grpo_rubric",
}
HELD_OUT = ("validation", "test")


class Plan(NamedTuple):
    """A laid out evaluation."""

    id: int
    lines: list[Line]
    cases: list[Case]
    shots: tuple[Shot, ...]


class Material(NamedTuple):
    """What a set gives: cases in its order, examples from scenarios that are not asked, and the paper's half it is like."""

    cases: list[Case]
    shots: tuple[Shot, ...]
    like: Literal["DeepPref", "PrefEval"]


def engine_for(context: Context, role: Role, chosen: str) -> Engine:
    """What a choice of a spec stands for; `job:ID` is the model that a job made. Raises Refused."""
    return Local(base_at(context, chosen)) if chosen.startswith("job:") else engine_of(context, role, chosen)


def laid_out(context: Context, spec: EvaluateSpec, folder: str, reporter: Reporter) -> Plan:
    """The evaluation of a job's folder, laid out if it is not yet. Raises Refused for what cannot be asked."""
    found = material(context, spec)
    known = evaluations.of_folder(context.database, folder)
    if known is not None:
        _unchanged(context, spec, known)
    else:
        made = evaluations.begin(
            context.database, _new(context, spec, folder, found), lines_of(context, spec), found.cases, context.now()
        )  # fmt: skip
        known = evaluations.get(context.database, made)
        assert known is not None
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    lines = evaluations.lines(context.database, known.id)
    for line in lines:
        if line.digest:
            reporter.input(line.model or "starter", line.digest)
    shots = tuple(Shot(*shot) for shot in known.data["shots"])
    return Plan(known.id, lines, evaluations.cases(context.database, known.id), shots)


def _unchanged(context: Context, spec: EvaluateSpec, known: Evaluation) -> None:
    """Raises Refused where a choice, such as what the settings say, means another model than when the evaluation began."""
    stored = [(line.name, line.digest) for line in evaluations.lines(context.database, known.id)]
    stored += [(one["name"], one["digest"]) for one in (*known.judges, *known.data["critic"])]
    now = [(line.name, line.digest) for line in lines_of(context, spec)]
    now += [(one["name"], one["digest"]) for one in (*_judges(context, spec), *_critic(context, spec))]
    for before, after in zip(stored, now, strict=True):
        if before[1] != after[1] or (not before[1] and before[0] != after[0]):
            raise Refused(
                f"Evaluation {known.id} began with {before[0]}; the same choice is {after[0]} now, with other weights or from "
                "another server. Start a new evaluation."
            )


def material(context: Context, spec: EvaluateSpec) -> Material:
    """The cases of the set and the examples. Raises Refused where there is nothing to ask."""
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    heads = list(scenarios.heads(context.database, spec.set))
    found = list(_cases(heads, spec))
    if not found:
        more = " No scenario of it states the split validation or test: choose part=all." if heads else ""
        raise Refused(f"The set has no preference with a query to ask.{more if spec.part == 'held_out' else ''}")
    foreign = any(isinstance(head.record, Foreign) and head.record.form.startswith("prefeval") for head in heads)
    few = any(row.method == "few_shot" for row in spec.rows)
    shots = _shots(context, spec, {case.cluster for case in found}) if few else ()
    return Material(found, shots, "PrefEval" if foreign else "DeepPref")


def _cases(heads: Sequence[Head], spec: EvaluateSpec) -> Iterator[Case]:
    """One scenario may stand in several forms, such as stated and shown in a conversation: cases of one cluster."""
    taken = set[tuple[object, ...]]()
    for record, scenario_id in heads:
        case, scenario = case_of(record), record.scenario
        if case is None or scenario is None or (spec.part == "held_out" and scenario.split not in HELD_OUT):
            continue
        cluster = group_of(scenario)
        if (cluster, case.shown) in taken:
            continue
        taken.add((cluster, case.shown))
        choice = choice_of(record, spec.seed) if spec.choices else None
        told = None if choice is None else {"query": choice.query, "options": choice.options, "right": choice.right}
        shown = [[turn.user, turn.assistant] for turn in case.shown]
        yield Case(0, scenario_id, cluster, scenario.topic, case.preference, case.query, shown, told)
        if spec.limit and len(taken) >= spec.limit:
            return


def _shots(context: Context, spec: EvaluateSpec, asked: set[str]) -> tuple[Shot, ...]:
    records = scenarios.records(context.database, spec.set)
    trees = (record for record in records if isinstance(record, Tree) and group_of(record.scenario) not in asked)
    found = [
        Shot(tree.scenario.preference, tree.scenario.query, example.completion)
        for tree in trees
        for example in examples([tree], "answer")
    ]
    if len(found) < spec.shots:
        raise Refused(
            f"few_shot needs {spec.shots} finished trees that are not asked themselves; the set has {len(found)}. Take fewer "
            "shots, or leave few_shot out."
        )
    return tuple(found[: spec.shots])


def lines_of(context: Context, spec: EvaluateSpec) -> list[Line]:
    """The rows of the report, rows of one model together; multiple choice once for each model and number of turns."""
    order = list(dict.fromkeys(row.model for row in spec.rows))
    rows = sorted(spec.rows, key=lambda row: order.index(row.model))
    found: list[Line] = []
    for model in order:
        name, weights = named(context, "policy", model)
        own = [row for row in rows if row.model == model]
        trained = _preset(context, model)
        for row in own if spec.checks else ():
            found.append(Line(0, "answer", name, model, weights, row.method, row.turns, printed_of(row, trained)))
        if spec.choices:
            turns = sorted({row.turns for row in own})
            found += [Line(0, "choice", name, model, weights, "choice", late) for late in turns]
    return found


def printed_of(row: RowSpec, trained: str) -> str:
    """The printed row that a row may stand beside: the paper asks right away, and a trained policy as it was trained."""
    if row.turns:
        return ""
    if not trained:
        return row.method
    return trained if row.method == ("zero_shot" if trained == "sft" else "step_by_step") else ""


def _preset(context: Context, chosen: str) -> str:
    """The preset by which a policy was trained, as far as its job tells; '' for others."""
    match engine_for(context, "policy", chosen):
        case Local(path=path):
            folder = path.parent
        case _:
            return ""
    known = folder.parent == context.settings.data.resolve() / "jobs" and re.fullmatch(r"[1-9][0-9]{0,14}", folder.name)
    job = jobs.get(context.database, int(folder.name)) if known else None
    try:
        spec = None if job is None else read_spec(job.spec)
    except ValueError:
        return ""
    match spec:
        case PolicySpec(tokens=True):
            return "cdpa"
        case PolicySpec(reward=reward):
            return _REWARDS[reward]
        case SFTSpec(data="answer"):
            return "sft"
        case TPOSpec():
            return "tpo"
        case _:
            return ""


def named(context: Context, role: Role, chosen: str) -> tuple[str, str]:
    """The name for people of what a choice stands for, and the digest of its weights, '' for a server. Raises Refused."""
    match engine_for(context, role, chosen):
        case Endpoint(model=model):
            return shorten(model, 120), ""
        case Local(path=path):
            return named_folder(context, path)
        case None:
            return "starter model", checkpoint_digest(STARTER)


def _new(context: Context, spec: EvaluateSpec, folder: str, found: Material) -> New:
    stored = sets.one_set(context.database, spec.set)
    assert stored is not None
    data: dict[str, Any] = {
        "set": spec.set,
        "name": stored.name,
        "version": stored.version,
        "like": found.like,
        "part": spec.part,
        "cases": len(found.cases),
        "shots": found.shots,
        "critic": _critic(context, spec),
    }
    prompts = {name: digest(name) for name in (*PROMPTS, *FURTHER)}
    return New(spec.name, folder, spec.model_dump(mode="json"), data, _judges(context, spec), prompts)


def _judges(context: Context, spec: EvaluateSpec) -> list[dict[str, str]]:
    return [_told(*named(context, "judge", judge)) for judge in spec.judges]


def _critic(context: Context, spec: EvaluateSpec) -> list[dict[str, str]]:
    """What compares samples; nothing where no row has any."""
    if not any(row.method == "best_of_n" for row in spec.rows):
        return []
    return [_told(*named(context, "critic", spec.critic))]


def _told(name: str, weights: str) -> dict[str, str]:
    return {"name": name, "digest": weights}
