"""Simulations as people look at them: the list, the report, the dialogues behind a cell, files, a set, removal.

Reads what `app.actions.simulate` stored; asks no model. The report is that of a rating study with the judges as raters.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from app.actions import tables
from app.actions.export_data import Download
from app.actions.export_ratings import latex_table
from app.actions.results import Result, Without, report_view
from app.actions.simulate import why_missing
from app.actions.simulation_set import store
from app.context import Context
from app.errors import Refused
from core.dialogues import Dialogue, Turn
from core.jobs import plain
from core.simulation.people import reveal
from core.simulation.report import Planned, SimulationReport, State, simulation_report
from core.study import DIMENSION
from core.study_report import Row
from core.types import Json, shorten
from db import jobs, sets, simulations
from db.simulations import Line, Player, Simulation
from db.simulations import Turn as Stored

FORMATS: Mapping[str, str] = {
    "dialogues": "Dialogues with levels and reasons, JSON lines",
    "jsonl": "Levels as ratings, JSON lines",
    "csv": "Levels as ratings, CSV",
    "latex": "Report, LaTeX table",
}
"""What a simulation can be written as. The dialogues alone are exported as the set they became."""
Wanted = Literal["", "held", "failed", "ended", "open", "unrated"]
PAGE = 10
_LOSSES = 200


class Loaded(NamedTuple):
    """A stored simulation with everything its report is made of. `names` are the models' names, `judges` the judges', each once;
    `turns` the stored turns by (line, player) and number."""

    stored: Simulation
    lines: list[Line]
    names: list[str]
    players: list[Player]
    judges: list[str]
    turns: dict[tuple[int, int], dict[int, Stored]]

    @property
    def planned(self) -> int:
        """Turns of a dialogue."""
        return int(self.stored.spec["turns"])


def listing(context: Context) -> list[dict[str, Any]]:
    """The newest simulations with the state of their jobs, newest first."""
    found: list[dict[str, Any]] = []
    for one in simulations.listing(context.database):
        job = _job(context, one)
        found.append(
            {
                "id": one.id, "name": one.name, "data": one.data, "models": len(one.spec.get("rows", [])),
                "turns": one.spec.get("turns"), "judges": [judge["name"] for judge in one.judges], "set": one.set_id,
                "created_at": one.created_at, "finished_at": one.finished_at, "job": None if job is None else job.id,
                "status": "" if job is None else job.status,
            }
        )  # fmt: skip
    return found


def _job(context: Context, one: Simulation) -> Any:
    return jobs.get(context.database, int(one.job_folder)) if one.job_folder.isdigit() else None


def stored(context: Context, simulation_id: int) -> Simulation:
    """A simulation. Raises Refused where it is not there."""
    found = simulations.get(context.database, simulation_id)
    if found is None:
        raise Refused(f"There is no simulation {simulation_id}. `subtext simulations list` lists them.")
    return found


def loaded(context: Context, simulation_id: int) -> Loaded:
    """A simulation with its turns. Raises Refused."""
    found = stored(context, simulation_id)
    lines = simulations.lines(context.database, simulation_id)
    kept: dict[tuple[int, int], dict[int, Stored]] = {}
    for one in simulations.turns(context.database, simulation_id):
        kept.setdefault((one.line, one.player), {})[one.turn] = one
    return Loaded(
        found,
        lines,
        simulations.labels(lines),
        simulations.players(context.database, simulation_id),
        _each_once([judge["name"] for judge in found.judges]),
        kept,
    )


def _each_once(names: Sequence[str]) -> list[str]:
    return [name if names.index(name) == place else f"{name} (judge {place + 1})" for place, name in enumerate(names)]


def state_of(turns: Mapping[int, Stored], turn: int) -> State:
    """What became of a planned turn of a dialogue."""
    now = turns.get(turn)
    if now is not None:
        return "failed" if why_missing(now) else "held"
    return "ended" if any(why_missing(one) for one in turns.values()) else "open"


def report(found: Loaded, without: Without | None = None) -> tuple[SimulationReport, Result]:
    """The report, also with a judge, a profile or a model left out, and what can be left out of it."""
    planned: list[Planned] = []
    rows: list[Row] = []
    unscored: list[tuple[str, int, str]] = []
    kept = without or Without()
    for line, name in zip(found.lines, found.names, strict=True):
        for player in found.players:
            if name == kept.model or player.person.cluster == kept.profile:
                continue
            dialogue, turns = f"{line.id} {player.id}", found.turns.get((line.id, player.id), {})
            for turn in range(1, found.planned + 1):
                now = turns.get(turn)
                why = "" if now is None else why_missing(now)
                planned.append(Planned(name, dialogue, turn, state_of(turns, turn), why))
                for place, level in ({} if now is None else now.levels).items():
                    who = (found.judges[place], dialogue, name, player.person.cluster)
                    if level.level is None:
                        unscored.append((name, turn, level.why))
                    else:
                        rows.append(Row(*who, turn, level.level, False, 0))
    made = simulation_report(planned, [row for row in rows if kept.keeps(row)], unscored)
    profiles = {player.person.cluster: shorten(player.profile, 60) for player in found.players}
    return made, Result(made.figures, found.names, profiles)


def shown(context: Context, simulation_id: int, without: Without | None = None) -> dict[str, Any]:
    """Everything of the report page. Raises Refused."""
    found = loaded(context, simulation_id)
    made, result = report(found, without)
    one, job = found.stored, _job(context, found.stored)
    told: dict[str, Any] = {
        "simulation": one._asdict() | {"job": None if job is None else job.id, "status": "" if job is None else job.status},
        "set": _set(context, one),
        "lines": [line._asdict() | {"label": name} for line, name in zip(found.lines, found.names, strict=True)],
        "turns": found.planned,
        "coverage": [cell._asdict() for cell in made.coverage],
        "losses": [loss._asdict() for loss in made.losses[:_LOSSES]],
        "formats": dict(FORMATS),
    }  # fmt: skip
    return plain(told | report_view(result))


def _set(context: Context, one: Simulation) -> dict[str, Any] | None:
    found = None if one.set_id is None else sets.one_set(context.database, one.set_id)
    return (
        None
        if found is None
        else {"id": found.id, "name": found.name, "version": found.version, "records": found.records}
    )


class Cell(NamedTuple):
    """Which dialogues are looked at: a model by its place, a turn (0: any), and what became of that turn."""

    line: int
    turn: int = 0
    state: Wanted = ""


def dialogues(context: Context, simulation_id: int, cell: Cell, offset: int = 0) -> dict[str, Any]:
    """The dialogues behind a cell of the report, lowest level first; how many there are, and a page of them. Raises Refused."""
    found = loaded(context, simulation_id)
    if not 0 <= cell.line < len(found.lines) or not 0 <= cell.turn <= found.planned:
        raise Refused(f"Simulation {simulation_id} has no such cell.")
    line = found.lines[cell.line]
    chosen: list[tuple[float, int, Player]] = []
    for place, player in enumerate(found.players):
        turns = found.turns.get((line.id, player.id), {})
        if _fits(turns, cell):
            mean = _mean(turns, cell.turn)
            chosen.append((float("inf") if mean is None else mean, place, player))
    chosen.sort(key=lambda one: one[:2])
    page = [_dialogue(found, line, player, cell.turn) for _, _, player in chosen[offset : offset + PAGE]]
    return plain(
        {"total": len(chosen), "page": PAGE, "offset": offset, "model": found.names[cell.line], "dialogues": page}
    )


def _fits(turns: Mapping[int, Stored], cell: Cell) -> bool:
    if not cell.turn or not cell.state:
        return True
    state = state_of(turns, cell.turn)
    if cell.state == "unrated":
        return state == "held" and not any(level.level for level in turns[cell.turn].levels.values())
    return state == cell.state


def _mean(turns: Mapping[int, Stored], turn: int) -> float | None:
    given = [
        level.level
        for one in turns.values()
        if turn in (0, one.turn)
        for level in one.levels.values()
        if level.level is not None
    ]
    return sum(given) / len(given) if given else None


def _dialogue(found: Loaded, line: Line, player: Player, turn: int) -> dict[str, Any]:
    turns = found.turns.get((line.id, player.id), {})
    return {
        "profile": player.profile,
        "personality": player.personality,
        "mean": _mean(turns, turn),
        "turns": [_turn(found, player, turns, number) for number in range(1, found.planned + 1)],
    }


def _turn(found: Loaded, player: Player, turns: Mapping[int, Stored], number: int) -> dict[str, Any]:
    """A turn as the page and the export show it: what was to be told, what was said, what is odd, every judge's level."""
    told: dict[str, Any] = {
        "turn": number,
        "state": state_of(turns, number),
        "told": reveal(player.parts, player.schedule, number).now,
    }
    now = turns.get(number)
    if now is None:
        return told | {"user": None, "assistant": None, "why": "", "notes": [], "levels": []}
    notes = [said.why for said in (now.message, now.answer) if said.why and said.text is not None]
    levels = [{"judge": found.judges[place]} | level._asdict() for place, level in now.levels.items()]
    said = {"user": now.message.text, "assistant": now.answer.text, "why": why_missing(now)}
    raw = {"reply": now.message.reply if now.message.text is None else now.answer.reply} if why_missing(now) else {}
    return told | said | raw | {"notes": notes, "levels": levels}


