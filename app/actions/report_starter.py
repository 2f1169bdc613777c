"""Print how good the starter model is at its formats, on cases that were held back from its training. For developers."""

import asyncio
import sys
from pathlib import Path

from app.actions.make_starter import starter_trees


async def report_starter(folder: Path | None = None, count: int = 48) -> list[str]:
    """Lines of the report: each prompt greedy and at temperature 0.8, sense of the scores, speed. torch is imported late."""
    from training.generate import LocalModel
    from training.lessons import LESSONS, Material
    from training.models import load
    from training.starter import FOLDER
    from training.starter_report import Sampling, form, held_out, sense, speed

    made = Material()
    seeds = Material(starter_trees(["validation", "test"]), share=1.0)
    lines = [f"{'prompt':18} {'cases':9} {'T':>3} {'well-formed':>11} {'quotes found':>12}  most frequent fault"]
    with LocalModel(load(folder or FOLDER, "cpu")) as model:
        for name in LESSONS:
            for label, material in (("made", made), ("held-out", seeds)):
                for temperature in (0.0, 0.8):
                    found = await form(model, name, held_out(material, name, count, 991), Sampling(temperature))
                    lines.append(
                        f"{name:18} {label:9} {temperature:3.1f} {found.well_formed:11.1%} {found.quoted:12.0%}  {found.fault}"
                    )
        for label, material in (("made", made), ("held-out", seeds)):
            scores = await sense(model, material, 4 * count, 77)
            lines.append(
                f"scores, {label}: rank correlation {scores.correlation:.2f}, spread {scores.spread:.2f}, "
                f"fullest tenth {scores.fullest:.0%}, unscored {scores.unscored} of {scores.count}"
            )
        for batch, rounds in ((1, 6), (16, 3)):
            lines.append(f"speed at batch {batch}: {await speed(model, made, batch, rounds):,.0f} tokens a second")
    return lines


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.write("\n".join(asyncio.run(report_starter(chosen))) + "\n")
