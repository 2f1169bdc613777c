"""What a simulation asks: people out of a set with the turns at which they tell what, models with their names; laid out once.

Opens and calls no model.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from app.actions.evaluation_plan import named
from app.context import Context
from app.engines.endpoint import Role
from app.errors import Refused
from core.formats.registry import Entry, read_records
from core.jobs import Reporter
from core.prompts import digest
from core.prompts.simulation import TEMPLATES
from core.simulation.people import Person, paired, parts, schedule, seed_of
from core.simulation.spec import SimulateSpec
from core.simulation.transcripts import person_of
from core.types import Record
from db import scenarios, sets, simulations
from db.seeds import dialogue_files
from db.simulations import Line, New, Player, Simulation

STARTERS = "starter profiles"
"""What the people are called that come with the product."""
_PERSONALITIES = "personalit"
"""What stands in the name of a file of personalities, as ALOE names them."""


class Plan(NamedTuple):
    """A laid out simulation."""

    id: int
    lines: list[Line]
    players: list[Player]


class Cast(NamedTuple):
    """The people of an order, and what is told of where they come from: id (0 for ours), name and version of the set."""

    people: list[Person]
    data: dict[str, Any]


def laid_out(context: Context, spec: SimulateSpec, folder: str, reporter: Reporter) -> Plan:
    """The simulation of a job's folder, laid out if it is not yet. Raises Refused for what cannot be asked."""
    known = simulations.of_folder(context.database, folder)
    if known is not None:
        _unchanged(context, spec, known)
    else:
        found = cast_of(context, spec)
        players = [_player(person, spec) for person in found.people]
        made = simulations.begin(
            context.database, _new(context, spec, folder, found), lines_of(context, spec), players, context.now()
        )
        known = simulations.get(context.database, made)
        assert known is not None
    for set_id in filter(None, (spec.set, spec.personalities)):
        for file in sets.files_of(context.database, set_id):
            reporter.input(file.name, file.digest)
    lines = simulations.lines(context.database, known.id)
    for line in lines:
        if line.digest:
            reporter.input(line.model or "starter", line.digest)
    return Plan(known.id, lines, simulations.players(context.database, known.id))


def _player(person: Person, spec: SimulateSpec) -> Player:
    """The same person tells the same at the same turns to every model, and in every simulation with this seed."""
    of = parts(person.profile, spec.turns)
    plan = schedule(len(of), spec.turns, seed_of(spec.seed, "schedule", person.key))
    return Player(0, person.profile, person.personality, of, plan)


def _unchanged(context: Context, spec: SimulateSpec, known: Simulation) -> None:
    """Raises Refused where a choice, such as what the settings say, means another model than when the simulation began."""
    stored = [(line.name, line.digest) for line in simulations.lines(context.database, known.id)]
    stored += [(one["name"], one["digest"]) for one in (known.player, *known.judges)]
    now = [(line.name, line.digest) for line in lines_of(context, spec)]
    now += [named(context, "user", spec.user), *(named(context, "judge", judge) for judge in spec.judges)]
    for before, after in zip(stored, now, strict=True):
        if before[1] != after[1] or (not before[1] and before[0] != after[0]):
            raise Refused(
                f"Simulation {known.id} began with {before[0]}; the same choice is {after[0]} now, with other weights or from "
                "another server. Start a new simulation."
            )


def cast_of(context: Context, spec: SimulateSpec) -> Cast:
    """The people of an order, each once, in the order of the set. Raises Refused where there is nobody."""
    if spec.set == 0:
        if spec.personalities:
            raise Refused(
                "The starter profiles have their own personalities: leave the other set out, or choose a set."
            )
        return _limited(spec, _starters(), {"set": 0, "name": STARTERS, "version": 1})
    name, version = _set(context, spec.set)
    texts = scenarios.lone_texts(context.database, spec.set)
    profiles = [text for file, text in texts if _PERSONALITIES not in file.lower()]
    others = texts if not spec.personalities else _told(context, spec.personalities)
    own = [text for file, text in others if _PERSONALITIES in file.lower()]
    if spec.personalities and not own:
        own = [text for _, text in others]
    if texts and not profiles:
        raise Refused(f"{name} v{version} holds personalities and no profiles: choose it as the personalities instead.")
    talked = filter(None, map(person_of, scenarios.records(context.database, spec.set)))
    people = chain(paired(profiles, own, spec.each, spec.seed), talked)
    return _limited(spec, people, {"set": spec.set, "name": name, "version": version})


def _set(context: Context, set_id: int) -> tuple[str, int]:
    found = sets.one_set(context.database, set_id)
    if found is None:
        raise Refused(f"There is no set number {set_id}; it may have been deleted. `subtext sets` lists them.")
    return found.name, found.version


def _told(context: Context, set_id: int) -> list[tuple[str, str]]:
    name, version = _set(context, set_id)
    found = scenarios.lone_texts(context.database, set_id)
    if not found:
        raise Refused(f"{name} v{version} holds no personalities: they are texts, one a line, as ALOE has them.")
    return found


def _starters() -> Iterator[Person]:
    for file in dialogue_files():
        for entry in read_records([file.read_bytes()]):
            record: Record | None = entry.record if isinstance(entry, Entry) else None
            person = None if record is None else person_of(record)
            if person is not None:
                yield person


def _limited(spec: SimulateSpec, people: Iterator[Person] | chain[Person], data: dict[str, Any]) -> Cast:
    found = list(dict.fromkeys(people))
    if not found:
        raise Refused(
            f"{data['name']} v{data['version']} tells of no user: it needs profiles as texts, or dialogues with a profile."
        )
    taken = found[: spec.limit] if spec.limit else found
    return Cast(taken, data | {"people": len(taken), "profiles": len({person.cluster for person in taken})})


def lines_of(context: Context, spec: SimulateSpec) -> list[Line]:
    """The models under test with their names, those of one choice together. Raises Refused."""
    order = list(dict.fromkeys(row.model for row in spec.rows))
    told = {model: named(context, "policy", model) for model in order}
    rows = sorted(spec.rows, key=lambda row: order.index(row.model))
    return [Line(0, told[row.model][0], row.model, told[row.model][1], row.manner) for row in rows]


def _new(context: Context, spec: SimulateSpec, folder: str, found: Cast) -> New:
    def told(role: Role, chosen: str) -> dict[str, str]:
        name, weights = named(context, role, chosen)
        return {"name": name, "digest": weights}

    judges = [told("judge", judge) for judge in spec.judges]
    prompts = {template.name: digest(template.name) for template in TEMPLATES}
    return New(spec.name, folder, spec.model_dump(mode="json"), found.data, told("user", spec.user), judges, prompts)
