"""From a role to a model that answers. Knows the settings of roles and opens what fills them; calls nothing itself."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import assert_never

from app.context import Context
from app.engines.accounting import Tally
from app.engines.cache import CachedModel
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.errors import Refused
from core.ports import ChatModel


@asynccontextmanager
async def open_model(context: Context, role: Role, tally: Tally | None = None) -> AsyncGenerator[ChatModel]:
    """The model of a role, behind the cache; its connections close with the block. Raises Refused when nothing can fill it."""
    counted = tally or Tally()
    engine = context.settings.engines[role]
    async with open_engine(context, role, engine, counted) as model:
        yield CachedModel(model, source(engine), context.database, context.now, counted)


@asynccontextmanager
async def open_engine(context: Context, role: Role, engine: Engine, tally: Tally) -> AsyncGenerator[ChatModel]:
    """What fills a role, without a cache. Raises Refused when it cannot be opened."""
    match engine:
        case Endpoint():
            # Late: the openai package takes a third of a second, which only commands that call a model should pay.
            from app.engines.client import OpenAIModel

            async with OpenAIModel(engine, context.environment, tally) as model:
                yield model
        case Local(path=path):
            raise Refused(f"The {role} model is the checkpoint in {path}, and this version cannot run checkpoints yet.")
        case None:
            raise Refused(
                f"No model is set for the role {role}, and this version comes without a starter model. "
                f"Set SUBTEXT_{role.upper()}_URL and SUBTEXT_{role.upper()}_MODEL."
            )
        case _:
            assert_never(engine)


def source(engine: Engine) -> str:
    """Where a model comes from, for the key of the cache: what may change a reply, and no secret."""
    match engine:
        case Endpoint():
            return json.dumps([engine.base_url, engine.structured])
        case Local(path=path):
            return json.dumps([str(path.resolve())])
        case None:
            return "starter"
        case _:
            assert_never(engine)
