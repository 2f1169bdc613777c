"""Answers that come as lines of JSON while a model writes: how a line looks, and what a critic says as one."""

import json
from typing import Any

from core.bands import band_of
from core.scoring import Done, Piece

MEDIA = "application/x-ndjson"


def line(told: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(told).encode() + b"\n"


def judged(event: Piece | Done) -> dict[str, Any]:
    """A piece of a critique, or the end of it with its score and the band of the rubric."""
    match event:
        case Piece(step, text, fresh):
            return {"step": step, "piece": text, "fresh": fresh}
        case Done(step, scored):
            band = None if scored.score is None else band_of(scored.score).key
            samples = [sample._asdict() for sample in scored.samples]
            return {"step": step, "done": scored._asdict() | {"samples": samples, "band": band}}
