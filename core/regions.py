"""Where a text of a message stands in a prompt: characters of the message, characters of the rendered prompt, tokens.

Pure. Knows messages and character offsets of tokens; not which template renders them or which tokenizer cuts them. The way from a
message to the rendered prompt: characters that occur nowhere are put around the text, the template renders both versions, and
where they come out is where the text stands. Searching for the text would find a repetition, and counting characters before it
would miss what a template trims, moves or writes itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.ports import Message

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Span = tuple[int, int]

PREFERENCE: Final = "preference"
QUERY: Final = "query"
_PRIVATE = range(0xF0000, 0xFFFFE)
"""Code points of plane 15, which mean nothing to anybody."""


class Place(NamedTuple):
    """Characters [start, end) of the content of message number `message`."""

    message: int
    start: int
    end: int


class Unplaced(NamedTuple):
    """Why a text cannot be found in a prompt; a sentence for a person."""

    reason: str


CUT = Unplaced("The chat template leaves out a part of a message, so where its texts stand cannot be told.")


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A rendered prompt with its T tokens.

    `offsets` (T, 2) are characters [start, end) of `text`; `content` (T,) is True where a token holds a character of a message,
    False where it is the template's own; `regions` gives for each name how much of each token belongs to it, (T,) in [0, 1];
    `spans` the same as characters of `text`, more than one where the template repeats a message.
    """

    text: str
    ids: Ints
    offsets: Ints
    content: Bools
    regions: Mapping[str, Floats]
    spans: Mapping[str, tuple[Span, ...]]

    def region(self, name: str) -> Floats:
        """Weights (T,) of a region; zeros for a name that the prompt does not have."""
        found = self.regions.get(name)
        return np.zeros(len(self.ids), dtype=np.float32) if found is None else found


def fenced_place(messages: Sequence[Message], name: str) -> Place | None:
    """Where the material of the last fence `[[name]]` stands (`core.prompts.template.fenced`), None without one.

    A filled text holds no fence marks, so the marks are ours. The last one counts: examples of other people come before it.
    """
    opening, closing = f"[[{name}]]\n", f"\n[[/{name}]]"
    for number in range(len(messages) - 1, -1, -1):
        content = messages[number].content
        start = content.rfind(opening)
        if start >= 0:
            start += len(opening)
            end = content.find(closing, start)
            if end >= 0:
                return Place(number, start, end)
    return None


def replaced(messages: Sequence[Message], place: Place, text: str) -> tuple[Message, ...]:
    """The messages with another text in that place."""
    role, content = messages[place.message]
    changed = Message(role, content[: place.start] + text + content[place.end :])
    return (*messages[: place.message], changed, *messages[place.message + 1 :])


class Marked(NamedTuple):
    """Messages with marks around texts; `marks` are the two characters of each name, names of messages are numbers."""

    messages: tuple[Message, ...]
    marks: Mapping[str | int, tuple[str, str]]


def mark(messages: Sequence[Message], places: Mapping[str, Place], rendered: str) -> Marked | Unplaced:
    """Put marks around each place and around the content of every message.

    Leading and trailing white space stays outside, so a template that trims does the same with and without marks. A place
    without anything else, and an empty message, get no marks. `rendered` is the prompt without marks, whose characters are
    not used. Raises ValueError for a place outside its message.
    """
    taken = set(rendered).union(*(message.content for message in messages))
    free = (chr(code) for code in _PRIVATE if chr(code) not in taken)
    wanted: dict[str | int, Place] = {at: Place(at, 0, len(one.content)) for at, one in enumerate(messages)}
    for name, place in places.items():
        if not (
            0 <= place.message < len(messages) and 0 <= place.start <= place.end <= len(messages[place.message].content)
        ):
            raise ValueError(f"the place of {name} lies outside its message")
        wanted[name] = place
    marks: dict[str | int, tuple[str, str]] = {}
    inserts: list[list[tuple[int, str]]] = [[] for _ in messages]
    for name, place in wanted.items():
        start, end = _core(messages[place.message].content, place)
        if start >= end:
            continue
        pair = _two(free)
        if pair is None:
            return Unplaced("The prompt uses so many unusual characters that nothing in it can be marked.")
        marks[name] = pair
        inserts[place.message] += [(start, pair[0]), (end, pair[1])]
    changed = tuple(Message(one.role, _inserted(one.content, own)) for one, own in zip(messages, inserts, strict=True))
    return Marked(changed, marks)


