"""From a role to a model that answers. Knows the settings of roles and opens what fills them; calls nothing itself."""

import hashlib
import json
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from app.context import Context
from app.engines.accounting import Counted, Tally
from app.engines.cache import CachedModel
from app.engines.endpoint import Endpoint, Engine, Local, Role
from app.errors import Refused
from core.ports import ChatModel

if TYPE_CHECKING:
    from training.generate import LocalModel

STARTER = Path(__file__).parents[2] / "training" / "starter_model"
"""The checkpoint that comes with Subtext."""


class Surroundings(Protocol):
    """What opening a model needs of a context: the environment, where a key is looked for."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables by name."""
        ...


@asynccontextmanager
async def open_model(context: Context, role: Role, engine: Engine, tally: Tally) -> AsyncGenerator[ChatModel]:
    """What fills a role, behind the cache; its connections close with the block. Raises Refused when it cannot be opened."""
    async with open_engine(context, role, engine, tally) as model:
        yield CachedModel(model, source(engine), context.database, context.now, tally)


@asynccontextmanager
async def open_models(
    context: Context, roles: Sequence[Role], tally: Tally | None = None, chosen: Mapping[Role, Engine] | None = None
) -> AsyncGenerator[dict[Role, ChatModel]]:
    """The models of several roles, behind the cache; what fills two roles alike is opened once. Raises Refused.

    `chosen` says what fills a role this time, in place of the settings.
    """
    counted = tally or Tally()
    engines = {role: context.settings.engines[role] for role in roles} | dict(chosen or {})
    opened: dict[Engine, ChatModel] = {}
    async with AsyncExitStack() as stack:
        for role in roles:
            engine = engines[role]
            if engine not in opened:
                opened[engine] = await stack.enter_async_context(open_model(context, role, engine, counted))
        yield {role: opened[engines[role]] for role in roles}


@asynccontextmanager
async def open_engine(context: Surroundings, role: Role, engine: Engine, tally: Tally) -> AsyncGenerator[ChatModel]:
    """What fills a role, without a cache. Raises Refused when it cannot be opened."""
    match engine:
        case Endpoint():
            # Late: the openai package takes a third of a second, which only commands that call a model should pay.
            from app.engines.client import OpenAIModel

            async with OpenAIModel(engine, context.environment, tally) as model:
                yield model
        case Local(path=path):
            with checkpoint(path, f"the {role} model", tally) as model:
                yield model
        case None:
            with checkpoint(STARTER, "the starter model", tally) as model:
                yield model
        case _:
            assert_never(engine)


@contextmanager
def checkpoint(path: Path, what: str, tally: Tally) -> Generator[ChatModel]:
    """A checkpoint run in this process; `what` names it in sentences. Raises Refused."""
    with local_model(path, what) as model:
        yield Counted(model, tally)


@contextmanager
def local_model(path: Path, what: str) -> "Generator[LocalModel]":
    """The same, for a process that does more with it than ask. Raises Refused."""
    # Late: torch belongs to the processes that run a model, never to the page or the worker.
    try:
        from training.generate import LocalModel
        from training.models import NotLoadable, load
    except ImportError as error:
        raise Refused(
            f"{what.capitalize()} runs in this process and needs torch: pip install 'subtext[train]'."
        ) from error
    try:
        loaded = load(path)
    except NotLoadable as error:
        raise Refused(str(error)) from error
    with LocalModel(loaded) as model:
        yield model


_DECODED = " held to patterns"
"""How checkpoints are decoded here: replies that were written otherwise are other replies."""


def source(engine: Engine) -> str:
    """Where a model comes from, for the key of the cache: what may change a reply, and no secret."""
    match engine:
        case Endpoint():
            return json.dumps([engine.base_url, engine.structured])
        case Local(path=path):
            return checkpoint_digest(path) + _DECODED
        case None:
            return checkpoint_digest(STARTER) + _DECODED
        case _:
            assert_never(engine)


_WHOLE = 64 << 20
_BLOCK = 64 << 10
_BLOCKS = 256


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 over the files of a checkpoint, by name, size and content.

    Of a file above 64 MiB 256 blocks of 64 KiB are read, evenly spread, the first and the last among them: a folder of many
    gigabytes is known in a moment, and what trains a model changes it everywhere. It is no proof against somebody who edits
    between the blocks. Raises OSError.
    """
    found = hashlib.sha256()
    for file in sorted(folder.glob("*")) if folder.is_dir() else ():
        if file.suffix in (".json", ".safetensors", ".jinja", ".txt", ".model") and file.is_file():
            size = file.stat().st_size
            found.update(f"{file.name} {size} ".encode())
            with file.open("rb") as content:
                if size <= _WHOLE:
                    found.update(hashlib.file_digest(content, "sha256").digest())
                    continue
                for block in range(_BLOCKS):
                    content.seek((size - _BLOCK) * block // (_BLOCKS - 1))
                    found.update(content.read(_BLOCK))
    return found.hexdigest()
