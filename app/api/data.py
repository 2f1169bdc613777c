"""Routes of the Home and Data pages: counts, sets, upload, preview, import, export, delete."""

import json
from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.background import BackgroundTask

from app.actions.export_data import choices, export_set, spool
from app.actions.import_data import Labels, preview, show
from app.actions.remove_set import remove_set
from app.api.uploads import Imports, Uploads
from app.context import Context
from app.views.record import record_view
from core.formats import native
from core.formats.registry import LABELS
from db import scenarios, sets
from db.blobs import CHUNK

PAGE = 10
Id = Annotated[int, InPath(ge=1, lt=1 << 62)]


class ImportOrder(BaseModel):
    """What a person asked to import: upload tokens and labels."""

    uploads: list[str] = Field(min_length=1, max_length=500)
    name: str = Field(default="", max_length=200)
    topic: str = Field(default="", max_length=200)
    split: str = Field(default="", max_length=20)


class Confirmation(BaseModel):
    """The typed name of the set to delete."""

    confirm: str = Field(max_length=400)


def router(context: Context) -> APIRouter:
    """The routes under /api."""
    routes = APIRouter(prefix="/api")
    uploads, imports = Uploads(context), Imports(context)

    @routes.get("/home")
    def home() -> dict[str, Any]:
        return {
            "totals": sets.totals(context.database)._asdict(),
            "recent": [_set(item) for item in sets.all_sets(context.database)[:6]],
            "imports": [item.view() for item in imports.recent()],
        }

    @routes.get("/sets")
    def all_sets() -> list[dict[str, Any]]:
        return [_set(item) for item in sets.all_sets(context.database)]

    @routes.get("/sets/{set_id}")
    def one_set(set_id: Id) -> dict[str, Any]:
        item = sets.one_set(context.database, set_id)
        if item is None:
            raise HTTPException(404, "This set is not here; it may have been deleted.")
        problems = sets.problems_of(context.database, set_id)
        return _set(item) | {
            "source_files": [file._asdict() for file in sets.files_of(context.database, set_id)],
            "problem_list": [{"file": name} | problem._asdict() for name, problem in problems],
            "formats": [{"name": choice.name, "label": choice.label} for choice in choices(context, set_id)],
        }

    @routes.get("/sets/{set_id}/records")
    def records(set_id: Id, offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0) -> list[dict[str, str]]:
        return [show(record)._asdict() for record in scenarios.records(context.database, set_id, offset, PAGE)]

    @routes.get("/sets/{set_id}/records/{position}")
    def record(set_id: Id, position: Id) -> Response:
        found = scenarios.one_record(context.database, set_id, position)
        if found is None:
            raise HTTPException(404, "This record is not here; its set may have been deleted.")
        view = {"title": show(found).title, "raw": native.write(found), **record_view(found)}
        return Response(json.dumps(view), media_type="application/json")

    @routes.get("/sets/{set_id}/export")
    def export(set_id: Id, format: Annotated[str, Query(max_length=40)]) -> StreamingResponse:
        download = export_set(context, set_id, format)
        file = spool(context, download)
        disposition = f"attachment; filename*=UTF-8''{quote(download.name)}"
        return StreamingResponse(
            iter(lambda: file.read(CHUNK), b""),
            media_type=download.media_type,
            headers={"content-disposition": disposition},
            background=BackgroundTask(file.close),
        )

    @routes.post("/sets/{set_id}/delete")
    def delete(set_id: Id, body: Confirmation) -> dict[str, str]:
        return {"text": remove_set(context, set_id, body.confirm)}

    @routes.post("/uploads")
    async def upload(request: Request) -> dict[str, str]:
        name = unquote(request.headers.get("x-file-name", ""))[:200].replace("/", "_").replace("\\", "_") or "unnamed"
        return {"token": await uploads.receive(name, request)}

    @routes.get("/uploads/{token}/preview")
    def look(token: str) -> dict[str, Any]:
        found = preview(context, uploads.get(token))
        counts = found.counts
        return {
            "form": found.form,
            "label": found.label,
            "records": counts.records,
            "trees": counts.trees,
            "nodes": counts.nodes,
            "paths": counts.paths,
            "marks": counts.marks,
            "problems": counts.problems,
            "shown": [item._asdict() for item in found.shown],
            "problem_list": [problem._asdict() for problem in found.problems],
            "known": found.known,
        }

    @routes.post("/uploads/{token}/drop")
    def drop(token: str) -> dict[str, str]:
        uploads.discard([token])
        return {"text": "Removed."}

    @routes.post("/imports")
    def start(order: ImportOrder) -> dict[str, str]:
        return {"id": imports.start(uploads.take(order.uploads), Labels(order.name, order.topic, order.split))}

    @routes.get("/imports/{token}")
    def state(token: str) -> dict[str, Any]:
        return imports.get(token).view()

    return routes


def _set(item: sets.DataSet) -> dict[str, Any]:
    return item._asdict() | {"label": LABELS.get(item.form, "several formats" if item.form else "empty")}
