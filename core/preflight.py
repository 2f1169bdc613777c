"""What a training of a critic needs before it starts: memory, disk, time, versions. Formulas and sentences, no file, no clock.

The figures are estimates for a plain transformer, good enough to say "this will not fit"; the sentences say how rough they are.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from core.specs import CriticSpec
from core.types import many

Level = Literal["ok", "warning", "blocking"]
GIB = 1 << 30
LARGEST_HEADER = 1 << 26
"""Bytes of a safetensors header that are read at most."""
_ENDS = ("embed", "lm_head", "wte", "wpe")
_CHECKPOINTS = 3
"""Checkpoints that lie on the disk at once: two are kept, and a third is written before the oldest goes."""
CPU_CORE_FLOPS, GPU_FLOPS = 1.5e10, 5e13
"""Floating-point operations a second that a training gets, where nothing was measured: of one core, of one GPU. Guesses."""
_NAMES = ("second", "minute", "hour", "day")


LIBRARIES = 600 << 20
"""Bytes that torch and the trainers take before any weight is loaded; on a GPU about as much is CUDA's own."""


class Line(NamedTuple):
    """One check: what was looked at, how it stands, and a sentence."""

    name: str
    level: Level
    text: str


class Shape(NamedTuple):
    """A network: all parameters; the sum of inputs and outputs of its linear layers but the head, which a LoRA sits on; and
    width, layers and vocabulary. Unknown parts are 0."""

    parameters: int
    linear: int
    width: int
    layers: int
    vocabulary: int


class Need(NamedTuple):
    """Bytes of a training: weights; gradients and Adam's two moments; activations of one batch; the libraries themselves."""

    weights: int
    learning: int
    activations: int
    libraries: int = LIBRARIES

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.learning + self.activations + self.libraries


class Pace(NamedTuple):
    """Floating-point operations a second, and where that is from: jobs measured here, or '' for a guess."""

    flops: float
    measured: str


def shape(headers: Iterable[Mapping[str, Any]], config: Mapping[str, Any]) -> Shape:
    """A network from the headers of its safetensors files and its config.json. Entries that make no sense count as nothing."""
    parameters = linear = 0
    for header in headers:
        for name, tensor in header.items():
            sizes = _sizes(tensor)
            parameters += math.prod(sizes) if sizes else 0
            if len(sizes) == 2 and not any(end in name for end in _ENDS):
                linear += sum(sizes)
    text: Any = config.get("text_config")
    own: Mapping[str, Any] = text if isinstance(text, dict) else config  # pyright: ignore[reportUnknownVariableType]
    width, layers, vocabulary = (_count(own.get(name)) for name in ("hidden_size", "num_hidden_layers", "vocab_size"))
    return Shape(parameters, linear, width, layers, vocabulary)


def _sizes(tensor: Any) -> list[int]:
    found: Any = tensor.get("shape") if isinstance(tensor, dict) else None  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(found, list):
        return []
    return [size for size in found if _count(size) == size]  # pyright: ignore[reportUnknownVariableType]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 50 else 0


def trained(spec: CriticSpec, net: Shape) -> int:
    """Parameters that are trained: all of them, or rank x (inputs + outputs) of every linear layer (LoRA, Hu et al. 2021)."""
    return spec.lora_rank * net.linear if spec.lora_rank else net.parameters


def need(spec: CriticSpec, net: Shape, tokens: int, gpu: bool) -> Need:
    """Memory of a training on examples of at most `tokens` tokens, in bytes.

    Weights have 4 bytes, 2 under a LoRA on a GPU; what is trained has 12 more: gradient and Adam's two moments; LoRA matrices
    are kept beside the base. Activations follow Korthikanti et al. 2022, section 4.1: 34 x tokens x width bytes a layer at 2
    bytes a value, without the attention matrices that are never stored; with checkpointing (GPU) 2 x tokens x width a layer and
    one layer in full. The logits take 6 x 4 bytes a token and word of the vocabulary: log probabilities, entropy, gradients
    beside them. Measured on a CPU (4 million parameters, 144 to 5,848 tokens a batch) the whole was right within 10 %.
    """
    small = gpu and spec.lora_rank > 0
    own = trained(spec, net)
    weights = net.parameters * (2 if small else 4) + (4 * own if spec.lora_rank else 0)
    seen = spec.batch * tokens
    wide = 1 if gpu else 2
    full = 34 * wide * seen * net.width
    layers = net.layers * 2 * seen * net.width + full if gpu else net.layers * full
    return Need(weights, 12 * own, layers + 24 * seen * net.vocabulary)


