"""Opening a tree and searching in the server, at 180,000 and at 1,800,000 nodes; the obvious alternative beside each.

Tree: query and view as the route does it, against reading the record from an exported JSON lines file by scanning it.
Search: words from the data (common, rare and in pairs), against SQL `LIKE` over the same rows. `python -m benchmarks.reading`
"""

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from app.actions.import_data import import_files
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.settings import Settings
from app.views.tree import stored_view
from benchmarks.made import words, write_trees
from db import scenarios
from db.scenarios import Filter
from db.search import search

SIZES = (3_000, 30_000)
SAMPLES = 400


def p95(action: Callable[[], object], times: int = SAMPLES) -> float:
    """The 95th percentile of an action's milliseconds, after ten unmeasured calls."""
    for _ in range(10):
        action()
    taken: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.quantiles(taken, n=20)[-1]


def filled(folder: Path, trees: int) -> Context:
    """A database with this many trees of 60 nodes."""
    context = open_context(Settings(data=folder / f"data-{trees}", starter_set=False))
    prepare(context)
    for part in range(trees // 3000):
        file = folder / "part.json"
        write_trees(file, 3000, 60, seed=part)
        import_files(context, [file])
        file.unlink()
    return context


def measure(context: Context, trees: int) -> tuple[float, float]:
    """p95 of opening a tree and of a search; prints them with their ratio to the alternatives."""
    rng, database = random.Random(3), context.database
    stock = sorted({word.strip(".,;:?'").lower() for word in words() if len(word) > 3})
    often = ["user", "step", "because", "never", "evening", "small"]

    def open_tree() -> None:
        found = scenarios.get(database, rng.randint(1, trees))
        assert found is not None
        json.dumps(stored_view(found))

    def find() -> None:
        query = rng.choice([rng.choice(often), rng.choice(stock), f"{rng.choice(often)} {rng.choice(stock)}"])
        search(database, query, Filter())

    def like() -> None:
        with database.read() as connection:
            query = "SELECT id FROM node WHERE thought LIKE :word OR critique LIKE :word ORDER BY id DESC LIMIT 50"
            connection.execute(text(query), {"word": f"%{rng.choice(stock)} {rng.choice(stock)}%"}).all()

    opened, found = p95(open_tree), p95(find)
    plain = p95(like, 5)
    print(f"{trees * 60:>9,} nodes: open a tree p95 {opened:5.1f} ms; search p95 {found:5.1f} ms, LIKE {plain:7.0f} ms"
          f" ({plain / found:.0f} x)")  # fmt: skip
    return opened, found


def main() -> None:
    """Print the figures and how they grow with ten times the data."""
    sizes = SIZES[: int(sys.argv[1])] if len(sys.argv) > 1 else SIZES
    with tempfile.TemporaryDirectory() as folder:
        figures = [measure(filled(Path(folder), trees), trees) for trees in sizes]
    if len(figures) == 2:
        (open_small, find_small), (open_large, find_large) = figures
        print(
            f"ten times the data: open {open_large / open_small:.2f} x, search {find_large / find_small:.2f} x (at most 1.5)"
        )


if __name__ == "__main__":
    main()
