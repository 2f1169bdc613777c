"""Human ratings in the field's shapes: our long format (one row per rating), Argilla records, Label Studio tasks.

A missing value is null, never 0 or -1. Argilla and Label Studio group the ratings of one item; `convert` goes both ways.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr

from core.types import Foreign, Json

LONG, ARGILLA, LABEL_STUDIO = "ratings", "ratings_argilla", "ratings_label_studio"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class LongRow(_Shape):
    """One rating: who, what, which turn, which dimension, and the value 1-5 or null with a status. `retest`, `check` and
    `asked` are those of `core.study_report.Row`."""

    study_id: StrictStr
    rater_id: StrictStr
    dialogue_id: StrictStr
    turn: StrictInt
    dimension: StrictStr
    value: StrictInt | None
    status: StrictStr = "submitted"
    retest: StrictBool = False
    check: StrictBool = False
    asked: StrictInt | None = None


NEEDED = frozenset(name for name, field in LongRow.model_fields.items() if field.is_required())
"""The fields that every row of the long format has."""


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
    RatingForm(LONG, "Ratings, long format", LongRow, NEEDED, True),
    RatingForm(ARGILLA, "Ratings, Argilla", ArgillaRecord, frozenset(ArgillaRecord.model_fields), True),
    RatingForm(LABEL_STUDIO, "Ratings, Label Studio", StudioTask, frozenset(StudioTask.model_fields), False),
)


CARRIED = ("model", "profile", "retest", "check", "asked")
"""What our long format says of a rating beyond the needed fields, and the grouped shapes carry for a whole item."""


def convert(record: Foreign, form: str) -> list[Json]:
    """The record's ratings in another shape; none where the record holds no ratings."""
    if record.form == form:
        return [record.body]
    return list(shaped(long_rows(record), form))


def shaped(rows: Iterable[Json], form: str) -> Iterator[Json]:
    """Rows of the long format in a shape: themselves, or one record for each run of rows about the same item."""
    if form == LONG:
        yield from rows
        return
    for _, group in groupby(rows, key=lambda row: (row["study_id"], row["dialogue_id"], *map(row.get, CARRIED[2:4]))):
        yield (_argilla if form == ARGILLA else _studio)(list(group))


def _question(row: Json) -> str:
    return f"{row['dimension']}_{row['turn']}"


def _ids(rows: list[Json]) -> Json:
    carried = {name: value for name in CARRIED if (value := rows[0].get(name)) not in (None, False)}
    asked = next((row["asked"] for row in rows if row.get("asked") is not None), None)
    found = {"study_id": rows[0]["study_id"], "dialogue_id": rows[0]["dialogue_id"]} | carried
    return found | ({} if asked is None else {"asked": asked, "asked_turn": max(row["turn"] for row in rows)})


def _argilla(rows: list[Json]) -> Json:
    responses: dict[str, list[Json]] = {}
    for row in rows:
        answer = {"user_id": row["rater_id"], "value": row["value"], "status": row.get("status", "submitted")}
        spent = {} if row.get("active_ms") is None else {"active_ms": row["active_ms"]}
        responses.setdefault(_question(row), []).append(answer | spent)
    return {"id": rows[0]["dialogue_id"], "fields": _ids(rows), "responses": responses}


def _studio(rows: list[Json]) -> Json:
    annotations: list[Json] = []
    for row in rows:
        rating = None if row["value"] is None else {"rating": row["value"]}
        answer = {"from_name": _question(row), "to_name": "dialogue", "type": "rating", "value": rating}
        who = {"completed_by": row["rater_id"], "was_cancelled": rating is None, "question": _question(row)}
        spent = row.get("active_ms")
        more: Json = {"lead_time": spent / 1000} if isinstance(spent, int) else {}
        if rating is None:
            more["status"] = row.get("status", "submitted")
        annotations.append(who | more | {"result": [] if rating is None else [answer]})
    return {"id": rows[0]["dialogue_id"], "data": _ids(rows), "annotations": annotations}


def _row(ids: Json, question: str, rater: Any, answer: Json) -> Json:
    """A row of the long format; `answer` holds value and status, and the time where it is known."""
    dimension, _, turn = question.rpartition("_")
    number = int(turn) if turn.isascii() and turn.isdigit() and len(turn) < 10 else 0
    carried = {name: ids[name] for name in CARRIED if name in ids and name != "asked"}
    if "asked" in ids and number == ids.get("asked_turn"):
        carried["asked"] = ids["asked"]
    needed = {
        "study_id": str(ids.get("study_id", "")),
        "rater_id": str(rater),
        "dialogue_id": str(ids.get("dialogue_id", "")),
        "turn": number,
        "dimension": dimension or question,
    }
    return needed | answer | carried


def long_rows(record: Foreign) -> Iterator[Json]:
    """The ratings of a record as rows of the long format; none where it holds no ratings."""
    if record.form in (LONG, ARGILLA, LABEL_STUDIO):
        yield from _long(record)


def _long(record: Foreign) -> Iterator[Json]:
    body = cast("Json", record.body)
    match record.form:
        case "ratings":
            yield body
        case "ratings_argilla":
            ids = {"dialogue_id": body["id"]} | body["fields"]
            for question, answers in body["responses"].items():
                for answer in answers:
                    more = {name: answer[name] for name in ("value", "status", "active_ms") if name in answer}
                    yield _row(ids, question, answer["user_id"], more)
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
    lead = annotation.get("lead_time")
    spent: Json = {}
    if isinstance(lead, int | float) and 0 <= lead < 1e9 and len(results) < 2:
        spent["active_ms"] = round(lead * 1000)
    for result in results:
        rating = result.get("value")
        if isinstance(rating, dict):
            given = {"value": cast("Json", rating).get("rating"), "status": "submitted"}
            yield _row(ids, str(result.get("from_name")), rater, given | spent)
    if not results and annotation.get("was_cancelled"):
        status = annotation.get("status")
        given = {"value": None, "status": status if isinstance(status, str) else "discarded"}
        yield _row(ids, str(annotation.get("question", "")), rater, given | spent)
