"""Train the starter model again from the starter set: reads the seeds, hands them to training, which writes the folder.

A command for developers (`make starter-model`). torch is imported late, in the function that trains.
"""

import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from core.dialogues import dialogue_of
from core.formats.registry import Entry, read_records
from core.types import Foreign, Tree
from db.seeds import dialogue_files, seed_files

_SENTENCE = re.compile(r"[^.!?\n]{20,240}[.!?]")


def starter_trees(splits: Iterable[str]) -> tuple[Tree, ...]:
    """The starter set's trees of these splits, in the order of their files."""
    wanted = frozenset(splits)
    found = [
        entry.record for file in seed_files() for entry in read_records([file.read_bytes()]) if isinstance(entry, Entry)
    ]
    return tuple(tree for tree in found if isinstance(tree, Tree) and tree.scenario.split in wanted)


def starter_sentences() -> tuple[str, ...]:
    """Sentences of the starter dialogues, of 20 to 240 characters."""
    found: list[str] = []
    for file in dialogue_files():
        for entry in read_records([file.read_bytes()]):
            dialogue = (
                dialogue_of(entry.record) if isinstance(entry, Entry) and isinstance(entry.record, Foreign) else None
            )
            for turn in dialogue.turns if dialogue else ():
                found += [match.strip() for match in _SENTENCE.findall(f"{turn.user}\n{turn.assistant}")]
    return tuple(dict.fromkeys(found))


def make_starter(folder: Path | None = None, steps: int | None = None) -> str:
    """Train on the `train` split and write the model; returns the digest of the weights. Prints its progress on stderr."""
    from training.lessons import Material
    from training.starter import FOLDER, Recipe
    from training.starter import make_starter as train

    began = time.monotonic()

    def tell(step: int, loss: float) -> None:
        sys.stderr.write(f"step {step:5d}  loss {loss:.3f}  {time.monotonic() - began:6.0f} s\n")

    material = Material(starter_trees(["train"]), starter_sentences())
    return train(material, folder or FOLDER, Recipe(steps=steps) if steps else Recipe(), tell)


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.write(make_starter(chosen, int(sys.argv[2]) if len(sys.argv) > 2 else None) + "\n")
