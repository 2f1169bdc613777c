"""Reading the text of a log: its last traceback and lines that hold a word. Pure functions of bounded text."""

from collections.abc import Iterable
from typing import NamedTuple

HEAD = "Traceback (most recent call last):"
LINES = 200
WIDTH = 2000


class Hit(NamedTuple):
    """A line that holds what was searched for: the byte where it starts, its number from 1, its text (cut)."""

    offset: int
    line: int
    text: str


def last_traceback(text: str) -> str:
    """The last Python traceback of a text with the line of its exception, at most 200 lines; '' when there is none."""
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if HEAD in line]
    if not starts:
        return ""
    found = lines[starts[-1] : starts[-1] + LINES]
    margin = found[0].index(HEAD)
    end = next((at for at, line in enumerate(found[1:], 1) if line[margin : margin + 1].strip()), len(found) - 1)
    message = end + 1
    while message < len(found) and message < end + 10 and found[message].strip() and not _new(found[message]):
        message += 1
    return "\n".join(line[:WIDTH] for line in found[:message])


def _new(line: str) -> bool:
    """True where a line of its own begins: a logger's, a progress bar's, or another traceback's."""
    return line.startswith(("[", "20")) or "%|" in line or HEAD in line


def search(lines: Iterable[bytes], word: str, start: int = 0, limit: int = 200) -> tuple[list[Hit], bool]:
    """Lines that hold a word, whatever its case, in order: (first `limit` hits, True when there are more).

    `lines` with their line ends; `start` is the byte where the first one begins.
    """
    found: list[Hit] = []
    offset, wanted = start, word.casefold()
    for number, raw in enumerate(lines, 1):
        text = raw.decode("utf-8", "replace")
        if wanted in text.casefold():
            if len(found) == limit:
                return found, True
            found.append(Hit(offset, number, text.rstrip("\r\n")[:400]))
        offset += len(raw)
    return found, False


def whole(chunk: bytes) -> bytes:
    """A chunk without the first bytes of a UTF-8 character whose rest has not been written or read yet."""
    for back in range(1, min(4, len(chunk)) + 1):
        lead = chunk[-back]
        if lead < 0x80:
            return chunk
        if lead >= 0xC0:
            needed = 2 + (lead >= 0xE0) + (lead >= 0xF0)
            return chunk[:-back] if needed > back else chunk
    return chunk
