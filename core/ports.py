"""What a chat model is to everything else: a question, a reply, a failure. Knows values only, no server and no checkpoint."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Speaker = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "other"]
FailureKind = Literal[
    "refused",  # the request as it is will never be answered: key, address, model or parameters
    "unreachable",  # no connection, or it broke off
    "timeout",
    "busy",  # too many requests
    "server",  # an error inside the server
    "malformed",  # an answer that is no chat reply
    "empty",  # a reply without text
    "too_large",
    "wrong_model",  # the server answered with another model than the one asked for
    "cancelled",  # the model was closed before it answered
]


class Message(NamedTuple):
    """One message of a conversation."""

    role: Speaker
    content: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a model.

    `max_tokens` >= 1 bounds the reply; `temperature` >= 0 (0 = greedy); `top_p` in (0, 1]; `seed` None leaves it to the
    engine; a text in `stop` ends the reply and is left out of it. `pattern` is a regular expression that the whole reply must
    match: an engine that can constrain its output does so, any other ignores it, so replies are parsed all the same.
    `repeat` counts samples of the same question from 0; it is not sent, it only keeps repeated samples apart in a cache.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    pattern: str = ""
    repeat: int = 0


class Reply(NamedTuple):
    """What a model answered. `seconds` is what the model took, also where the reply was kept (`cached`) and took no time now.

    `model` is the name the server gives, '' where it gives none; token counts are 0 where the engine does not count.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    model: str
    cached: bool = False


class Failure(NamedTuple):
    """Why there is no reply. `reason` is a sentence for a person, free of secrets; `attempts` counts the requests made."""

    kind: FailureKind
    reason: str
    attempts: int


class Cut(NamedTuple):
    """The last item of a stream whose reply came to its longest (`Ask.max_tokens`) and ended there."""


Streamed = str | Failure | Cut
"""What a stream hands on: pieces of the reply, and at its end a Failure or Cut where it did not end by itself."""


class ChatModel(Protocol):
    """Anything that answers. Safe for many calls at once; a call that fails for good returns its Failure and raises nothing."""

    @property
    def name(self) -> str:
        """The model's name for people."""
        ...

    async def ask(self, ask: Ask) -> Reply | Failure:
        """The reply, or why there is none."""
        ...

    def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        """The reply piece by piece; joined, the pieces are its text. A Failure or Cut, if any, is the last item."""
        ...
