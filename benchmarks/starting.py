"""What importing the web application costs against importing Gradio alone. `python -m benchmarks.starting`"""

import subprocess
import sys

ROUNDS = 5
CODE = """
import time, sys
start = time.perf_counter()
import {module}
print(time.perf_counter() - start, "torch" in sys.modules)
"""


def seconds(module: str) -> float:
    """Seconds of one import in a fresh interpreter. Raises RuntimeError when it brings torch along."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(module=module)], capture_output=True, text=True, check=True
    )
    taken, torch = done.stdout.split()
    if torch == "True":
        raise RuntimeError(f"import {module} brings torch along")
    return float(taken)


def main() -> None:
    """Print the ratio of the best times, measured alternately."""
    pairs = [(seconds("gradio"), seconds("app.main")) for _ in range(ROUNDS)]
    gradio, ours = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    print(
        f"import gradio: {gradio:.2f} s, import app.main: {ours:.2f} s, ratio {ours / gradio:.2f} (at most 1.3), no torch"
    )


if __name__ == "__main__":
    main()
