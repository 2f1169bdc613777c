"""The OpenAI chat-completions shape: an ask as request fields, bytes as a reply. Knows JSON; knows no network.

Every field of an answer is optional or checked: an answer is untrusted, and servers differ in what they leave out.
"""

import re
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field, ValidationError

from core.ports import Ask, Finish

_Count = Annotated[int, Field(ge=0, lt=1 << 31)]


class Usage(BaseModel):
    """Tokens."""

    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class Part(BaseModel):
    """A message, or a piece of one."""

    content: str | None = None


class Choice(BaseModel):
    """One answer; whole answers come in `message`, pieces in `delta`."""

    message: Part | None = None
    delta: Part | None = None
    finish_reason: str | None = None


class Completion(BaseModel):
    """A whole answer or one piece of a stream."""

    model: str | None = None
    choices: list[Choice] = Field(default_factory=list[Choice], max_length=64)
    usage: Usage | None = None
    error: Any = None

    @property
    def complaint(self) -> str:
        """What the server says went wrong inside an answer that claims success; '' if nothing."""
        return str(cast("dict[str, object]", self.error).get("message", "")) if isinstance(self.error, dict) else ""


def fields(ask: Ask, model: str, structured: bool) -> dict[str, Any]:
    """An ask as keyword arguments of `chat.completions.create`; what equals the API's default is left out.

    Half a surrogate pair, which some files hold, is no character and cannot be sent: it becomes a question mark.
    """
    found: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": _sendable(message.content)} for message in ask.messages],
        "max_tokens": ask.max_tokens,
        "temperature": ask.temperature,
    }
    if ask.top_p != 1.0:
        found["top_p"] = ask.top_p
    if ask.seed is not None:
        found["seed"] = ask.seed
    if ask.stop:
        found["stop"] = list(ask.stop)
    if ask.pattern and structured:
        found["extra_body"] = {"structured_outputs": {"regex": ask.pattern}}
    return found


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def completion(data: bytes | str) -> Completion | None:
    """An answer; None when it is not JSON of this shape."""
    try:
        return Completion.model_validate_json(data)
    except ValidationError:
        return None


def finish(reason: str | None) -> Finish:
    """Why a reply ended."""
    match reason:
        case "stop" | "length":
            return reason
        case _:
            return "other"


def tokens(usage: Usage | None) -> tuple[int, int]:
    """Prompt and completion tokens; 0 where the server does not count."""
    return (0, 0) if usage is None else (usage.prompt_tokens or 0, usage.completion_tokens or 0)


def same_model(asked: str, answered: str) -> bool:
    """True when two names may mean one model.

    Servers answer with a dated name, without the owner, with the file's path, or with no name; case does not count. A longer
    name is the same where it goes on after a separator: gpt-4 and gpt-4-0613, but not gpt-4 and gpt-4o.
    """
    one, other = (_plain(name) for name in (asked, answered))
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and (len(short) in (0, len(long)) or not long[len(short)].isalnum())


def _plain(name: str) -> str:
    last = re.split(r"[/\\]", name.strip().lower().rstrip("/\\"))[-1]
    return last.removesuffix(".gguf")
