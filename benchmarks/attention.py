"""Time and memory of the attention probe beside a plain pass and the usual way. `python -m benchmarks.attention [REPEATS]`

A Qwen2 network of 65 million parameters with random weights, float32, on the CPU, for prompts of 2,048 and 8,192 tokens. Three
ways: `plain` runs the body of the model and reads nothing; `probe` reads the weights of the last token of every layer and head;
`eager` is the usual way, `output_attentions` on the slow attention, of which the last rows are kept at the end. Where the usual
way would need more memory than the machine has, it is left out.

Times: all in one process, in turns, medians of the ratios turn by turn, by the clock and by the processor; the limit is on the
latter, as the clock of a shared machine counts its neighbours too. Memory: each way in processes of its own, the most it holds
above what it held before the pass (weights in memory, one short pass done).

Memory is measured twice. The allocator of glibc keeps holes between large tensors, which differ by a quarter from process to
process for the same pass; the first figure is taken with every large tensor in a mapping of its own, which is what the pass
itself needs, the second with the allocator as it is. The limit is on the first.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from training.attention_rows import attending
from training.models import Loaded, load_tokenizer
from training.probe import Probe, open_probe
from training.starter import FOLDER

LENGTHS = (2048, 8192)
LAYERS, HEADS = 10, 8
WAYS = ("plain", "probe", "eager")
LIMITS = (1.15, 1.2)
"""Most time and memory of the probe over those of a plain pass."""


def network() -> Loaded:
    """The network; its tokenizer only pads."""
    config = Qwen2Config(
        vocab_size=32_000, hidden_size=512, intermediate_size=2816, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=2, max_position_embeddings=16_384, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(1)
    model: Any = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    return Loaded("random", model, load_tokenizer(FOLDER), 16_384, frozenset())


def passes(loaded: Loaded, way: str, probe: Probe) -> Callable[[int], None]:
    """One pass over a prompt of so many tokens."""
    model: Any = loaded.model

    def plain(length: int) -> None:
        with torch.inference_mode():
            model.get_decoder()(input_ids=_ids(length), use_cache=False)

    def probed(length: int) -> None:
        for _ in probe.last([_ids(length)[0].tolist()]):
            pass

    def eager(length: int) -> None:
        with torch.inference_mode(), attending(model, "eager"):
            found = model.get_decoder()(input_ids=_ids(length), use_cache=False, output_attentions=True).attentions
            torch.stack([one[:, :, -1] for one in found])

    return {"plain": plain, "probe": probed, "eager": eager}[way]


def _ids(length: int) -> torch.Tensor:
    return torch.randint(0, 32_000, (1, length), generator=torch.Generator().manual_seed(length))


def _status(name: str) -> int:
    """A line of the kernel's record of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("This system does not tell how much memory a process holds; the benchmark needs Linux.")


def _free() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def needed(length: int) -> int:
    """Bytes of all weights of all layers, and those of one layer twice over while they are made."""
    return (LAYERS + 3) * HEADS * length * length * 4


def peak(way: str, length: int) -> None:
    """In a process of its own: print the most bytes that a pass holds above what was there."""
    loaded = network()
    run = passes(loaded, way, open_probe(loaded))
    run(64)
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    run(length)
    print(json.dumps(_status("VmHWM") - before))


def memory(way: str, length: int, repeats: int, holes: bool) -> float:
    """Median of `peak` in MiB; without `holes` large tensors get mappings of their own."""
    around = os.environ if holes else {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    found = [
        subprocess.run(
            [sys.executable, "-m", "benchmarks.attention", "--peak", way, str(length)],
            check=True, env=around, capture_output=True, text=True,
        ).stdout.splitlines()[-1]
        for _ in range(repeats)
    ]  # fmt: skip
    return statistics.median(json.loads(one) for one in found) / 2**20


def times(length: int, ways: tuple[str, ...], repeats: int) -> dict[str, list[float]]:
    """Seconds of each way, turn by turn, each first in turns."""
    loaded = network()
    probe = open_probe(loaded)
    runs = {way: passes(loaded, way, probe) for way in ways}
    for run in runs.values():
        run(256)
    found: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(repeats):
        for place in range(len(ways)):
            way = ways[(turn + place) % len(ways)]
            began = time.process_time(), time.perf_counter()
            runs[way](length)
            found[way].append(time.perf_counter() - began[1])
            found.setdefault(f"{way} processor", []).append(time.process_time() - began[0])
    return found


def ratio(found: dict[str, list[float]], way: str, kind: str = "") -> float:
    """Median over the turns of a way's time over the plain pass's of the same turn."""
    return statistics.median(a / b for a, b in zip(found[way + kind], found["plain" + kind], strict=True))


def main() -> None:
    """Print times, memory and their ratios."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for length in LENGTHS:
        room = needed(length) < 0.8 * _free()
        ways = WAYS if room else WAYS[:2]
        found = times(length, ways, repeats)
        held = {way: memory(way, length, 1, holes=False) for way in ways}
        usual = {way: memory(way, length, 3, holes=True) for way in ways}
        print(f"T = {length:,}", flush=True)
        for way in ways:
            print(
                f"  {way}: {statistics.median(found[way]):.2f} s, {held[way]:,.0f} MiB beside the weights; over plain: "
                f"time {ratio(found, way):.2f}, processor {ratio(found, way, ' processor'):.2f}, "
                f"memory {held[way] / held['plain']:.2f}, with holes {usual[way] / usual['plain']:.2f}"
            )
        if not room:
            print(f"  eager: left out, its weights alone need {needed(length) / 2**30:.1f} GiB")
        time_over, memory_over = ratio(found, "probe", " processor"), held["probe"] / held["plain"]
        kept = time_over <= LIMITS[0] and memory_over <= LIMITS[1]
        print(
            f"  limits of the probe, {LIMITS[0]} x the time and {LIMITS[1]} x the memory: {'kept' if kept else 'NOT KEPT'}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[1] == "--peak":
        peak(sys.argv[2], int(sys.argv[3]))
    else:
        main()
