"""Score a pasted response live: find its steps, open the chosen critic, hand on what it writes. Nothing is stored."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from app.context import Context
from app.engines.apart import Residents, open_live
from app.engines.endpoint import Engine
from app.errors import Missing, Refused
from core.datasets import best_response
from core.prompts.template import claims_score
from core.scoring import Case, Done, Piece, Scoring, stream_score
from core.steps import Found, find_steps
from db import scenarios, sets

LONGEST = 4_000
"""Characters of a preference or a query."""
LONGEST_RESPONSE = 60_000
MOST_SAMPLES = 9
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Pasted:
    """What a person wants scored. `samples` replies of the critic are averaged for each step."""

    preference: str
    query: str
    response: str
    samples: int = 1
    max_tokens: int = 512


def steps_of(pasted: Pasted) -> Found:
    """The steps of what was pasted. Raises Refused for what cannot be scored."""
    for name, text in (("preference", pasted.preference), ("query", pasted.query)):
        if not text.strip():
            raise Refused(f"The {name} is empty; the critic judges a step by what the person said and asked.")
        if len(text) > LONGEST:
            raise Refused(f"The {name} has {len(text):,} characters; {LONGEST:,} are allowed.")
    if len(pasted.response) > LONGEST_RESPONSE:
        raise Refused(f"The response has {len(pasted.response):,} characters; {LONGEST_RESPONSE:,} are allowed.")
    if not 1 <= pasted.samples <= MOST_SAMPLES:
        raise Refused(f"A step is scored 1 to {MOST_SAMPLES} times, not {pasted.samples}.")
    found = find_steps(pasted.response)
    if not found.steps:
        raise Refused("The response is empty. Paste a text with steps, such as “Step 1: …”.")
    claims = [str(place) for place, step in enumerate(found.steps, 1) if claims_score(step.text)]
    if claims:
        which = (
            f"Step {claims[0]} gives itself a score"
            if len(claims) == 1
            else f"Steps {', '.join(claims)} give themselves scores"
        )
        found = found._replace(notes=(*found.notes, f"{which}; the critic reads the text without it."))
    return found


async def score_live(
    context: Context, residents: Residents, engine: Engine, pasted: Pasted, found: Found
) -> AsyncGenerator[Piece | Done | str]:
    """The critic's name, then pieces and ends as it writes them. Raises Refused where the critic cannot be opened."""
    case = Case(pasted.preference, pasted.query, tuple(span.text for span in found.steps))
    async with open_live(context, residents, "critic", engine) as model:
        yield model.name
        async for event in stream_score(model, case, Scoring(samples=pasted.samples, max_tokens=pasted.max_tokens)):
            yield event


def example(context: Context, seed: int, samples: bool = False) -> dict[str, Any]:
    """A preference, a query and the best path of a stored tree as a response, drawn by the seed; with `samples` from the set
    that comes with Subtext only. Raises Missing without any."""
    own = [one.id for one in sets.all_sets(context.database) if one.sample and one.trees] if samples else [0]
    wanted = scenarios.Filter(set_id=own[0] if own else -1)
    total = scenarios.listing(context.database, wanted, 0, 1).total
    for attempt in range(_TRIES if total else 0):
        (row,) = scenarios.listing(context.database, wanted, (seed + attempt) % total, 1).rows
        stored = scenarios.get(context.database, row.id)
        response = best_response(stored.tree) if stored is not None and stored.tree is not None else None
        if stored is not None and response is not None:
            told = stored.scenario
            return {"preference": told.preference, "query": told.query, "response": response, "scenario": stored.id}
    raise Missing("There is no tree with a finished path yet. Build some on the Build page, or import a set.")
