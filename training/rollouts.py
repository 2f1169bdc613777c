"""What became of every sampled token: rows of responses, written as one Parquet file for each stored update.

Knows columns and files; knows neither trainer nor page. A file is written beside and then moved, so a reader sees whole ones.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = "rollouts"
_FLOATS = pa.list_(pa.float32())
SCHEMA = pa.schema(
    [
        ("update", pa.int64()),
        ("group", pa.int64()),
        ("response", pa.int64()),
        ("prompt", pa.string()),
        ("preference", pa.string()),
        ("query", pa.string()),
        ("text", pa.string()),
        ("truncated", pa.bool_()),
        ("format", pa.float32()),
        ("ids", pa.list_(pa.int64())),
        ("ends", pa.list_(pa.int64())),
        ("index", pa.list_(pa.int64())),
        ("starts_of_steps", pa.list_(pa.int64())),
        ("ends_of_steps", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.float64())),
        ("critiques", pa.list_(pa.string())),
        ("reasons", pa.list_(pa.string())),
        ("advantages", _FLOATS),
        ("kl", _FLOATS),
        ("entropy", _FLOATS),
        ("clipped", pa.list_(pa.bool_())),
    ]
)
"""One row is one response. `ends[t]`: characters of `text` that the first t + 1 tokens decode to. `index[t]`: the token's step,
-1 in none. `scores` holds null for an unscored step, with the reason in `reasons`. `kl` is empty without a reference model."""


@dataclass(slots=True)
class Response:
    """One sampled response and what is known of its tokens (T) and steps (K). Filled in by the trainer as it learns more."""

    prompt: str
    preference: str
    query: str
    text: str
    truncated: bool
    format: float
    ids: list[int]
    ends: list[int]
    index: list[int]
    spans: list[tuple[int, int]]
    scores: list[float | None]
    critiques: list[str]
    reasons: list[str]
    group: int = 0
    response: int = 0
    advantages: list[float] = field(default_factory=list[float])
    kl: list[float] = field(default_factory=list[float])
    entropy: list[float] = field(default_factory=list[float])
    clipped: list[bool] = field(default_factory=list[bool])

    def row(self, update: int) -> dict[str, Any]:
        """The response as a row of SCHEMA."""
        own = {name: getattr(self, name) for name in type(self).__slots__ if name != "spans"}
        return own | {
            "update": update,
            "starts_of_steps": [start for start, _ in self.spans],
            "ends_of_steps": [end for _, end in self.spans],
        }


def write(folder: Path, update: int, process: int, responses: list[Response]) -> Path:
    """Write the responses of one update; returns the file. Written again, it replaces what was there."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"update-{update:06d}-{process:02d}.parquet"
    beside = file.with_suffix(".part")
    table = pa.Table.from_pylist([response.row(update) for response in responses], schema=SCHEMA)
    pq.write_table(table, beside, compression="zstd")
    beside.replace(file)
    return file
