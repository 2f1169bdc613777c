"""Cases that the lessons are about: a preference and a query with the words in them worth quoting, and thoughts of every kind.

Made from word lists, from invented words (copying must not depend on a list) or from texts that are handed in. Seeded.
"""

import re
from collections.abc import Sequence
from random import Random
from typing import Literal, NamedTuple

from core.types import Persona
from training import frames, phrases
from training.rule import words

Kind = Literal["exceptional", "strong", "surface", "vague", "leap", "against", "harm", "other"]
_SENTENCE = re.compile(r"[^.!?;:,]{1,400}")
_MARKS = re.compile('["«»]')
_SPACED = re.compile(r"\S{1,60}")


class Case(NamedTuple):
    """A scenario with its handles: `a`, `b` are words of the preference, `it` of the query; themes are keys of THEMES."""

    preference: str
    query: str
    topic: str
    a: str
    b: str
    it: str
    theme: str
    other: str


def invented(rng: Random) -> str:
    """A word that is in no list."""
    return "".join(rng.choice(phrases.SYLLABLES) for _ in range(rng.randint(2, 3)))


def _said(rng: Random, theme: str) -> str:
    if rng.random() < 0.75:
        return rng.choice(phrases.THEMES[theme].said)
    adjective = rng.choice((*phrases.MANNERS, invented(rng)))
    return rng.choice(("my {0}", "the {1} {0}", "{0} and {2}", "my {1} {0}")).format(
        invented(rng), adjective, invented(rng)
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def made(rng: Random, topic: str = "") -> Case:
    """A case from the word lists; with a topic that is in no list its words become what is asked about."""
    theme, other = rng.sample(sorted(phrases.THEMES), 2)
    a, b = _said(rng, theme), _said(rng, other)
    topic = topic or rng.choice(sorted(phrases.TOPICS))
    things = phrases.TOPICS.get(topic, (topic, f"my {topic}", f"the first {topic}"))
    it = (
        rng.choice(things)
        if rng.random() < 0.8 or topic not in phrases.TOPICS
        else f"a {invented(rng)} {invented(rng)}"
    )
    who = rng.choice(frames.WHO).format(
        manner=rng.choice(phrases.MANNERS),
        job=rng.choice(phrases.JOBS),
        age=rng.randint(18, 88),
        years=rng.choice(("two", "six", "nine", "twelve", "thirty")),
        kin=rng.choice(frames.KIN),
    )
    preference = _capital(rng.choice(frames.STATED).format(who=who, a=a, b=b).strip())
    return Case(preference, rng.choice(phrases.QUERIES).format(it=it), topic, a, b, it, theme, other)


def spans(text: str) -> list[list[str]]:
    """For each clause, runs of two to four words from its first word that carries meaning to another such word."""
    found: list[list[str]] = []
    for sentence in _SENTENCE.findall(text):
        parts = _SPACED.findall(_MARKS.sub(" ", sentence))
        solid = [bool(words(part)) for part in parts]
        start = solid.index(True) if any(solid) else 0
        ends = [start + size for size in (2, 3, 4) if start + size <= len(parts) and solid[start + size - 1]]
        if ends:
            found.append([" ".join(parts[start:end]) for end in ends])
    return found or [_SPACED.findall(_MARKS.sub(" ", text))[:1] or ["this"]]


def theme_of(text: str) -> str:
    """The theme whose words a text shares most; of equals the first by name after the text's length."""
    own = words(text)
    names = sorted(phrases.THEMES)
    turn = len(text) % len(names)
    names = names[turn:] + names[:turn]
    return max(names, key=lambda name: len(own & words(" ".join(phrases.THEMES[name].said))))


def read(rng: Random, preference: str, query: str, topic: str = "") -> Case:
    """A case around a given preference and query."""
    found = spans(preference)
    a, b = rng.choice(rng.choice(found[:2])), rng.choice(rng.choice(found[-2:]))
    theme = theme_of(preference)
    other = rng.choice([name for name in sorted(phrases.THEMES) if name != theme])
    return Case(preference, query, topic, a, b, rng.choice(spans(query)[0]), theme, other)


def mixed(rng: Random, sentences: Sequence[str]) -> Case:
    """A case out of sentences that do not belong together: odd, and good practice for copying."""
    preference = " ".join(rng.sample(sentences, rng.randint(1, 2)))[:400]
    return read(rng, preference, rng.choice(sentences)[:160])


def _fill(rng: Random, frame: str, case: Case, deeper: bool = False) -> str:
    theme = phrases.THEMES[case.other if deeper else case.theme]
    a, b = (case.b, case.a) if deeper and rng.random() < 0.3 else (case.a, case.b)
    return frame.format(
        a=a,
        b=b,
        it=case.it,
        need=rng.choice(theme.needs),
        offend=rng.choice(theme.offends),
        serve=rng.choice(phrases.THEMES[case.theme].serves),
        serve_b=rng.choice(phrases.THEMES[case.other].serves),
    )


_PLAIN: dict[Kind, tuple[str, ...]] = {
    "surface": frames.SURFACE,
    "vague": frames.VAGUE,
    "leap": frames.LEAPS,
    "against": frames.AGAINST,
    "harm": frames.HARM,
}


def thought(rng: Random, case: Case, kind: Kind, persona: Persona, deeper: bool = False) -> str:
    """A thought of a kind, in a persona's manner; `deeper` builds on earlier steps. `other` is a thought about another case."""
    if kind == "other":
        return thought(rng, made(rng), "surface", persona)
    if kind in _PLAIN:
        return _fill(rng, rng.choice(_PLAIN[kind]), case, deeper)
    parts = [rng.choice(frames.FOLLOWING if deeper else frames.OPENINGS[persona]), rng.choice(frames.INFERENCES)]
    if kind == "exceptional":
        parts.insert(1, rng.choice(frames.CONTRASTS))
    if kind == "exceptional" or rng.random() < 0.7:
        parts.append(rng.choice(frames.DISLIKES))
    return " ".join(_fill(rng, part, case, deeper) for part in parts)


def answer(rng: Random, case: Case, kind: Kind) -> str:
    """A final answer: full for the good kinds, plain or bad for the others."""
    if kind in ("exceptional", "strong"):
        return " ".join(_fill(rng, rng.choice(part), case) for part in (frames.ANSWERS, frames.ASSUMED))
    if kind in ("surface", "vague", "other"):
        return _fill(rng, rng.choice(frames.PLAIN_ANSWERS), case)
    return _fill(rng, rng.choice(frames.BAD_ANSWERS), case)


def steps(rng: Random, case: Case, kinds: Sequence[Kind]) -> list[str]:
    """Thoughts from the first level down, one for each kind."""
    personas = list(Persona)
    return [thought(rng, case, kind, rng.choice(personas), deeper=bool(place)) for place, kind in enumerate(kinds)]
