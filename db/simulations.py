"""Simulated dialogues: laid out once, then stored turn by turn and level by level; what a report and a set are made of.

Knows rows only: calls no model and computes no figure.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import text

from core.prompts.simulation import Manner
from core.simulation.people import Person, Schedule
from core.simulation.turns import Rating, Said
from db.engine import Database
from db.rows import Rows, insert

WAYS: Mapping[Manner, str] = {
    "zero_shot": "zero-shot",
    "chain_of_thought": "chain of thought",
    "step_by_step": "step by step",
}
"""Ways of prompting a model under test, by what people call them."""


class Simulation(NamedTuple):
    """A stored simulation. `data`: id, name and version of the set of profiles, how many people; `player` and `judges`: name and
    digest of each; `prompts`: the digest of every prompt by name. `set_id` and `finished_at` are None until it is whole."""

    id: int
    name: str
    job_folder: str
    spec: dict[str, Any]
    data: dict[str, Any]
    player: dict[str, str]
    judges: list[dict[str, str]]
    prompts: dict[str, str]
    set_id: int | None
    created_at: str
    finished_at: str | None


class New(NamedTuple):
    """A simulation to lay out; `job_folder` names it."""

    name: str
    job_folder: str
    spec: Mapping[str, Any]
    data: Mapping[str, Any]
    player: Mapping[str, str]
    judges: Sequence[Mapping[str, str]]
    prompts: Mapping[str, str]


class Line(NamedTuple):
    """A model under test. `name` is for people, `digest` that of its weights, '' for a server."""

    id: int
    name: str
    model: str
    digest: str
    manner: Manner


class Player(NamedTuple):
    """A person of the simulation: the texts, the parts of the profile, and when each part is told."""

    id: int
    profile: str
    personality: str
    parts: tuple[str, ...]
    schedule: Schedule

    @property
    def person(self) -> Person:
        """Profile and personality."""
        return Person(self.profile, self.personality)


class Turn(NamedTuple):
    """A stored turn of the dialogue of line `line` with person `player`, with each judge's level by the judge's place."""

    id: int
    line: int
    player: int
    turn: int
    message: Said
    answer: Said
    levels: dict[int, Rating]


_SIMULATIONS = Rows("simulation", Simulation, ("spec", "data", "player", "judges", "prompts"))
_IN_ORDER = "WHERE simulation_id = :id ORDER BY position"
_LINES = Rows("simulation_model", Line)
_PLAYERS = Rows("simulation_person", Player, ("parts", "schedule"))


def begin(database: Database, new: New, lines: Sequence[Line], players: Sequence[Player], now: str) -> int:
    """Lay out a simulation in one transaction; the ids of lines and players are given here. Returns its id."""
    with database.write() as connection:
        simulation_id = insert(connection, "simulation", new._asdict() | {"created_at": now})
        _LINES.add(connection, lines, simulation_id=simulation_id)
        _PLAYERS.add(connection, players, simulation_id=simulation_id)
    return simulation_id


def get(database: Database, simulation_id: int) -> Simulation | None:
    """A simulation, or None."""
    return _SIMULATIONS.first(database, "WHERE id = :id", id=simulation_id)


def of_folder(database: Database, job_folder: str) -> Simulation | None:
    """The simulation that a job has laid out, or None."""
    return _SIMULATIONS.first(database, "WHERE job_folder = :folder", folder=job_folder)


def listing(database: Database, limit: int = 200) -> list[Simulation]:
    """The newest simulations, newest first."""
    return _SIMULATIONS.read(database, "ORDER BY id DESC LIMIT :limit", limit=limit)


def lines(database: Database, simulation_id: int) -> list[Line]:
    """The models under test, in order."""
    return _LINES.read(database, _IN_ORDER, id=simulation_id)


def players(database: Database, simulation_id: int) -> list[Player]:
    """The people, in order."""
    found = _PLAYERS.read(database, _IN_ORDER, id=simulation_id)
    return [one._replace(parts=tuple(one.parts), schedule=tuple(tuple(now) for now in one.schedule)) for one in found]


def turns(database: Database, simulation_id: int) -> list[Turn]:
    """Every stored turn with its levels: line by line, person by person, in the order of the turns."""
    asked = """
    SELECT t.id, t.model_id, t.person_id, t.turn, t.message, t.message_why, t.message_reply,
           t.answer, t.answer_why, t.answer_reply
    FROM simulation_model m JOIN simulation_turn t ON t.model_id = m.id JOIN simulation_person p ON p.id = t.person_id
    WHERE m.simulation_id = :id ORDER BY m.position, p.position, t.turn
    """
    said = """
    SELECT l.turn_id, l.judge, l.level, l.explanation, l.why, l.reply FROM simulation_model m
    JOIN simulation_turn t ON t.model_id = m.id JOIN simulation_level l ON l.turn_id = t.id
    WHERE m.simulation_id = :id ORDER BY l.turn_id, l.judge
    """
    with database.read() as connection:
        rows = connection.execute(text(asked), {"id": simulation_id}).all()
        levels = connection.execute(text(said), {"id": simulation_id}).all()
    given: dict[int, dict[int, Rating]] = {}
    for row in levels:
        given.setdefault(row[0], {})[row[1]] = Rating(*row[2:])
    return [
        Turn(
            row[0], row[1], row[2], row[3], Said(row[4], row[5], row[6]), Said(row[7], row[8], row[9]), given.get(row[0], {})
        )
        for row in rows
    ]  # fmt: skip


def put_turn(database: Database, of: tuple[int, int, int], message: Said, answer: Said) -> int:
    """Store a turn (`of`: ids of line and player, number of the turn) in place of one that was there, in one transaction;
    returns its id. Levels of a turn that was there go."""
    values: dict[str, Any] = {"line": of[0], "player": of[1], "turn": of[2]}
    values |= {"message": message.text, "message_why": message.why, "message_reply": message.reply}
    values |= {"answer": answer.text, "answer_why": answer.why, "answer_reply": answer.reply}
    with database.write() as connection:
        where = "model_id = :line AND person_id = :player AND turn = :turn"
        connection.execute(text(f"DELETE FROM simulation_turn WHERE {where}"), values)
        made = connection.execute(
            text(
                "INSERT INTO simulation_turn (model_id, person_id, turn, message, message_why, message_reply, answer, "
                "answer_why, answer_reply) VALUES (:line, :player, :turn, :message, :message_why, :message_reply, :answer, "
                ":answer_why, :answer_reply)"
            ),
            values,
        )
        turn_id: int = made.lastrowid  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    return turn_id


def put_level(database: Database, turn_id: int, judge: int, rating: Rating) -> None:
    """Store what a judge said of a turn, in place of what was there."""
    values = rating._asdict() | {"turn": turn_id, "judge": judge}
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO simulation_level (turn_id, judge, level, explanation, why, reply) VALUES (:turn, :judge, :level, "
                ":explanation, :why, :reply) ON CONFLICT (turn_id, judge) DO UPDATE SET level = :level, "
                "explanation = :explanation, why = :why, reply = :reply"
            ),
            values,
        )


def keep(database: Database, simulation_id: int, set_id: int | None) -> None:
    """Remember the set that holds the dialogues."""
    with database.write() as connection:
        values = {"set": set_id, "id": simulation_id}
        connection.execute(text("UPDATE simulation SET set_id = :set WHERE id = :id"), values)


def finish(database: Database, simulation_id: int, now: str) -> None:
    """Every planned turn was asked for and judged, as far as it can be."""
    with database.write() as connection:
        values = {"now": now, "id": simulation_id}
        connection.execute(text("UPDATE simulation SET finished_at = :now WHERE id = :id"), values)


def remove(database: Database, simulation_id: int) -> bool:
    """Delete a simulation with its turns and levels, not the set of its dialogues; False where there is none."""
    with database.write() as connection:
        return bool(connection.execute(text("DELETE FROM simulation WHERE id = :id"), {"id": simulation_id}).rowcount)


def labels(lines: Sequence[Line]) -> list[str]:
    """The models' names for people, each once: the model, how it is prompted where that is not plain, and a number where two
    choices stand for the same model."""
    found: list[str] = []
    for line in lines:
        name = line.name if line.manner == "zero_shot" else f"{line.name} · {WAYS[line.manner]}"
        same = sum(one == name or one.startswith(f"{name} (again ") for one in found)
        found.append(f"{name} (again {same})" if same else name)
    return found
