"""Taking a key out of whatever a server sent. Knows texts and one secret; keeps neither."""

import re

MASK = "[key]"
SHORTEST = 6
"""A shorter value is a placeholder such as EMPTY, and taking it out would damage ordinary text."""

SAID_LIMIT = 200
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def scrubbed(text: str, key: str) -> str:
    """The text with every occurrence of the key replaced."""
    return text.replace(key, MASK) if len(key) >= SHORTEST else text


def quoted(text: str, key: str) -> str:
    """A server's words as one short line, to stand inside a sentence of ours; '' when there are none."""
    line = _UNPRINTABLE.sub(" ", scrubbed(text, key)).strip()
    line = scrubbed(line, key)
    return line if len(line) <= SAID_LIMIT else line[: SAID_LIMIT - 1] + "…"


class Scrubber:
    """Scrubs a text that comes in pieces. Holds a piece's end back only while the end could be the beginning of the key."""

    def __init__(self, key: str) -> None:
        self._key = key if len(key) >= SHORTEST else ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be shown after this piece."""
        text = scrubbed(self._held + piece, self._key)
        cut = len(text) - self._overlap(text)
        self._held = text[cut:]
        return text[:cut]

    def finish(self) -> str:
        """What was still held back."""
        rest, self._held = self._held, ""
        return rest

    def _overlap(self, text: str) -> int:
        longest = min(len(self._key) - 1, len(text))
        return next((size for size in range(longest, 0, -1) if text.endswith(self._key[:size])), 0)
