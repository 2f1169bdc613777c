"""Routes of the tree page: the list with its facets and search, one tree, one node, the histogram."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from app.context import Context
from app.views.tree import full_node, stored_view
from core.bands import BANDS
from core.formats import native
from core.types import MARKS, PERSONA_FOCUS, shorten
from db import scenarios
from db.scenarios import Filter, Stored, Summary
from db.search import search

PAGE = 50


@dataclass(frozen=True, slots=True)
class _Query:
    """The filters as they stand in an address."""

    set: Annotated[int, Query(ge=0, lt=1 << 62)] = 0
    topic: Annotated[str, Query(max_length=200)] = ""
    split: Annotated[str, Query(max_length=20)] = ""
    band: Annotated[str, Query(max_length=20)] = ""
    depth: Annotated[int, Query(ge=0, lt=1 << 31)] = 0
    pruned: Annotated[str, Query(max_length=3)] = ""
    mark: Annotated[str, Query(max_length=40)] = ""
    all: bool = False

    def filter(self) -> Filter:
        return Filter(self.set, self.topic, self.split, self.band, self.depth, self.pruned, self.mark, not self.all)


Filters = Annotated[_Query, Depends()]
Id = Annotated[int, Query(ge=0, lt=1 << 62)]
Key = Annotated[int, Path(ge=1, lt=1 << 62)]


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")
    database = context.database

    @routes.get("/scenarios")
    def list_scenarios(
        filters: Filters,
        q: Annotated[str, Query(max_length=400)] = "",
        offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    ) -> dict[str, Any]:
        if q.strip():
            hits = search(database, q, filters.filter(), PAGE)
            rows = [_row(hit.scenario) | {"node": hit.node, "snippet": hit.snippet} for hit in hits]
            return {"rows": rows, "total": len(rows), "more": len(rows) == PAGE, "search": True}
        found = scenarios.listing(database, filters.filter(), offset, PAGE)
        more = offset + len(found.rows) < found.total
        return {"rows": [_row(row) for row in found.rows], "total": found.total, "more": more, "search": False}

    @routes.get("/neighbours")
    def neighbours(filters: Filters, scenario: Id) -> dict[str, int | None]:
        before, after = scenarios.neighbours(database, scenario, filters.filter())
        return {"before": before, "after": after}

    @routes.get("/facets")
    def facets() -> dict[str, Any]:
        return scenarios.facets(database)._asdict() | {
            "rubric": [band._asdict() for band in BANDS],
            "personas": {str(name): focus for name, focus in PERSONA_FOCUS.items()},
            "mark_texts": dict(MARKS),
        }

    @routes.get("/scenarios/{scenario_id}")
    def one(scenario_id: Key) -> dict[str, Any]:
        return stored_view(_found(context, scenario_id))

    @routes.get("/scenarios/{scenario_id}/raw")
    def raw(scenario_id: Key) -> Response:
        stored = _found(context, scenario_id)
        record = stored.tree or stored.foreign
        return Response(json.dumps(None if record is None else native.write(record)), media_type="application/json")

    @routes.get("/scenarios/{scenario_id}/node")
    def node(scenario_id: Key, key: Annotated[str, Query(max_length=400)]) -> dict[str, Any]:
        tree = _found(context, scenario_id).tree
        found = None if tree is None else full_node(tree, key)
        if found is None:
            raise HTTPException(404, f"There is no node {key} in this tree.")
        return found

    @routes.get("/histogram")
    def histogram(set: Id = 0) -> dict[str, Any]:
        return scenarios.scores(database, set)._asdict()

    return routes


def _found(context: Context, scenario_id: int) -> Stored:
    stored = scenarios.get(context.database, scenario_id)
    if stored is None:
        raise HTTPException(
            404, "This scenario is not here; its set may have been deleted. Choose another one from the list."
        )
    return stored


def _row(row: Summary) -> dict[str, Any]:
    return row._asdict() | {"preference": shorten(row.preference, 220), "query": shorten(row.query, 220)}
