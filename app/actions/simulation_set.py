"""The dialogues of a simulation as a stored set: what rating studies, exports and trainings take with no further step."""

import io
import json

from app.actions.import_data import Incoming, Labels, import_staged
from app.context import Context
from app.errors import Refused
from core.dialogues import Turn
from core.simulation.transcripts import transcript
from core.types import shorten
from db import sets, simulations
from db.simulations import Simulation


def store(context: Context, simulation_id: int) -> int:
    """Make a set of the turns that took place, under the simulation's name; returns its id. What was stored like that already
    is found again. Raises Refused where no turn took place, with the most frequent reason."""
    found = simulations.get(context.database, simulation_id)
    if found is None:
        raise Refused(f"There is no simulation {simulation_id}. `subtext simulations list` lists them.")
    text = _text(context, found)
    staged = context.blobs.stage(io.BytesIO(text.encode("utf-8", "replace")))
    try:
        incoming = Incoming(f"simulation {simulation_id}.jsonl", staged)
        made = import_staged(context, [incoming], Labels(name=found.name)).set_id
    finally:
        context.blobs.discard(staged)
    if made is None:
        with context.database.read() as connection:
            known = sets.file_by_digest(connection, staged.digest)
        assert known is not None, "what was not imported is there"
        made = known[1].id
    simulations.keep(context.database, simulation_id, made)
    return made


def _text(context: Context, found: Simulation) -> str:
    """One line a dialogue, those of one person together, without dialogues in which nothing was said."""
    lines = simulations.lines(context.database, found.id)
    names = dict(zip((line.id for line in lines), simulations.labels(lines), strict=True))
    stored = simulations.turns(context.database, found.id)
    said: dict[tuple[int, int], list[Turn]] = {}
    for one in stored:
        if one.message.text is not None and one.answer.text is not None:
            said.setdefault((one.player, one.line), []).append(Turn(one.message.text, one.answer.text))
    if not said:
        why = next((one.message.why or one.answer.why for one in stored), "Nothing was asked yet.")
        raise Refused(f"No turn of simulation {found.id} took place, so there is no dialogue. {shorten(why, 300)}")
    rows = [
        transcript(names[line.id], player.person, said[player.id, line.id], found.id)
        for player in simulations.players(context.database, found.id)
        for line in lines
        if (player.id, line.id) in said
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
