"""The report of a job that read attention: averages over scenarios for every model, and what differs from the first one.

Made of the slices in the job's folder, which are read as foreign files; runs no model.
"""

import json
from pathlib import Path
from typing import Any

from app.actions.attention_files import PLAN, REPORT, heads, slice_at, slice_name
from core.attention import Unmeasured
from core.attention_file import Unreadable
from core.attention_report import Reading, change, curve_change, reading, summary
from core.attention_spec import AttentionSpec
from core.attention_told import told_change, told_curve, told_summary

COMPARED = ("mass", "lift", "kept_lift")
"""Figures of which differences are told."""


def write_report(folder: Path, spec: AttentionSpec) -> dict[str, Any]:
    """Make report.json of what is there, and return it."""
    plan = json.loads((folder / PLAN).read_text("utf-8"))
    numbers = {(line["model"], line["case"]): line for line in heads(folder)[0]}
    readings: list[list[Reading]] = []
    told: list[dict[str, Any]] = []
    for place, model in enumerate(plan["models"]):
        own: list[Reading] = []
        problems: list[dict[str, Any]] = []
        for number, case in enumerate(plan["cases"]):
            line = numbers.get((place, number))
            if line is None:
                continue
            found = _reading(folder, slice_name(place, number), case["cluster"]) if "reason" not in line else None
            if isinstance(found, Reading):
                own.append(found)
            else:
                problems.append({"case": number, "reason": line.get("reason") or (found.reason if found else "")})
        readings.append(own)
        told.append(
            {"name": model["name"], "read": len(own), "problems": problems, **told_summary(summary(own, spec.seed))}
        )
    for place, one in enumerate(told[1:], 1):
        one["change"] = {name: told_change(change(readings[0], readings[place], name, spec.seed)) for name in COMPARED}
        one["curve_change"] = told_curve(curve_change(readings[0], readings[place], spec.seed))
    report = {"set": plan["set"], "models": told}
    beside = folder / f".{REPORT}.part"
    beside.write_text(json.dumps(report, ensure_ascii=False), "utf-8", errors="replace")
    beside.replace(folder / REPORT)
    return report


def _reading(folder: Path, name: str, cluster: str) -> Reading | Unmeasured:
    found = slice_at(folder, name)
    if isinstance(found, Unreadable):
        return Unmeasured(found.reason)
    return reading(cluster, found.mean, found.prompt)
