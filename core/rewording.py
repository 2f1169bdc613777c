"""Suggestions for an edited preference: the same in other words, and the reverse. A person reads them: on
Respond before they are used, in the preference-use meter beside its numbers.

Pure and by rule, so that they are there at once and offline; they know English sentences about oneself and nothing of meaning.
"""

import re

_PAIRS = (
    ("always", "never"), ("love", "hate"), ("like", "dislike"), ("enjoy", "avoid"), ("prefer", "would rather not have"),
    ("want", "do not want"), ("trust", "distrust"), ("can", "cannot"), ("will", "will not"), ("would", "would not"),
    ("am", "am not"), ("have", "do not have"), ("share", "do not share"), ("eat", "do not eat"), ("need", "do not need"),
)  # fmt: skip
_WITHOUT = re.compile(r"\b(?:do not|don['’]t|does not|doesn['’]t|did not|didn['’]t) (?=\w)", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:(?P<verb>am|are|is|was|can|could|will|would|should|must) not|(?P<joined>are|is|was|could|would|should|must)n['’]t"
    r"|(?P<can>can)(?:not|['’]t)|(?P<wo>wo)n['’]t)\b",
    re.IGNORECASE,
)
_MORE = re.compile(
    r"[,;:—–\n]|[.!?…]\s|\b(?:and|or|but|because|although|though|unless|if|when|while|since|so|that)\b", re.IGNORECASE
)
_FIRST = re.compile(r"\bI(?P<gap> (?:\w+ly )?)(?P<verb>\w+)\b")


def paraphrase(preference: str) -> str:
    """The same said with another frame around it."""
    return f"One thing to know about me: {preference.strip()} Please keep it in mind."


def reverse(preference: str) -> str:
    """The reverse of what somebody says of oneself.

    A plain sentence loses its negation or has its verb turned round. Anything with a second part, of which a rule might turn the
    wrong one, and any verb that is not known, gets a frame that says the opposite is true.
    """
    text = preference.strip()
    made = text
    if not _MORE.search(text):
        for pattern, turned in ((_WITHOUT, ""), (_NOT, _affirmed), (_FIRST, _turned)):
            made = pattern.sub(turned, text, count=1)
            if made != text:
                break
    return made if made != text else f"The opposite of this is true for me: {text}"


def _affirmed(found: re.Match[str]) -> str:
    return "will" if found["wo"] else found["verb"] or found["joined"] or found["can"]


def _turned(found: re.Match[str]) -> str:
    verb = found["verb"]
    for one, two in _PAIRS:
        for before, after in ((one, two), (two, one)):
            if verb.lower() == before:
                return f"I{found['gap']}{after}"
    return found[0]
