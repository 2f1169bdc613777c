"""Roles and what can fill them, as values. Knows no environment, no network and no key: only the name of a key's variable."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

Role = Literal["policy", "critic", "judge", "council", "user"]
ROLES: tuple[Role, ...] = get_args(Role)

ROLE_MEANING: dict[Role, str] = {
    "policy": "answers the user; the model under training or test",
    "critic": "scores and criticises single reasoning steps",
    "judge": "rates whole answers against a preference",
    "council": "proposes reasoning steps as the five personas",
    "user": "plays the user in multi-turn dialogues",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server and how to treat it.

    `base_url` ends before `/chat/completions`, without a user, a query or a last slash. `key_variable` names the environment
    variable that holds the key, '' for none. `timeout_s` bounds one attempt, `attempts` >= 1 counts the first one too.
    `structured` says that the server takes vLLM's `structured_outputs`; a hosted API refuses unknown fields.
    """

    base_url: str
    model: str
    key_variable: str = ""
    timeout_s: float = 120
    max_concurrency: int = 16
    attempts: int = 5
    structured: bool = False
    max_reply_chars: int = 100_000


@dataclass(frozen=True, slots=True)
class Local:
    """A checkpoint in a folder, run in this process."""

    path: Path


Engine = Endpoint | Local | None
"""What fills a role. None is the starter model that comes with Subtext."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def address_problem(url: str) -> str:
    """Why a text cannot be a base URL, as the end of a sentence; '' when it can. Never repeats the text: it may hold a secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a web address"
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or re.search(r"\s", url):
        return "is not a web address; it reads like http://127.0.0.1:8000/v1"
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password; put the key into a variable of its own and name that"
    if parts.query or parts.fragment:
        return "has a part after ? or #; an address ends before /chat/completions"
    return ""


def is_variable(name: str) -> bool:
    """True for a name of an environment variable in capitals. Keys do not look like that, so a pasted key is told apart."""
    return _VARIABLE.fullmatch(name) is not None
