"""All formats in one place: detection by content, reading a byte stream into records, writing records into any format."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, cast

from core import datasets
from core.formats import convert, deeppref, foreign, native, ratings, steps
from core.formats.reading import Unreadable, Value, nested_deeper, read_values
from core.types import Json, Problem, Record, shorten


class Format(NamedTuple):
    """A format that can be read: its name, its label for people, and its reader (raises Unreadable)."""

    name: str
    label: str
    read: Callable[[Any], Record]


def _foreign(form: foreign.Form) -> Format:
    def read(value: Any) -> Record:
        return foreign.read(value, form)

    return Format(form.name, form.label, read)


_TREES = (
    (native.fits, Format(native.FORM, native.LABEL, native.read)),
    (deeppref.fits, Format(deeppref.FORM, deeppref.LABEL, deeppref.read)),
    (steps.fits, Format(steps.FORM, steps.LABEL, steps.read)),
)
LABELS: dict[str, str] = {form.name: form.label for _, form in _TREES} | {
    form.name: form.label for form in (*foreign.FORMS, foreign.ALIGNX, foreign.ALOE_TEXT)
}


def detect(value: Any) -> Format | None:
    """The format of one JSON value, by its content; None when it is none that we know."""
    for fits, form in _TREES:
        if fits(value):
            return form
    shape = foreign.form_of(value)
    return None if shape is None else _foreign(shape)


DEEPEST = 60
"""Levels of nesting that a record may have; the deepest known format needs eight."""


class Entry(NamedTuple):
    """A record that was read, where it stood, and the format of its file."""

    where: str
    form: str
    record: Record


def read_records(chunks: Iterable[bytes]) -> Iterator[Entry | Problem]:
    """Records and problems of one file, in its order. The first record with a known shape decides the file's format.

    Never raises on any content; a file with nothing readable gives at least one problem.
    """
    form: Format | None = None
    unknown = 0
    for item in read_values(chunks):
        if isinstance(item, Problem):
            yield item
            continue
        form = form or detect(item.value)
        if form is None:
            unknown += 1
            if unknown <= 20:
                yield Problem(item.where, "", _unknown(item))
            continue
        if not isinstance(item.value, dict) and form.name != foreign.ALOE_TEXT.name:
            yield Problem(item.where, "", f"Every record of this file must be an object, as those of {form.label} are.")
            continue
        try:
            if nested_deeper(item.value, DEEPEST):
                raise Unreadable("", f"The record is nested more than {DEEPEST} levels deep.")
            yield Entry(item.where, form.name, form.read(item.value))
        except Unreadable as error:
            yield Problem(item.where, shorten(error.field, 200), shorten(error.sentence, 600))
    if unknown > 20:
        yield Problem("file", "", f"{unknown - 20} more records have no known shape.")


def _unknown(item: Value) -> str:
    if isinstance(item.value, dict):
        keys = ", ".join(key[:30] for key in list(cast("Json", item.value))[:6]) or "none"
        return f"No known format has this shape (fields: {keys}). The Data page lists the formats that can be read."
    return f"A record is an object or a text; this is a {type(item.value).__name__}."


class Export(NamedTuple):
    """A format that can be written: `rows` turns the n-th record (from 1) into rows, none where it does not fit."""

    name: str
    label: str
    lines: bool
    rows: Callable[[Record, int], list[Json] | list[str]]


def _native_rows(record: Record, _: int) -> list[Json]:
    return [native.write(record)]


def _dataset(name: str) -> Callable[[Record, int], list[Json]]:
    return lambda record, _: datasets.rows(name, record)


EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        Export(native.FORM, native.LABEL, True, _native_rows),
        Export(deeppref.FORM, deeppref.LABEL, False, convert.deeppref_rows),
        Export(steps.FORM, steps.LABEL, True, convert.step_rows),
        Export("prefeval_explicit", LABELS["prefeval_explicit"], False, convert.prefeval_rows),
        *(
            Export(name, LABELS[name], name == "aloe_text", convert.same_form(name))
            for name in ("prefeval_choice", "prefeval_persona", "aloe_text", "aloe_conversation", "alignx")
        ),
        Export(datasets.D_REA, "D_Rea, every scored step for the critic", True, _dataset(datasets.D_REA)),
        Export(datasets.D_RFT, "D_RFT, the best paths for the policy", True, _dataset(datasets.D_RFT)),
        Export("trl_prompt", LABELS["trl_prompt"], True, convert.trl_prompt_rows),
        Export("trl_completion", LABELS["trl_completion"], True, convert.trl_completion_rows),
        Export("trl_preference", LABELS["trl_preference"], True, convert.trl_preference_rows),
        Export("trl_unpaired", LABELS["trl_unpaired"], True, convert.trl_unpaired_rows),
        Export("trl_stepwise", LABELS["trl_stepwise"], True, convert.trl_stepwise_rows),
        Export("trl_messages", LABELS["trl_messages"], True, convert.trl_messages_rows),
        *(Export(form.name, form.label, form.lines, convert.rating_rows(form.name)) for form in ratings.FORMS),
    )
}