def exported(context: Context, simulation_id: int, form: str) -> Download:
    """A simulation as a file. Raises Refused for an unknown one or format."""
    found = loaded(context, simulation_id)
    stem = f"simulation-{simulation_id}"
    match form:
        case "dialogues":
            return Download(f"{stem}.dialogues.jsonl", "application/jsonl", _lines(_dialogues(found)))
        case "jsonl":
            return Download(f"{stem}.jsonl", "application/jsonl", _lines(_ratings(found)))
        case "csv":
            return Download(f"{stem}.csv", "text/csv", tables.to_csv(_ratings(found)))
        case "latex":
            text = latex_table(found.stored.name, report(found)[0].figures)
            return Download(f"{stem}.tex", "text/plain; charset=utf-8", iter([text.encode("utf-8", "replace")]))
        case _:
            raise Refused(f"There is no format {form[:40]!r}. Formats: {', '.join(FORMATS)}.")


def _lines(rows: Iterator[Json]) -> Iterator[bytes]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _dialogues(found: Loaded) -> Iterator[Json]:
    for line, name in zip(found.lines, found.names, strict=True):
        for player in found.players:
            yield {"model": name} | _dialogue(found, line, player, 0)


def _ratings(found: Loaded) -> Iterator[Json]:
    """Every judge's level of every turn in the long format of ratings; a dialogue has the id it has in a rating study, so that
    judges and people meet on the same turns. A level that is missing has no value."""
    for line, name in zip(found.lines, found.names, strict=True):
        for place, player in enumerate(found.players):
            turns = found.turns.get((line.id, player.id), {})
            held = [turns[turn] for turn in sorted(turns) if not why_missing(turns[turn])]
            said = tuple(Turn(one.message.text or "", one.answer.text or "") for one in held)
            about = "\n".join(filter(None, (player.profile, player.personality)))
            dialogue = Dialogue(about, name, said)
            for one in held:
                for judge, level in one.levels.items():
                    yield {
                        "study_id": found.stored.name, "rater_id": found.judges[judge], "dialogue_id": dialogue.key,
                        "turn": one.turn, "dimension": DIMENSION, "value": level.level,
                        "status": "submitted" if level.level else "cannot rate", "model": name,
                        "profile": player.person.cluster, "retest": False, "check": False, "asked": None,
                        "order_index": place, "active_ms": None, "submitted_at": None, "guideline_version": None,
                        "flagged": False, "note": level.explanation or level.why,
                    }  # fmt: skip


def keep(context: Context, simulation_id: int) -> str:
    """Make a set of the dialogues as they are now; says which. Raises Refused."""
    made = store(context, stored(context, simulation_id).id)
    found = sets.one_set(context.database, made)
    assert found is not None
    return f"The dialogues are set {made}, {found.name} v{found.version}: {found.records:,} of them have a turn."


def remove(context: Context, simulation_id: int, name: str) -> str:
    """Delete a simulation after its name was given; says what went. Raises Refused."""
    found = stored(context, simulation_id)
    job = _job(context, found)
    if job is not None and job.status in ("queued", "running", "cancelling"):
        raise Refused(f"Job {job.id} ({job.status}) still works on it. Cancel it or wait for it.")
    if name != found.name:
        raise Refused("To delete it, give its name exactly.")
    simulations.remove(context.database, simulation_id)
    stays = "" if found.set_id is None else f" Set {found.set_id} with its dialogues stays."
    return f"{found.name} is deleted with all its turns and levels.{stays}"
