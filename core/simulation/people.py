"""The people of a simulation: profile and personality, the parts of a profile, and the turn at which each part is told.

Pure and seeded: the same people, turns and seed give the same schedule, whichever model they talk with. So every model meets
the same people who tell the same things at the same turns. Knows no prompt, no model and no file.
"""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from typing import NamedTuple

LONGEST_PROFILE = 4000
"""Characters of a profile or a personality that are used; a longer one is cut."""
LONGEST_PART = 400
SHORTEST_PART = 20
SHORTEST_CLAUSE = 28
MOST_PARTS = 20
MOST_TURNS = 10

_END = re.compile(r"[.!?]{1,3}[\"'”’)\]]{0,2}[ ]|[。！？][”’）]{0,2}[ ]?")
_JOINTS = (
    re.compile(r"; |, (?=(?:and|but|who|which|where|while|with|though|because|so) )"),
    re.compile(r"(?<! of)(?<! in)(?<! on)(?<! for) (?=(?:and|but|who|which|where|while|though|because) )"),
    re.compile(r", "),
)
"""Where a sentence may be split into clauses, the best places first."""
_TITLES = frozenset({"mr", "mrs", "ms", "dr", "st", "prof", "jr", "sr", "vs", "e.g", "i.e", "etc", "no"})
_PRONOUN = re.compile(r"\b(she|he|they|her|his|their)\b", re.IGNORECASE)
_KIND = {"she": "she", "her": "she", "he": "he", "his": "he", "they": "they", "their": "they"}


class Person(NamedTuple):
    """Whom a model talks with. `personality` is '' where none is given."""

    profile: str
    personality: str = ""

    @property
    def key(self) -> str:
        """Digest of both texts: what schedules and seeds depend on."""
        return digest(self.profile, self.personality)

    @property
    def cluster(self) -> str:
        """Digest of the profile alone, by which models are paired: ALOE's 100 people are 20 profiles with 5 personalities."""
        return digest(self.profile)


class Reveal(NamedTuple):
    """Parts of the profile at one turn: `told` before it, `now` to be told in it."""

    told: tuple[str, ...]
    now: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """What the assistant can know when it answers."""
        return self.told + self.now


Schedule = tuple[tuple[int, ...], ...]
"""For each turn the places of the parts that are told in it; every part once."""


