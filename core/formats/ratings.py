"""Human ratings in the field's shapes: our long format (one row per rating), Argilla records, Label Studio tasks.

A missing value is null, never 0 or -1. Argilla and Label Studio group the ratings of one item; `convert` goes both ways.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from core.types import Foreign, Json

LONG, ARGILLA, LABEL_STUDIO = "ratings", "ratings_argilla", "ratings_label_studio"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class LongRow(_Shape):
    """One rating: who, what, which turn, which dimension, and the value 1-5 or null with a status."""

    study_id: StrictStr
    rater_id: StrictStr
    dialogue_id: StrictStr
    turn: StrictInt
    dimension: StrictStr
    value: StrictInt | None
    status: StrictStr = "submitted"


class ArgillaAnswer(_Shape):
    """One rater's answer to one question."""

    user_id: StrictStr
    value: StrictInt | None
    status: StrictStr


class ArgillaRecord(_Shape):
    """An Argilla record: per question `<dimension>_<turn>` a list of answers."""

    id: StrictStr
    fields: dict[str, Any]
    responses: dict[str, list[ArgillaAnswer]]


class StudioTask(_Shape):
    """A Label Studio task with its annotations."""

    id: StrictStr | StrictInt
    data: dict[str, Any]
    annotations: list[dict[str, Any]]


class RatingForm(NamedTuple):
    """A shape of ratings; `lines` is True where its files are JSON lines."""

    name: str
    label: str
    shape: type[BaseModel]
    keys: frozenset[str]
    lines: bool


FORMS = (
    RatingForm(LONG, "Ratings, long format", LongRow, frozenset(LongRow.model_fields) - {"status"}, True),
    RatingForm(ARGILLA, "Ratings, Argilla", ArgillaRecord, frozenset(ArgillaRecord.model_fields), True),
    RatingForm(LABEL_STUDIO, "Ratings, Label Studio", StudioTask, frozenset(StudioTask.model_fields), False),
)


def convert(record: Foreign, form: str) -> list[Json]:
    """The record's ratings in another shape; none where the record holds no ratings."""
    if record.form == form:
        return [record.body]
    if record.form not in (LONG, ARGILLA, LABEL_STUDIO):
        return []
    rows = list(_long(record))
    match form:
        case "ratings":
            return rows
        case "ratings_argilla":
            return [_argilla(row) for row in rows]
        case _:
            return [_studio(row) for row in rows]


def _question(row: Json) -> str:
    return f"{row['dimension']}_{row['turn']}"


def _argilla(row: Json) -> Json:
    answer = {"user_id": row["rater_id"], "value": row["value"], "status": row.get("status", "submitted")}
    fields = {"study_id": row["study_id"], "dialogue_id": row["dialogue_id"]}
    return {"id": row["dialogue_id"], "fields": fields, "responses": {_question(row): [answer]}}


def _studio(row: Json) -> Json:
    rating = None if row["value"] is None else {"rating": row["value"]}
    result = (
        []
        if rating is None
        else [{"from_name": _question(row), "to_name": "dialogue", "type": "rating", "value": rating}]
    )
    annotation = {
        "completed_by": row["rater_id"],
        "was_cancelled": row["value"] is None,
        "result": result,
        "question": _question(row),
    }
    data = {"study_id": row["study_id"], "dialogue_id": row["dialogue_id"]}
    return {"id": row["dialogue_id"], "data": data, "annotations": [annotation]}


def _row(ids: Json, question: str, rater: Any, value: Any, status: str) -> Json:
    dimension, _, turn = question.rpartition("_")
    return {
        "study_id": str(ids.get("study_id", "")),
        "rater_id": str(rater),
        "dialogue_id": str(ids.get("dialogue_id", "")),
        "turn": int(turn) if turn.isascii() and turn.isdigit() and len(turn) < 10 else 0,
        "dimension": dimension or question,
        "value": value,
        "status": status,
    }


def _long(record: Foreign) -> Iterator[Json]:
    body = cast("Json", record.body)
    match record.form:
        case "ratings":
            yield body
        case "ratings_argilla":
            ids = {"dialogue_id": body["id"]} | body["fields"]
            for question, answers in body["responses"].items():
                for answer in answers:
                    yield _row(ids, question, answer["user_id"], answer["value"], answer["status"])
        case _:
            ids = {"dialogue_id": str(body["id"])} | body["data"]
            for annotation in body["annotations"]:
                yield from _studio_rows(ids, annotation)


def _studio_rows(ids: Json, annotation: Json) -> Iterator[Json]:
    rater = annotation.get("completed_by", "")
    found = annotation.get("result")
    results = (
        [cast("Json", item) for item in cast("list[Any]", found) if isinstance(item, dict)]
        if isinstance(found, list)
        else []
    )
    for result in results:
        rating = result.get("value")
        if isinstance(rating, dict):
            yield _row(ids, str(result.get("from_name")), rater, cast("Json", rating).get("rating"), "submitted")
    if not results and annotation.get("was_cancelled"):
        yield _row(ids, str(annotation.get("question", "")), rater, None, "discarded")
