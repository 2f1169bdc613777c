"""What an evaluation asks: cases out of a set, rows with the names of their models, examples for few-shot; laid out once.

Opens and calls no model.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from app.actions.bases import base_at
from app.context import Context
from app.engines.choices import engine_of
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from core.critic_data import group_of
from core.evaluation.cases import case_of, choice_of
from core.evaluation.spec import EvaluateSpec
from core.jobs import Reporter
from core.policy_data import examples
from core.prompts import FURTHER, PROMPTS, digest
from core.prompts.policy import Shot
from core.types import Record, Tree, shorten
from db import evaluations, models, scenarios, sets
from db.evaluations import Case, Line, New

HELD_OUT = ("validation", "test")


class Plan(NamedTuple):
    """A laid out evaluation."""

    id: int
    lines: list[Line]
    cases: list[Case]
    shots: tuple[Shot, ...]


class Material(NamedTuple):
    """What a set gives: cases in its order, and examples from scenarios that are not asked."""

    cases: list[Case]
    shots: tuple[Shot, ...]


def engine_for(context: Context, role: Role, chosen: str) -> Engine:
    """What a choice of a spec stands for; `job:ID` is the model that a job made. Raises Refused."""
    return Local(base_at(context, chosen)) if chosen.startswith("job:") else engine_of(context, role, chosen)


def laid_out(context: Context, spec: EvaluateSpec, folder: str, reporter: Reporter) -> Plan:
    """The evaluation of a job's folder, laid out if it is not yet. Raises Refused for what cannot be asked."""
    found = material(context, spec)
    known = evaluations.of_folder(context.database, folder)
    if known is None:
        made = evaluations.begin(
            context.database, _new(context, spec, folder, len(found.cases)), lines_of(context, spec), found.cases, context.now()
        )  # fmt: skip
    else:
        made = known.id
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    lines = evaluations.lines(context.database, made)
    for line in lines:
        if line.digest:
            reporter.input(line.model or "starter", line.digest)
    return Plan(made, lines, evaluations.cases(context.database, made), found.shots)


def material(context: Context, spec: EvaluateSpec) -> Material:
    """The cases of the set and the examples. Raises Refused where there is nothing to ask."""
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    records = list(scenarios.records(context.database, spec.set))
    found = list(_cases(records, spec, scenarios.ids_of(context.database, spec.set)))
    if not found:
        more = " No scenario of it states the split validation or test: choose part=all." if records else ""
        raise Refused(f"The set has no preference with a query to ask.{more if spec.part == 'held_out' else ''}")
    if any(row.method == "few_shot" for row in spec.rows):
        return Material(found, _shots(records, spec, {case.cluster for case in found}))
    return Material(found, ())


def _cases(records: Sequence[Record], spec: EvaluateSpec, ids: dict[tuple[str, str], int]) -> Iterator[Case]:
    taken = set[str]()
    for record in records:
        case, scenario = case_of(record), record.scenario
        if case is None or scenario is None or (spec.part == "held_out" and scenario.split not in HELD_OUT):
            continue
        cluster = group_of(scenario)
        if cluster in taken:
            continue
        taken.add(cluster)
        choice = choice_of(record, spec.seed) if spec.choices else None
        told = None if choice is None else {"query": choice.query, "options": choice.options, "right": choice.right}
        shown = [[turn.user, turn.assistant] for turn in case.shown]
        place = ids.get((scenario.preference, scenario.query))
        yield Case(0, place, cluster, scenario.topic, case.preference, case.query, shown, told)
        if spec.limit and len(taken) >= spec.limit:
            return


def _shots(records: Sequence[Record], spec: EvaluateSpec, asked: set[str]) -> tuple[Shot, ...]:
    trees = [record for record in records if isinstance(record, Tree) and group_of(record.scenario) not in asked]
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
        found += [Line(0, "answer", name, model, weights, row.method, row.turns) for row in own]
        if spec.choices:
            found.append(Line(0, "choice", name, model, weights, "choice", 0))
    return found


def named(context: Context, role: Role, chosen: str) -> tuple[str, str]:
    """The name for people of what a choice stands for, and the digest of its weights, '' for a server. Raises Refused."""
    match engine_for(context, role, chosen):
        case Endpoint(model=model):
            return shorten(model, 120), ""
        case Local(path=path):
            for model in models.listing(context.database):
                if (context.settings.data / model.path).resolve() == path.resolve():
                    return f"{model.name} (model {model.id})", model.digest
            return shorten(path.name, 120), checkpoint_digest(path)
        case None:
            return "starter model", checkpoint_digest(STARTER)


def _new(context: Context, spec: EvaluateSpec, folder: str, cases: int) -> New:
    stored = sets.one_set(context.database, spec.set)
    assert stored is not None
    data: dict[str, Any] = {
        "set": spec.set,
        "name": stored.name,
        "version": stored.version,
        "part": spec.part,
        "cases": cases,
    }
    judges = [_judge(*named(context, "judge", judge)) for judge in spec.judges]
    prompts = {name: digest(name) for name in (*PROMPTS, *FURTHER)}
    return New(spec.name, folder, spec.model_dump(mode="json"), data, judges, prompts)


def _judge(name: str, weights: str) -> dict[str, str]:
    return {"name": name, "digest": weights}
