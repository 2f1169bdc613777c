"""One field of a form over a job's spec, and what the spec's JSON schema says of it. Pure; knows no kind of job."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel


class FormField(NamedTuple):
    """One field: its name in the spec, where it stands in the form, what it is called, and what it means."""

    name: str
    part: str
    label: str
    meaning: str


MACHINE = (
    FormField("device", "machine", "Device", "auto takes a GPU where there is one."),
    FormField(
        "processes",
        "machine",
        "Processes",
        "So many train together, each on a GPU of its own (or on cores of the CPU); an update is as large, only sooner done.",
    ),
    FormField(
        "sharding",
        "machine",
        "Model on several GPUs",
        "none: whole on each (DDP); fsdp or deepspeed (ZeRO-3): split among them, for a model too large for one.",
    ),
)
"""Where a training runs, whatever it trains."""


def bounds(own: Mapping[str, Any]) -> dict[str, Any]:
    """Type, default, bounds and choices of one field of a JSON schema."""
    return {
        "type": own["type"],
        "default": own.get("default"),
        "low": own.get("minimum", own.get("exclusiveMinimum")),
        "high": own.get("maximum", own.get("exclusiveMaximum")),
        "longest": own.get("maxLength"),
        "choices": own.get("enum") or own.get("items", {}).get("enum"),
    }


def described(spec: type[BaseModel], fields: Iterable[FormField]) -> list[dict[str, Any]]:
    """A form as JSON values: each field with its default, bounds and choices as the spec states them. Raises KeyError for a field
    that the spec does not have."""
    schema: dict[str, Any] = spec.model_json_schema()["properties"]
    return [field._asdict() | bounds(schema[field.name]) for field in fields]