def _two(free: Iterator[str]) -> tuple[str, str] | None:
    first, second = next(free, None), next(free, None)
    return None if first is None or second is None else (first, second)


def _core(text: str, place: Place) -> Span:
    """The place without white space at its ends."""
    part = text[place.start : place.end]
    start = place.start + len(part) - len(part.lstrip())
    return start, start + len(part.strip())


def _inserted(text: str, inserts: Sequence[tuple[int, str]]) -> str:
    pieces: list[str] = []
    at = 0
    for place, character in sorted(inserts, key=lambda one: one[0]):
        pieces += [text[at:place], character]
        at = place
    return "".join((*pieces, text[at:]))


def read_marks(
    rendered: str, clean: str, marks: Mapping[str | int, tuple[str, str]]
) -> dict[str | int, tuple[Span, ...]] | Unplaced:
    """Where the marked texts stand in `clean`, from the version with marks. A name may have no span: the template dropped it.

    Unplaced where the two versions differ in more than the marks, or a mark came out alone.
    """
    ends: dict[str, tuple[str | int, bool]] = {}
    for name, (opening, closing) in marks.items():
        ends[opening], ends[closing] = (name, True), (name, False)
    found: dict[str | int, list[Span]] = {name: [] for name in marks}
    begun: dict[str | int, int] = {}
    plain: list[str] = []
    for character in rendered:
        which = ends.get(character)
        if which is None:
            plain.append(character)
            continue
        name, opens = which
        if opens == (name in begun):
            return CUT
        if opens:
            begun[name] = len(plain)
        else:
            found[name].append((begun.pop(name), len(plain)))
    if begun:
        return CUT
    if "".join(plain) != clean:
        return Unplaced(
            "The chat template rewrites a message depending on its characters, so nothing in it can be found."
        )
    return {name: tuple(spans) for name, spans in found.items()}


def token_weights(offsets: ArrayLike, spans: Sequence[Span]) -> Floats:
    """How much of each token lies in the spans: characters in common over characters of the token, (T,) in [0, 1].

    Any overlap counts. A token without a character of its own belongs to a span that it stands inside of, not at its edge.
    Spans must not overlap each other.
    """
    places = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    start, end = places[:, 0], places[:, 1]
    width = end - start
    found = np.zeros(len(places), dtype=np.float64)
    for first, last in spans:
        common = np.clip(np.minimum(end, last) - np.maximum(start, first), 0, None)
        inside = (width == 0) & (first < start) & (start < last)
        found += np.where(width > 0, common / np.maximum(width, 1), inside)
    return np.minimum(found, 1.0).astype(np.float32)


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The same characters as spans that do not overlap, in order."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def make_prompt(text: str, ids: ArrayLike, offsets: ArrayLike, spans: Mapping[str | int, tuple[Span, ...]]) -> Prompt:
    """A prompt from its tokens and from where messages (numbers) and named texts stand in it."""
    places = np.asarray(offsets, dtype=np.int32).reshape(-1, 2)
    own = merged([span for name, found in spans.items() if isinstance(name, int) for span in found])
    named = {name: merged(found) for name, found in spans.items() if isinstance(name, str)}
    regions = {name: token_weights(places, found) for name, found in named.items()}
    return Prompt(text, np.asarray(ids, dtype=np.int32), places, token_weights(places, own) > 0, regions, named)
