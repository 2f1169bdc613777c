"""Routes of the Settings page: what fills each role, and trying one."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from app.actions.try_role import forget_replies, role_states, try_role_apart
from app.context import Context
from app.engines.endpoint import Role
from db import calls


def router(context: Context) -> APIRouter:
    """The routes under /api/settings."""
    routes = APIRouter(prefix="/api/settings")

    @routes.get("/roles")
    def roles() -> dict[str, Any]:
        return {
            "roles": [asdict(state) for state in role_states(context)],
            "kept": calls.size(context.database)._asdict(),
        }

    @routes.post("/roles/{role}/try")
    async def attempt(role: Role) -> dict[str, Any]:
        return asdict(await try_role_apart(context, role))

    @routes.post("/forget")
    def forget() -> dict[str, str]:
        return {"text": forget_replies(context)}

    return routes
