"""Routes of the Settings page's model servers: list, start, stop, and a log by byte. For researchers, as everything unlisted."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from app.actions import servers as actions
from app.context import Context
from app.engines.serverspec import ServerSpec

Port = Annotated[int, InPath(ge=1, le=65535)]


class StartBody(BaseModel):
    """A server to start. Which program is run is a setting, and its further arguments are for the command line only."""

    model_config = ConfigDict(extra="forbid")
    model: str = Field(min_length=1, max_length=1000)
    name: str = Field(min_length=1, max_length=100)
    device: str = Field(default="cpu", max_length=10)
    port: int = 0
    max_model_len: int = 4096
    memory_share: float = 0.9
    kv_cache_gib: int = 2


class StopBody(BaseModel):
    """Which process the person saw on the port."""

    pid: int


def router(context: Context) -> APIRouter:
    """The routes under /api/servers."""
    routes = APIRouter(prefix="/api/servers")

    @routes.get("")
    def listed() -> dict[str, Any]:
        return {"servers": actions.listed(context), "folder": str(actions.folder(context))}

    @routes.post("")
    def start(body: StartBody) -> dict[str, Any]:
        return actions.view(actions.start(context, ServerSpec(**body.model_dump())))

    @routes.post("/{port}/stop")
    def stop(port: Port, body: StopBody) -> dict[str, str]:
        return {"text": actions.stop(context, port, body.pid)}

    @routes.get("/{port}/log")
    def log(port: Port, offset: Annotated[int, Query(ge=-1, lt=1 << 62)] = -1) -> dict[str, Any]:
        return actions.log(context, port, offset)._asdict()

    return routes