def digest(*texts: str) -> str:
    """A name of 32 hex digits for texts."""
    return hashlib.sha256(json.dumps(texts, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()[:32]


def seed_of(seed: int, *names: object) -> int:
    """A seed of its own for every name, in 0..2^31-1; the same for the same seed and names."""
    text = json.dumps([seed, *map(str, names)], ensure_ascii=False)
    return int(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8], 16) & 0x7FFFFFFF


def clean(text: str) -> str:
    """A profile or personality as it is used: one line, at most LONGEST_PROFILE characters."""
    return " ".join(text[: 4 * LONGEST_PROFILE].split())[:LONGEST_PROFILE].strip()


def parts(profile: str, wanted: int = 0) -> tuple[str, ...]:
    """A profile as parts that can be told one by one: its sentences, at most LONGEST_PART characters and MOST_PARTS of them.

    Longer sentences are split at commas or spaces, scraps stay with the part before, and neighbours are joined where there
    are too many. Where there are fewer than `wanted`, the longest are split into clauses of SHORTEST_CLAUSE characters or more,
    so that every turn has something new as far as the profile goes. Joined with spaces they are the words of the profile
    again. No parts for an empty text.
    """
    found: list[str] = []
    for sentence in _sentences(clean(profile)):
        for piece in _bounded(sentence):
            scrap = found and (len(piece) < SHORTEST_PART or len(found[-1]) < SHORTEST_PART)
            if scrap and len(found[-1]) + len(piece) < LONGEST_PART:
                found[-1] = f"{found[-1]} {piece}"
            else:
                found.append(piece)
    _into_clauses(found, min(wanted, MOST_PARTS))
    if len(found) <= MOST_PARTS:
        return tuple(found)
    groups: list[list[str]] = [[] for _ in range(MOST_PARTS)]
    for place, piece in enumerate(found):
        groups[place * MOST_PARTS // len(found)].append(piece)
    return tuple(" ".join(group) for group in groups)


def _into_clauses(found: list[str], wanted: int) -> None:
    """Split the longest parts that can be split, in place, until there are `wanted` or none is left."""
    while len(found) < wanted:
        for place in sorted(range(len(found)), key=lambda one: (-len(found[one]), one)):
            cut = _joint(found[place])
            if cut:
                found[place : place + 1] = [found[place][:cut].strip(), found[place][cut:].strip()]
                break
        else:
            return


def _joint(text: str) -> int:
    """The place to split at: of the best kind there is, the one nearest to the middle; 0 where there is none."""
    for joint in _JOINTS:
        places = [match.end() for match in joint.finditer(text)]
        places = [at for at in places if min(len(text[:at].strip()), len(text) - at) >= SHORTEST_CLAUSE]
        if places:
            return min(places, key=lambda at: abs(2 * at - len(text)))
    return 0


def _sentences(text: str) -> list[str]:
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _goes_on(text, start, match):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def _goes_on(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a stop ends a title, an initial or an abbreviation, or a small letter follows."""
    following = text[end.end() : end.end() + 1]
    word = text[max(start, end.start() - 12) : end.start()].rpartition(" ")[2].strip("(\"'“‘")
    initial = len(word) == 1 and word.isupper() and word != "I"
    return following.islower() or (text[end.start()] == "." and (initial or word.lower() in _TITLES))


def _bounded(sentence: str) -> list[str]:
    made: list[str] = []
    while len(sentence) > LONGEST_PART:
        head = sentence[:LONGEST_PART]
        cut = max(head.rfind("; "), head.rfind(", ")) + 1
        if cut < LONGEST_PART // 2:
            cut = head.rfind(" ")
        cut = cut if cut > 0 else LONGEST_PART
        made.append(sentence[:cut].strip())
        sentence = sentence[cut:].strip()
    return [*made, sentence] if sentence else made


def schedule(count: int, turns: int, seed: int) -> Schedule:
    """When `count` parts are told over `turns` turns: in an order drawn by `seed`, spread evenly, the first in turn 1.

    The j-th part of the order (from 0) is told at turn 1 + floor(j * turns / count). Raises ValueError for no turn.
    """
    if turns < 1 or count < 0:
        raise ValueError(f"{count} parts cannot be told over {turns} turns")
    order = list(range(count))
    random.Random(seed).shuffle(order)
    told: list[list[int]] = [[] for _ in range(turns)]
    for place, part in enumerate(order):
        told[place * turns // count].append(part)
    return tuple(tuple(sorted(now)) for now in told)


def reveal(of: Sequence[str], plan: Schedule, turn: int) -> Reveal:
    """What was told before `turn` (from 1), in the order it was told, and what is told now."""
    before = tuple(of[part] for now in plan[: turn - 1] for part in now)
    return Reveal(before, tuple(of[part] for part in plan[turn - 1]))


def paired(profiles: Sequence[str], personalities: Sequence[str], each: int, seed: int) -> list[Person]:
    """Every profile with `each` personalities, drawn by `seed` (fewer where there are not as many); without any, alone.

    A profile of a woman or a man gets first the personalities that are written of one.
    """
    given = _each_once(personalities)
    people: list[Person] = []
    for profile in _each_once(profiles):
        drawn = random.Random(seed_of(seed, "personality", digest(profile))).sample(given, len(given))
        drawn.sort(key=lambda one: _of(one) != _of(profile))
        people += [Person(profile, one) for one in drawn[:each]] or [Person(profile)]
    return people


def _each_once(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(clean(text) for text in texts) if text]


def _of(text: str) -> str:
    found = _PRONOUN.search(text[:400])
    return _KIND[found.group(1).lower()] if found else ""