def each(found: Need, processes: int, split: bool, gpu: bool) -> Need:
    """What one GPU needs when so many processes train together, or what the machine needs for all of them on the CPU.

    Whole in every process it is the same on every GPU. Split, weights and what is learned are shared out, but each process loads
    the whole base first, so that is the least.
    """
    if split:
        share = found._replace(weights=found.weights // processes, learning=found.learning // processes)
        loading = Need(found.weights, 0, 0, found.libraries)
        found = max(share, loading, key=lambda need: need.total)
    if gpu:
        return found
    return Need(*(processes * part for part in found))


def disk(spec: CriticSpec, net: Shape, gpu: bool) -> int:
    """Bytes on the disk at the worst moment: three checkpoints of what is trained with Adam's moments, and the final weights."""
    own = trained(spec, net)
    final = net.parameters * (2 if gpu and spec.lora_rank else 4) + (4 * own if spec.lora_rank else 0)
    return _CHECKPOINTS * 12 * own + final


def updates(spec: CriticSpec, count: int) -> int:
    """Updates that a training on so many examples makes."""
    each = math.ceil(math.ceil(count / spec.batch) / spec.accumulate)
    planned = math.ceil(each * spec.epochs)
    return min(planned, spec.updates) if spec.updates else planned


def operations(spec: CriticSpec, net: Shape, tokens: float) -> float:
    """Floating-point operations to train on so many tokens: 6 a parameter and token, 4 where only a LoRA is trained."""
    return (4 if spec.lora_rank else 6) * net.parameters * tokens


def time_line(spec: CriticSpec, net: Shape, counts: tuple[int, int], mean: float, pace: Pace) -> Line:
    """How long it may take, from `counts` examples to train on and held out, of `mean` tokens.

    After every epoch, and at the end, the loss on the held-out ones is computed: 2 operations a parameter and token.
    """
    count, held = counts
    planned = updates(spec, count)
    seen = min(planned * spec.batch * spec.accumulate, math.ceil(count * spec.epochs))
    tokens = seen * mean
    if not net.parameters or not mean:
        return Line("time", "warning", f"{planned:,} updates; how long they take is not known.")
    looks = max(1, math.ceil(seen / max(1, count)))
    took = spell((operations(spec, net, tokens) + 2 * net.parameters * held * mean * looks) / pace.flops)
    rough = (
        f"at the pace of {pace.measured}; it may be half or twice that"
        if pace.measured
        else "a guess: nothing was trained on this machine yet, so it may be five times less or more"
    )
    more = " Scoring the held-out steps comes on top." if spec.report_steps else ""
    return Line("time", "ok", f"About {took} for {planned:,} updates and {tokens:,.0f} tokens, {rough}.{more}")


def spell(seconds: float) -> str:
    """A duration in one figure and its unit."""
    for size, name in zip((86400, 3600, 60, 1), reversed(_NAMES), strict=True):
        if seconds >= size * (1 if name == "second" else 1.5) or name == "second":
            count = max(1, round(seconds / size))
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    raise AssertionError("a duration has a unit")


def size(count: float) -> str:
    """Bytes for people."""
    return f"{count / GIB:,.1f} GiB" if count >= GIB / 10 else f"{count / (1 << 20):,.0f} MiB"


def memory_line(found: Need, free: int | None, total: int | None, where: str) -> Line:
    """The estimate against what `where` has: blocking above all of it, a warning above what is free. None is not known."""
    parts = (
        f"weights {size(found.weights)}, gradients and Adam {size(found.learning)}, activations {size(found.activations)}, "
        f"libraries {size(found.libraries)}"
    )
    says = f"About {size(found.total)} ({parts})"
    if free is None or total is None:
        return Line("memory", "warning", f"{says}; how much {where} has is not known.")
    if found.total > total:
        return Line(
            "memory", "blocking",
            f"{says}, but {where} has {size(total)}. Use a LoRA, a smaller batch, shorter examples or a smaller base.",
        )  # fmt: skip
    if found.total > free:
        return Line("memory", "warning", f"{says}, but only {size(free)} of {where}'s {size(total)} are free now.")
    return Line("memory", "ok", f"{says}; {size(free)} of {where}'s {size(total)} are free. A rough estimate.")


def disk_line(wanted: int, free: int) -> Line:
    """Checkpoints and weights against the free space of the data folder."""
    says = f"Checkpoints and the new weights take up to {size(wanted)}"
    if wanted > free:
        return Line("disk", "blocking", f"{says}, but only {size(free)} are free in the data folder.")
    if wanted > 0.8 * free:
        return Line("disk", "warning", f"{says}, nearly all of the {size(free)} that are free in the data folder.")
    return Line("disk", "ok", f"{says}; {size(free)} are free in the data folder.")


def versions_line(installed: Mapping[str, str | None], pins: Mapping[str, str]) -> Line:
    """What is installed against what this version was tested with: missing blocks, another version is a warning."""
    missing = [name for name in pins if installed.get(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        return Line("versions", "blocking", f"{', '.join(missing)} {are} not installed: pip install 'subtext[train]'.")
    other = [
        f"{name} {version} ({pin} was tested)"
        for name, pin in pins.items()
        if (version := installed[name]) is not None and not satisfies(version, pin)
    ]
    if other:
        return Line("versions", "warning", f"Another version than the tested one: {', '.join(other)}.")
    return Line("versions", "ok", ", ".join(f"{name} {installed[name]}" for name in pins) + ".")


def satisfies(version: str, wanted: str) -> bool:
    """True where a version meets every condition of `==1.2.*`, `>=1,<2` and the like; a local part (+cpu) does not count."""
    found = _numbers(version)
    for condition in filter(None, (part.strip() for part in wanted.split(","))):
        match = re.fullmatch(r"(==|>=|<=|<|>)\s?([0-9]{1,9}(?:\.[0-9]{1,9}){0,9})(\.\*)?", condition)
        if match is None:
            return False
        bound = _numbers(match[2])
        if match[3]:
            if found[: len(bound)] != bound:
                return False
            continue
        wide = max(len(found), len(bound))
        one, two = (numbers + (0,) * (wide - len(numbers)) for numbers in (found, bound))
        if not {"==": one == two, ">=": one >= two, "<=": one <= two, "<": one < two, ">": one > two}[match[1]]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,9}", version.partition("+")[0])
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def data_lines(spec: CriticSpec, seen: Mapping[str, Any]) -> list[Line]:
    """The set as a training would meet it, from the view of its preview."""
    lines = [_findings(seen["groups"]), _sides(spec, seen["train"], seen["held_out"])]
    if seen["growing"]:
        lines.append(Line("growing", "warning", f"{seen['growing']:,} trees of this set are still growing."))
    lines += _lengths(spec, seen)
    if spec.corrections:
        found = seen["checked"]
        level: Level = "ok" if found["labels"] or found["left_out"] else "warning"
        lines.append(Line("corrections", level, _corrected(found)))
    return lines


def _findings(groups: Sequence[Mapping[str, Any]]) -> Line:
    blocking = sum(group["blocking"] for group in groups)
    others = sum(group["total"] for group in groups) - blocking
    if blocking:
        first = next(one["sentence"] for group in groups for one in group["findings"] if one["blocking"])
        return Line(
            "data", "blocking", f"{many(blocking, 'finding')} of the lint must be mended first, such as: {first}"
        )
    if others:
        return Line("data", "warning", f"Nothing blocks; the lint has {many(others, 'warning')}, see the preview.")
    return Line("data", "ok", "The lint finds nothing odd.")


def _sides(spec: CriticSpec, train: Mapping[str, int], held: Mapping[str, int]) -> Line:
    says = f"{many(train['steps'], 'step')} of {many(train['scenarios'], 'scenario')} to train on, {held['steps']:,} held out"
    if not train["steps"]:
        return Line(
            "split", "blocking", "There is nothing to train on: no step is left on the training side of the split."
        )
    if not held["steps"]:
        return Line("split", "warning", f"{says}, so there is no report beside the base.")
    return Line("split", "ok", f"{says}.")


def _lengths(spec: CriticSpec, seen: Mapping[str, Any]) -> list[Line]:
    if seen["problem"]:
        return [Line("tokens", "blocking", seen["problem"])]
    found = seen["lengths"]
    some = "" if found["measured"] == found["total"] else f" of {found['measured']:,} measured"
    if found["cut"]:
        more = "" if spec.max_length > seen["context"] else f", at most {seen['context']:,}"
        return [
            Line(
                "tokens", "blocking",
                f"{many(found['cut'], 'example')}{some} have more than {found['limit']:,} tokens and would lose their score. "
                f"The longest has {found['longest']:,}: raise the longest example{more}, or leave those trees out.",
            )
        ]  # fmt: skip
    return [Line("tokens", "ok", f"The longest example{some} has {found['longest']:,} of {found['limit']:,} tokens.")]


def _corrected(found: Mapping[str, int]) -> str:
    if not found["labels"] and not found["left_out"]:
        return "Nobody has checked a step of this set, so there is no correction to train with."
    own = found["labels"]
    told = f"{many(own, 'step')} {'has its' if own == 1 else 'have their'} label from people"
    corrected = f", {found['corrected']:,} of them corrected"
    left = f"; {found['left_out']:,} judged wrong without a whole correction are left out" if found["left_out"] else ""
    stale = f"; {found['stale']:,} were changed since and keep their own label" if found["stale"] else ""
    return f"{told}{corrected}{left}{stale}."


def blocked(lines: Iterable[Line]) -> bool:
    """True where a training must not start."""
    return any(line.level == "blocking" for line in lines)
