"""Import of 3,000 trees x 60 nodes against parsing the same file with `json.loads`; wall time and peak memory.

Both run alternately, each in a process of its own, three times; the best of each counts. `python -m benchmarks.importing`
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.actions.import_data import import_files
from app.actions.prepare import prepare
from app.context import open_context
from app.settings import Settings
from benchmarks.made import write_trees

ROUNDS = 3


def parse(file: Path) -> tuple[float, float]:
    """Seconds of reading and parsing the file, and MiB of peak memory."""
    start = time.perf_counter()
    records = json.loads(file.read_text("utf-8"))
    seconds = time.perf_counter() - start
    assert len(records) > 0
    return seconds, peak()


def bring_in(file: Path, data: Path) -> tuple[float, float]:
    """Seconds of importing the file into a fresh database, and MiB of peak memory."""
    context = open_context(Settings(data=data, starter_set=False))
    prepare(context)
    start = time.perf_counter()
    outcome = import_files(context, [file])
    seconds = time.perf_counter() - start
    assert outcome.counts.problems == 0
    return seconds, peak()


def peak() -> float:
    """Peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(*arguments: str) -> tuple[float, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.importing", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    """Print the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trees.json"
        write_trees(file, 3000, 60)
        size = file.stat().st_size / (1 << 20)
        parsed, imported = [], []
        for index in range(ROUNDS):
            parsed.append(run("parse", str(file)))
            imported.append(run("import", str(file), str(Path(folder) / f"data{index}")))
        loads, ours = min(parsed), min(imported)
        print(f"file: 3,000 trees x 60 nodes, {size:.0f} MiB")
        print(f"json.loads: {loads[0]:.2f} s, peak {loads[1]:.0f} MiB")
        print(f"import:     {ours[0]:.2f} s, peak {max(item[1] for item in imported):.0f} MiB")
        print(
            f"ratio: {ours[0] / loads[0]:.1f} x the parse (at most 8), {ours[1] / size:.1f} x the file in memory (under 3)"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["parse", file]:
            print(*parse(Path(file)))
        case ["import", file, data]:
            print(*bring_in(Path(file), Path(data)))
        case _:
            main()
