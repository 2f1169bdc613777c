"""From bytes to JSON values: arrays, JSON lines or one object, as a stream, in bounded memory.

Knows the container only, not what a record means. A value that cannot be read becomes a Problem and the rest is read on.
"""

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

from core.types import Json, Problem

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*("|\Z)|[{}\[\]]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_WINDOW = 1 << 20
_GIVE_UP = 20
_CUT = 1 << 14
_DEEPEST = 100_000


class Value(NamedTuple):
    """One parsed value with its place in the file, for people: `record 17` or `line 17`."""

    where: str
    value: Any


class Unreadable(Exception):
    """A record that does not fit its format: the field and a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Unreadable(
            "", f"The key {twice[:60]!r} occurs twice in one object. Give each entry a name or id of its own."
        )
    return made


def _float(text: str) -> float | str:
    """A number too large for a float stays the text it is: infinity is no JSON."""
    value = float(text)
    return value if math.isfinite(value) else text


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=str, parse_float=_float)


class _Text:
    """A growing window over the decoded stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self.text = ""
        self.pos = 0
        self.ended = False
        self.broken: str = ""
        self._line = 1
        self._counted = 0

    @property
    def line(self) -> int:
        """Number of the line at the position, from 1."""
        self._line += self.text.count("\n", self._counted, self.pos)
        self._counted = self.pos
        return self._line

    def cut(self) -> None:
        """Drop what was consumed, where it is much: an error message counts lines from the start of the text."""
        if self.pos > _CUT:
            _ = self.line
            self.text = self.text[self.pos :]
            self.pos = self._counted = 0

    def grow(self) -> None:
        """Drop what was consumed and read on: at least one window, more when a long record fills the window."""
        _ = self.line
        parts = [self.text[self.pos :]]
        self.pos = self._counted = 0
        wanted = max(_WINDOW, len(parts[0]))
        got = 0
        while got < wanted and not self.ended:
            chunk = next(self._chunks, b"")
            try:
                parts.append(self._decode.decode(chunk, final=not chunk))
            except UnicodeDecodeError as error:
                self.broken = f"The file is not UTF-8 text (byte 0x{error.object[error.start]:02x}). Save it as UTF-8."
                self.ended = True
                break
            got += len(parts[-1])
            self.ended = not chunk
        self.text = "".join(parts)

    def skip_space(self) -> bool:
        """Move to the next character that is not white space; False at the end of the file."""
        while True:
            match = _SPACE.match(self.text, self.pos)
            self.pos = match.end() if match else self.pos
            if self.pos < len(self.text):
                return True
            if self.ended:
                return False
            self.grow()

    def value(self, where: str) -> Value | Problem:
        """Parse the value at the position and move behind it.

        Raises ValueError, RecursionError or Unreadable when it cannot be parsed; the position then stays where it was.
        """
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.pos)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - 12
                if self.ended or not cut:
                    raise
            else:
                if end < len(self.text) or self.ended:
                    escaped = _ESCAPED.search(self.text, self.pos, end)
                    self.pos = end
                    bad = _bad_character(value) if escaped else None
                    return Value(where, value) if bad is None else Problem(where, *bad)
            self.grow()

    def skip_value(self) -> bool:
        """Move behind the value at the position without parsing it, by its brackets; False when it has no end."""
        depth, at = 0, self.pos
        while True:
            for match in _TOKEN.finditer(self.text, at):
                if match.group(1) == "":
                    at = match.start()
                    break
                at = match.end()
                depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match.group(), 0)
                if depth > _DEEPEST:
                    return False
                if depth <= 0:
                    self.pos = at
                    return True
            if self.ended:
                return False
            at -= self.pos
            self.grow()

    def skip_until(self, marks: str) -> None:
        """Move to the next of these characters, or to the end of the file."""
        wanted = re.compile(f"[{re.escape(marks)}]")
        while self.pos < len(self.text) or not self.ended:
            found = wanted.search(self.text, self.pos)
            self.pos = found.start() if found else len(self.text)
            if found:
                return
            self.grow()


def _bad_character(value: Any) -> tuple[str, str] | None:
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return path, "A text holds a NUL character (\\u0000). Remove it."
            if _SURROGATE.search(item):
                return (
                    path,
                    "A text holds half of a character (a lone surrogate such as \\ud800). Write it again as UTF-8.",
                )
        elif isinstance(item, dict):
            entries = cast("dict[str, Any]", item).items()
            stack += [(f"{path}.{key}".strip("."), sub) for key, sub in entries]
            stack += [(path, key) for key, _ in entries]  # looked at first, so that no path holds a bad key
        elif isinstance(item, list):
            stack += [(f"{path}.{at}".strip("."), sub) for at, sub in enumerate(cast("list[Any]", item))]
    return None


def nested_deeper(value: Any, limit: int) -> bool:
    """True when a JSON value has more than `limit` levels of lists and objects."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below += [sub for sub in cast("Json", item).values() if type(sub) is dict or type(sub) is list]
            elif type(item) is list:
                below += [sub for sub in cast("list[Any]", item) if type(sub) is dict or type(sub) is list]
        if not below:
            return False
        level = below
    return True


def read_values(chunks: Iterable[bytes]) -> Iterator[Value | Problem]:
    """Parse a stream of UTF-8 bytes: a JSON array, JSON lines, several JSON values, or one value.

    NaN and Infinity come out as strings; an object with a repeated key is a problem. Never raises on any content.
    """
    text = _Text(chunks)
    if not text.skip_space():
        yield Problem("file", "", text.broken or "The file is empty. Choose a file with at least one record.")
        return
    yield from _array(text) if text.text[text.pos] == "[" else _lines(text)
    if text.broken:
        yield Problem("file", "", text.broken)


def _say(error: Exception) -> tuple[str, str]:
    match error:
        case Unreadable():
            return error.field, error.sentence
        case json.JSONDecodeError():
            return "", f"This is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}."
        case RecursionError():
            return "", "The value is nested too deeply to be a record of any known format."
        case _:
            return "", "A number in this record is too long to be read."


def _array(text: _Text) -> Iterator[Value | Problem]:
    text.pos += 1
    index = 0
    while text.skip_space():
        mark = text.text[text.pos]
        text.pos += mark in ",]"
        if mark == ",":
            continue
        if mark == "]":
            if text.skip_space():
                yield Problem("file", "", "There is text behind the end of the list; it was not read.")
            return
        index += 1
        where = f"record {index}"
        try:
            yield text.value(where)
        except (ValueError, RecursionError, Unreadable) as error:
            text.cut()
            if mark not in '{["':
                text.skip_until(",]")
            elif not text.skip_value():
                yield Problem(where, "", "The file ends inside this record: it seems cut off. Copy or export it again.")
                return
            yield Problem(where, *_say(error))
    yield Problem(f"record {index + 1}", "", "The file ends before its list is closed: it seems cut off.")


def _lines(text: _Text) -> Iterator[Value | Problem]:
    """JSON lines, one object over several lines, or several of them one after another; resumes at the next line."""
    failures = 0
    good = False
    while text.skip_space():
        where = f"line {text.line}"
        try:
            yield text.value(where)
            good = True
        except (ValueError, RecursionError, Unreadable) as error:
            yield Problem(where, *_say(error))
            failures += 1
            if failures >= _GIVE_UP and not good:
                yield Problem(where, "", "None of the first lines is JSON; the rest of the file was not read.")
                return
            text.cut()
            text.skip_until("\n")
