"""What is known of a slice, a meter and averages as JSON values for a page. Pure; draws and reads nothing.

Arrays that have one value for each token, or for each head of each layer, are little-endian bytes in base64.
"""

import base64
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.attention import NOTICE, SEGMENTS, Unmeasured, control, measure
from core.attention_file import Slice
from core.attention_report import Change, Curve, Summary
from core.jobs import objects, plain
from core.preference_use import MEANING, Meter
from core.regions import PREFERENCE, QUERY
from core.rollouts import utf16

MOST_REVERSE = 2000
"""Characters of a reversed preference that are shown."""


def packed(values: ArrayLike, kind: str = "<f4") -> str:
    """An array as base64 of its bytes."""
    found: NDArray[Any] = np.asarray(values)
    return base64.b64encode(found.astype(kind).tobytes()).decode("ascii")


def told_figures(one: Slice) -> dict[str, Any]:
    """The figures of the mean row, and its control; `figures` is null with a `reason` where nothing can be said."""
    return figures_of(one, one.mean)


def figures_of(one: Slice, row: ArrayLike) -> dict[str, Any]:
    """The same of any row (T,) of the slice's prompt."""
    found, beside = measure(row, one.prompt), control(row, one.prompt)
    if isinstance(found, Unmeasured):
        return {"figures": None, "control": None, "reason": found.reason}
    told = {"reason": beside.reason} if isinstance(beside, Unmeasured) else beside._asdict()
    return {"figures": plain(found._asdict()), "control": plain(told), "tokens": len(one.prompt.ids)}


def told_slice(one: Slice) -> dict[str, Any]:
    """A slice for a page: its text with the ends of its tokens (in UTF-16 units), rows, masses head by head, figures."""
    prompt = one.prompt
    ends = np.maximum.accumulate(prompt.offsets[:, 1].astype(np.int64))
    layers, heads = one.masses.shape
    return {
        "model": one.model,
        "scenario": one.scenario,
        "text": prompt.text,
        "ends": packed(utf16(prompt.text, ends), "<i4"),
        "content": packed(prompt.content, "u1"),
        "preference": packed(prompt.region(PREFERENCE)),
        "query": packed(prompt.region(QUERY)),
        "mean": packed(one.mean),
        "layers": layers,
        "heads": heads,
        "masses": packed(one.masses),
        "first": packed(one.first),
        **figures_of(one, one.mean),
    }


def told_meter(use: Meter | Unmeasured | None, reverse: str) -> dict[str, Any] | None:
    """The meter of an answer, `reason` where there is none, None where no answer was asked for. `reverse` is the text that
    stood in the place of the preference."""
    if use is None:
        return None
    if isinstance(use, Unmeasured):
        return {"reason": use.reason}
    sentences = [objects(one) for one in use.sentences]
    return plain({"answer": objects(use.answer), "sentences": sentences, "reverse": reverse[:MOST_REVERSE]})


def told_summary(found: Summary | Unmeasured) -> dict[str, Any]:
    """Means with intervals, the curve and the control of one model."""
    if isinstance(found, Unmeasured):
        return {"reason": found.reason}
    told = {name: objects(mean) for name, mean in found.figures.items()}
    return plain({"figures": told, "curve": told_curve(found.curve), "control": objects(found.control)})


def told_curve(found: Curve | Unmeasured) -> dict[str, Any]:
    """A curve as lists of BINS numbers."""
    if isinstance(found, Unmeasured):
        return {"reason": found.reason}
    return plain({name: values.tolist() for name, values in found._asdict().items()})


def told_change(found: Change | Unmeasured) -> dict[str, Any]:
    """A difference of two models."""
    return {"reason": found.reason} if isinstance(found, Unmeasured) else plain(objects(found))


def words() -> dict[str, Any]:
    """What a page says beside the numbers: the notice, the parts of the curve, and the meaning of each quadrant."""
    return {"notice": NOTICE, "segments": [list(one) for one in SEGMENTS], "meaning": dict(MEANING)}
