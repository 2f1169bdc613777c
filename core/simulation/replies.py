"""Replies of a simulated dialogue: the person's message without stage directions, and the level that a judge gives.

Knows texts only. A reply that cannot be used is Malformed with a reason; every reader takes linear time and bounds its result.
"""

import re
from typing import NamedTuple

from core.parsing import LONGEST_ANSWER, Malformed, is_placeholder, spoken
from core.prompts.simulation import LONGEST_MESSAGE

_STARRED = re.compile(r"(?<![*\w])\*(?![*\s])([^*\n]{1,200})\*(?![*\w])")
_SPEAKER = re.compile(
    r"[\s*#]{0,20}(?:the )?(?:person|user|me|human|next message|(?:the )?person's next message|message)[ \t*]{0,9}:[\s*]{0,20}",
    re.IGNORECASE,
)
_OTHER = re.compile(r"^[ \t*#]{0,9}(?:the )?(?:assistant|ai|chatbot)[ \t*]{0,9}:", re.IGNORECASE | re.MULTILINE)
_SPACES = re.compile(r"[ \t]{2,100}")
_ENDS = frozenset(".!?…:;,")
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"))

_SCORE_WORD = re.compile("score", re.IGNORECASE)
_LEVEL = re.compile(
    r"SCORE[ \t*]{0,9}:[\s*\[(\"']{0,9}([1-5])(?:\.0{1,3})?(?:[ ]{0,2}(?:/|out of)[ ]{0,2}5)?"
    r"(?=[*\])\"'!]{0,9}[ \t]{0,9}(?:$|[\r\n]|[.;](?!\w)))",
    re.IGNORECASE,
)
_HEAD = re.compile(r"[\s*]{0,20}(?:Explanation|Reasoning)[ \t]{0,9}:[\s*]{0,20}", re.IGNORECASE)


class Level(NamedTuple):
    """An alignment level from 1 to 5, and the explanation that stands before it."""

    value: int
    explanation: str


def without_directions(text: str) -> str:
    """The text without what stands between single asterisks as a stage direction, such as `*smiles*`.

    A starred phrase goes; so does a starred word at the edge of a line or after the end of a sentence. A single starred word
    within a sentence is stress: it stays, without its stars.
    """
    made: list[str] = []
    at = 0
    for match in _STARRED.finditer(text):
        made.append(text[at : match.start()])
        words = match.group(1).strip()
        made.append(words if _is_stress(text, match.start(), match.end(), words) else " ")
        at = match.end()
    made.append(text[at:])
    lines = (_SPACES.sub(" ", line).strip() for line in "".join(made).splitlines())
    return "\n".join(lines).strip()


def _is_stress(text: str, start: int, end: int, words: str) -> bool:
    """Whether starred words are part of the sentence around them."""
    if any(char.isspace() for char in words):
        return False
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    opened = not before.strip() or "\n" in before or before.strip()[-1] in _ENDS - {","}
    closed = not after.strip() or "\n" in after
    return not opened and not closed


def read_message(text: str) -> str | Malformed:
    """The person's next message: without thinking aloud, a name before it, quotes around it and stage directions.

    Malformed where nothing is left, where it is longer than LONGEST_MESSAGE, or where it goes on for the assistant too.
    """
    body = spoken(text)
    if isinstance(body, Malformed):
        return body
    if _OTHER.search(body):
        return Malformed("The reply speaks for the assistant too, not for the person alone.")
    label = _SPEAKER.match(body)
    said = without_directions(body[label.end() if label else 0 :])
    for left, right in _QUOTES:
        if len(said) > 2 and said.startswith(left) and said.endswith(right) and left not in said[1:-1]:
            said = said[1:-1].strip()
    if not said or is_placeholder(said):
        return Malformed(
            f"The reply is a placeholder: {said!r}." if said else "The reply holds nothing that is said aloud."
        )
    if len(said) > LONGEST_MESSAGE:
        return Malformed(f"The message has {len(said):,} characters; {LONGEST_MESSAGE:,} are allowed.")
    return said


def read_level(text: str) -> Level | Malformed:
    """The last valid `SCORE: 1` to `SCORE: 5` of a judge's reply, with what is said before it.

    `4/5` and `4.0` are 4; a half, a range or a number outside 1 to 5 is no level, and neither is one without an explanation.
    """
    body = spoken(text)
    if isinstance(body, Malformed):
        return body
    words = list(_SCORE_WORD.finditer(body))
    for word in reversed(words):
        match = _LEVEL.match(body, word.start())
        if match:
            return _explained(body[: word.start()], int(match.group(1)))
    if words:
        return Malformed("No SCORE in the reply is a whole number from 1 to 5.")
    return Malformed("The reply holds no SCORE.")


def _explained(before: str, value: int) -> Level | Malformed:
    head = _HEAD.match(before)
    words = before[head.end() if head else 0 :].strip(" *\n\t")
    if not words or is_placeholder(words):
        return Malformed("The reply holds a score without an explanation before it.")
    if len(words) > LONGEST_ANSWER:
        return Malformed(f"The explanation has {len(words):,} characters; {LONGEST_ANSWER:,} are allowed.")
    return Level(value, words)
