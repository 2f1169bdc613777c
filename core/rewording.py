"""Suggestions for an edited preference: the same in other words, and the reverse. A person reads and changes them before use.

Pure and by rule, so that they are there at once and offline; they know English sentences about oneself and nothing of meaning.
"""

import re

_PAIRS = (
    ("always", "never"), ("love", "hate"), ("like", "dislike"), ("enjoy", "avoid"), ("prefer", "would rather not have"),
    ("want", "do not want"), ("trust", "distrust"), ("can", "cannot"), ("will", "will not"), ("would", "would not"),
    ("am", "am not"), ("have", "do not have"), ("share", "do not share"), ("eat", "do not eat"), ("need", "do not need"),
)  # fmt: skip
_WITHOUT = re.compile(r"\b(?:do not|don['’]t|does not|doesn['’]t|did not|didn['’]t) (?=\w)", re.IGNORECASE)
_NOT = re.compile(r"\b(am|are|is|was|can|could|will|would|should|must) ?(?:not|n['’]t)\b|\b(can)not\b", re.IGNORECASE)
_FIRST = re.compile(r"\bI(?P<gap> (?:\w+ly )?)(?P<verb>\w+)\b")


def paraphrase(preference: str) -> str:
    """The same said with another frame around it."""
    return f"One thing to know about me: {preference.strip()} Please keep it in mind."


def reverse(preference: str) -> str:
    """The reverse of a sentence about oneself: a negation taken away, a verb turned round, or a frame that says so."""
    text = preference.strip()
    made = _WITHOUT.sub("", text, count=1)
    if made == text:
        made = _NOT.sub(lambda found: found[1] or found[2], text, count=1)
    if made == text:
        made = _FIRST.sub(_turned, text, count=1)
    return made if made != text else f"The opposite of this is true for me: {text}"


def _turned(found: re.Match[str]) -> str:
    verb = found["verb"]
    for one, two in _PAIRS:
        for before, after in ((one, two), (two, one)):
            if verb.lower() == before:
                return f"I{found['gap']}{after}"
    return found[0]
