"""Registered models as values: their kinds, the texts that may name them, and how a form or a spec chooses one.

Pure; knows no folder, no database and no server.
"""

import re
from typing import Literal, NamedTuple, get_args

ModelKind = Literal["critic", "policy"]
KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
KIND_MEANING: dict[ModelKind, str] = {
    "critic": "judges one reasoning step: a critique, then a score",
    "policy": "answers the user",
}
NAME, NOTE = 120, 2000
"""Characters of a name and of a note."""

_MODEL, _SERVER = re.compile(r"model:([1-9][0-9]{0,14})"), re.compile(r"server:([1-9][0-9]{0,4})")


class AsSet(NamedTuple):
    """What the settings say fills the role."""


class Starter(NamedTuple):
    """The starter model."""


class Registered(NamedTuple):
    """A registered model, by id, run in the process that asks."""

    id: int


class Served(NamedTuple):
    """A model server of our own, by port."""

    port: int


Chosen = AsSet | Starter | Registered | Served


def read_choice(text: str) -> Chosen:
    """What the text of a form or a spec chooses. Raises ValueError with a sentence for a person."""
    if not text:
        return AsSet()
    if text == "starter":
        return Starter()
    if found := _MODEL.fullmatch(text):
        return Registered(int(found[1]))
    if found := _SERVER.fullmatch(text):
        return Served(int(found[1]))
    raise ValueError(
        f"{text[:60]!r} chooses no model. Write nothing for what the settings say, starter, model:ID or server:PORT."
    )


def text_problem(what: str, text: str, longest: int, shortest: int = 1) -> str:
    """Why a text cannot be the name or the note of a model, as a sentence; '' when it can. Line breaks belong to notes only."""
    plain = text.replace("\n", " ") if longest > NAME else text
    if not shortest <= len(text) <= longest:
        return f"A {what} has {shortest} to {longest} characters, not {len(text)}."
    if not all(character.isprintable() for character in plain):
        return f"A {what} holds only characters that can be printed."
    return ""
