"""What a person is shown to check a verdict, and what they can say: the judge's question and material, not who wrote it.

Pure values. Knows neither whose turn it is nor where answers are kept (`db.verdict_checks`).
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from core.evaluation.verdicts import Material
from core.prompts.verdicts import LONGEST_RESPONSE, QUESTIONS, RULES, WITHOUT_PREFERENCE, Check

Answer = Literal["yes", "no", "cannot", ""]
"""What a person says of a check; '' takes an earlier answer back."""
ANSWERS: tuple[Answer, ...] = ("yes", "no", "cannot")
Kind = Literal["verdicts", "responses"]
"""What was drawn: single verdicts, evenly over the checks; or responses, of each of which every check of a figure is asked."""

MOST_VERDICTS = 20_000
"""Verdicts in one queue."""
MOST_QUEUES = 1_000
"""Queues of one evaluation, and of one file."""


class Shown(NamedTuple):
    """What a person reads. `preference` is '' where the judge was not shown it either. `rules` hold for every check."""

    check: Check
    question: str
    rules: str
    preference: str
    query: str
    response: str


def shown(check: Check, about: Material, names: Iterable[str]) -> Shown:
    """A verdict to check, as the judge read its material, without technical names of models in the response (`without_names`)."""
    preference = "" if check in WITHOUT_PREFERENCE else about.preference
    response = without_names(about.response[:LONGEST_RESPONSE], names)
    left = len(about.response) - LONGEST_RESPONSE
    if left > 0:
        response += f"\n[cut here, as for the judge: {left:,} more characters]"
    return Shown(check, QUESTIONS[check], RULES, preference, about.query, response)


def without_names(text: str, names: Iterable[str]) -> str:
    """The text with every technical name taken out, whole words, case ignored.

    A technical name holds a digit, a hyphen, a slash or an underscore; a model that is called like a word of the language
    cannot be told from the word.
    """
    words = {part for name in names for part in (name, *name.split()) if len(part) > 2 and re.search(r"[\d/_-]", part)}
    words = {word for word in words if re.search(r"[^\W\d_]", word)}
    if not words:
        return text
    longest_first = sorted(words, key=len, reverse=True)
    return re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", "[name]", text, flags=re.IGNORECASE)


def digest(about: Material) -> str:
    """SHA-256 over what is judged, 64 hex digits: an answer holds for the texts that were read, and for no others."""
    text = json.dumps(about, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
