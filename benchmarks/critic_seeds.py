"""What a critic's training brings: base and trained critic on held-out scenarios, by seed. `python -m benchmarks.critic_seeds`

The whole way of a critic job, as a user goes it: the starter set is imported with the split of the seed, and the preset runs
through `app.actions.train_critic`. Five scenarios are held out, drawn from the eight that the starter model was not trained on;
the rest is trained on. Two bases: the shipped starter model, and its network with weights drawn by the seed. Beside them stands
what the bare length of a step says of its score: the starter set's good steps are longer, so a critic has to be seen against it.
The presets' rate and epochs were chosen with a look at the held-out steps of seed 1; seeds 2 and 3 were not looked at before.
"""

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from transformers import PrinterCallback

from app.actions.import_data import Labels, import_files
from app.actions.prepare import prepare
from app.actions.train_critic import REPORT, train_critic
from app.context import Context, open_context
from app.settings import Settings
from benchmarks.building import Quiet
from core.critic_report import spearman
from core.specs import critic_preset
from db import scenarios
from db.seeds import seed_files

HELD_OUT = 5
BASES = ("starter", "untrained")
"""Presets, by which the table calls them too."""
COMPARED = (
    ("starter, trained", "starter, base"),
    ("starter, trained", "untrained, base"),
    ("untrained, trained", "untrained, base"),
    ("starter, trained", "untrained, trained"),
)


class Row(NamedTuple):
    """One line of the table: measures of one critic on the held-out steps of one seed."""

    seed: int
    critic: str
    steps: int
    unscored: float
    spearman: float | None
    mae: float | None
    band: float | None


def split_of(seed: int) -> list[dict[str, Any]]:
    """The starter set's records with the split of this seed."""
    found: list[dict[str, Any]] = [json.loads(file.read_text("utf-8")) for file in seed_files()]
    unseen = [place for place, record in enumerate(found) if record["scenario"]["split"] != "train"]
    held = set(Random(seed).sample(unseen, HELD_OUT))
    for place, record in enumerate(found):
        record["scenario"]["split"] = "test" if place in held else "train"
    return found


def stock(context: Context, seed: int, folder: Path) -> int:
    """The number of the set with the split of this seed."""
    file = folder / f"split-{seed}.json"
    file.write_text(json.dumps(split_of(seed)), "utf-8")
    made = import_files(context, [file], Labels(name=f"Split {seed}")).set_id
    assert made is not None
    return made


def run(context: Context, set_id: int, seed: int, preset: str, folder: Path) -> tuple[dict[str, Any], float]:
    """Train and score by the preset; the report and the seconds."""
    spec = critic_preset(preset, name=f"{preset} {seed}", set=set_id, seed=seed, report_steps=1000, device="cpu")
    folder.mkdir(parents=True)
    began = time.perf_counter()
    train_critic(context, spec, folder, Quiet())
    return json.loads((folder / REPORT).read_text("utf-8")), time.perf_counter() - began


def row(seed: int, critic: str, measured: Mapping[str, Any]) -> Row:
    """A line of the table out of a report."""
    return Row(seed, critic, *(measured[name] for name in ("steps", "unscored", "spearman", "mae", "band")))


def by_length(context: Context, set_id: int, seed: int) -> Row:
    """Held-out steps ranked by the length of their text."""
    trees = [kept.tree for kept in scenarios.trees(context.database, set_id) if kept.tree.scenario.split == "test"]
    nodes = [node for tree in trees for node in tree.nodes if node.score is not None and node.critique]
    lengths = np.array([len(node.thought) for node in nodes], dtype=np.float64)
    scores = np.array([node.score for node in nodes], dtype=np.float64)
    return Row(seed, "length of the step", len(nodes), 0.0, spearman(lengths, scores), None, None)


def shown(value: float | None, form: str = "6.2f") -> str:
    """A measure, or a dash where it is not defined."""
    return "-".rjust(6) if value is None else format(value, form)


def table(rows: Sequence[Row]) -> str:
    """The lines, and means over the seeds where a measure is defined for all of them."""
    head = f"{'seed':>5}  {'critic':<20} {'steps':>5} {'unscored':>9} {'Spearman':>9} {'MAE':>6} {'band':>6}"
    lines = [head]
    for one in rows:
        lines.append(_line(str(one.seed), one.critic, one.steps, one[3:]))
    for critic in dict.fromkeys(one.critic for one in rows):
        columns = zip(*(one[3:] for one in rows if one.critic == critic), strict=True)
        means = [None if None in column else float(np.mean(np.array(column, dtype=float))) for column in columns]
        lines.append(_line("mean", critic, sum(one.steps for one in rows if one.critic == critic), means))
    return "\n".join(lines)


def _line(seed: str, critic: str, steps: int, measures: Sequence[float | None]) -> str:
    unscored, rank, mae, band = measures
    told = f"{shown(unscored, '9.1%')} {shown(rank, '9.2f'):>9} {shown(mae)} {shown(band, '6.0%')}"
    return f"{seed:>5}  {critic:<20} {steps:>5} {told}"


def verdict(rows: Sequence[Row], better: str, than: str) -> str:
    """For how many seeds one critic has a higher Spearman than the other, and fewer or more steps without a score.

    A critic that scored nothing has no Spearman and is compared in its unscored share alone; such seeds are counted.
    """
    found = {(one.seed, one.critic): one for one in rows}
    pairs = [(found[seed, better], found[seed, than]) for seed in dict.fromkeys(one.seed for one in rows)]
    ranked = [(a.spearman, b.spearman) for a, b in pairs if a.spearman is not None and b.spearman is not None]
    fewer, more = (sum(sign * (a.unscored - b.unscored) < 0 for a, b in pairs) for sign in (1, -1))
    said = f"{better} against {than}: Spearman higher for {sum(a > b for a, b in ranked)} of {len(ranked)} seeds"
    bare = f", not defined for {len(pairs) - len(ranked)}" if len(ranked) < len(pairs) else ""
    return f"{said}{bare}; unscored fewer for {fewer}, more for {more} of {len(pairs)}"


def main() -> None:
    """Print the table."""
    PrinterCallback.on_log = lambda *_, **__: None  # type: ignore[method-assign]
    seeds = [int(seed) for seed in sys.argv[1:]] or [1, 2, 3]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        context = open_context(Settings(data=Path(name) / "data", starter_set=False))
        prepare(context)
        sets = {seed: stock(context, seed, Path(name)) for seed in seeds}
        rows += [by_length(context, set_id, seed) for seed, set_id in sets.items()]
        for base in BASES:
            for seed, set_id in sets.items():
                report, seconds = run(context, set_id, seed, base, Path(name) / f"{base}-{seed}")
                rows += [row(seed, f"{base}, {which}", report[which]["all"]) for which in ("base", "trained")]
                print(f"{base}, seed {seed}: trained and scored in {seconds:.0f} s", flush=True)
                print("\n".join(table(rows[-2:]).splitlines()[:3]), flush=True)
    print(table(rows))
    for better, than in COMPARED:
        print(verdict(rows, better, than))


if __name__ == "__main__":
    main()
