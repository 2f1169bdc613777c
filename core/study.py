"""A rating study as a plan: which rater sees which dialogue in which order, what leaks a model's name, what it costs.

Pure and seeded. Why it is crossed: with different raters for each model a true difference of zero was called significant in
66 % of simulated studies; with the same raters, paired by user profile, in 4.5 % (SPEC 6).
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.dialogues import PLACEHOLDERS

LEVELS = (1, 2, 3, 4, 5)
DIMENSION = "alignment"
SECONDS_PER_TURN = 14.0
"""Reading and rating one turn, until a study has times of its own."""

ANCHORS: Mapping[int, str] = {
    1: "fits nobody in particular, or somebody else",
    2: "touches this user by chance; the tone is off",
    3: "fine for most people, little of this user in it",
    4: "takes this user into account in content or in tone",
    5: "could only have been written for this user, and reads well",
}
"""What the five points mean, shown beside the dialogue. Criteria: style, content, human-like and concise (ALOE)."""


class Item(NamedTuple):
    """One dialogue in a study."""

    key: str
    model: str
    profile: str


class Check(NamedTuple):
    """An attention check: the dialogue is shown up to `turn`, whose answer asks for the rating `level` in so many words."""

    turn: int
    level: int


CHECK_TOLERANCE = 1
"""How far a rating may be from what a check asked for."""


def check_text(level: int) -> str:
    """What stands in the place of the checked answer."""
    return f"This is not an answer but a check that answers are read. Please rate it with {level}."


class Slot(NamedTuple):
    """One dialogue on a rater's list. `retest` is True where the rater sees it for the second time."""

    item: str
    retest: bool
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Each rater's list in order, and warnings in words; `crossed` is True when every rater of a profile sees all models."""

    lists: dict[str, tuple[Slot, ...]]
    warnings: tuple[str, ...]
    crossed: bool


def plan(
    items: Sequence[Item], raters: Sequence[str], overlap: int, seed: int, retest: float = 0.0, checks: int = 0
) -> Plan:
    """Give every user profile to `overlap` raters, the least loaded first, and each of them all its dialogues.

    A list goes through its profiles again and again, one dialogue of each at a time, so that two dialogues of one profile never
    follow each other, unless a rater has one profile only. Which model comes when is drawn for each rater from Latin squares
    with permuted rows and columns (`_turns_of_models`): every model is as often early as late, and no model always follows
    another. `retest` is the share of dialogues
    that come again at the end; `checks` attention checks are spread over every list. Raises ValueError for an overlap that
    cannot be had, a share outside [0, 0.5] or more than 10 checks.
    """
    if not 1 <= overlap <= len(raters):
        raise ValueError(f"{overlap} raters for each profile were asked for, but there are {len(raters)}")
    if not 0 <= retest <= 0.5:
        raise ValueError("the retest share lies between 0 and 0.5")
    if not 0 <= checks <= 10:
        raise ValueError("a list has 0 to 10 attention checks")
    if len({item.key for item in items}) != len(items) or len(set(raters)) != len(raters):
        raise ValueError("a dialogue or a rater is listed twice")
    rng = random.Random(seed)
    profiles = sorted({item.profile for item in items})
    rng.shuffle(profiles)
    order = list(raters)
    rng.shuffle(order)
    given: dict[str, list[str]] = {rater: [] for rater in order}
    size = {profile: sum(item.profile == profile for item in items) for profile in profiles}
    load = dict.fromkeys(order, 0)
    for profile in profiles:
        for rater in sorted(order, key=lambda name: load[name])[:overlap]:
            given[rater].append(profile)
            load[rater] += size[profile]
    by_profile = {profile: [item for item in items if item.profile == profile] for profile in profiles}
    lists = {rater: _list(given[rater], by_profile, rng, retest) for rater in order}
    profile_of = {item.key: item.profile for item in items}
    lists = {rater: _checked(slots, profile_of, rng, checks) for rater, slots in lists.items()}
    return Plan(lists, tuple(_warnings(items, given)), len({frozenset(_models(items, one)) for one in profiles}) <= 1)


def _models(items: Sequence[Item], profile: str) -> set[str]:
    return {item.model for item in items if item.profile == profile}


def _list(profiles: list[str], own: Mapping[str, list[Item]], rng: random.Random, retest: float) -> tuple[Slot, ...]:
    visits = profiles.copy()
    rng.shuffle(visits)
    models = sorted({item.model for profile in visits for item in own[profile]})
    squares = _turns_of_models(models, len(visits), rng)
    columns = {profile: _column(own[profile], turns, rng) for profile, turns in zip(visits, squares, strict=True)}
    rounds = max(map(len, columns.values()), default=0)
    keys = [columns[profile][turn] for turn in range(rounds) for profile in visits if turn < len(columns[profile])]
    again = round(len(keys) * retest)
    early = keys[: max(again, len(keys) // 2)]
    profile_of = {key: profile for profile in visits for key in columns[profile]}
    repeated = _spread(rng.sample(early, min(again, len(early))), profile_of, keys[-1:])
    return (*(Slot(key, False) for key in keys), *(Slot(key, True) for key in repeated))


def _turns_of_models(models: list[str], profiles: int, rng: random.Random) -> list[list[str]]:
    """For each profile in turn the order of its models. Every run of as many profiles as there are models is a Latin square of
    its own, with rows, columns and models permuted at random: each model comes once in each row and in each column."""
    found: list[list[str]] = []
    size = len(models)
    while len(found) < profiles:
        rows, columns, names = (rng.sample(range(size), size) for _ in range(3))
        found += [[models[names[(row + column) % size]] for column in columns] for row in rows]
    return found[:profiles]


def _column(own: list[Item], models: list[str], rng: random.Random) -> list[str]:
    """A profile's dialogues in the order of these models; where a model has several, the others come in later rounds."""
    given = {model: sorted(item.key for item in own if item.model == model) for model in models}
    for keys in given.values():
        rng.shuffle(keys)
    deepest = max(map(len, given.values()), default=0)
    return [given[model][turn] for turn in range(deepest) for model in models if turn < len(given[model])]


def order_of(items: Sequence[Item], seed: int) -> tuple[Slot, ...]:
    """A list of all these dialogues for one rater, as `plan` would order them."""
    rng = random.Random(seed)
    profiles = sorted({item.profile for item in items})
    return _list(profiles, {one: [item for item in items if item.profile == one] for one in profiles}, rng, 0.0)


def _checked(
    slots: tuple[Slot, ...], profile_of: Mapping[str, str], rng: random.Random, checks: int
) -> tuple[Slot, ...]:
    """The slots with attention checks spread among them, away from dialogues of the same profile where that can be."""
    found = list(slots)
    for number in range(checks if slots else 0):
        place = max(1, round((number + rng.uniform(0.3, 0.9)) * len(slots) / checks) + number)
        near = {profile_of[one.item] for one in found[max(0, place - 1) : place + 1]}
        base = [slot for slot in slots if profile_of[slot.item] not in near] or list(slots)
        found.insert(place, Slot(rng.choice(base).item, False, Check(rng.randint(2, 4), rng.choice((1, 5)))))
    return tuple(found)


def _spread(keys: list[str], profile_of: Mapping[str, str], before: list[str]) -> list[str]:
    """The keys in an order in which no profile follows itself, as far as they allow it."""
    left, last, found = keys.copy(), "".join(profile_of[key] for key in before), list[str]()
    while left:
        key = next((one for one in left if profile_of[one] != last), left[0])
        left.remove(key)
        found.append(key)
        last = profile_of[key]
    return found


def _warnings(items: Sequence[Item], given: Mapping[str, list[str]]) -> Iterable[str]:
    models = {item.model for item in items}
    thin = [profile for profile in {item.profile for item in items} if _models(items, profile) != models]
    if len(models) < 2:
        yield "There is only one model: nothing can be compared."
    if thin:
        yield f"{len(thin)} user profiles lack a dialogue of some model; they are left out where those models are compared."
    idle = [rater for rater, profiles in given.items() if not profiles]
    if idle:
        yield f"{len(idle)} raters get nothing: there are fewer user profiles than that many raters need."
    if any(len(profiles) == 1 for profiles in given.values()):
        yield "A rater with one user profile sees its dialogues one after another; more profiles would spread them."


class Cost(NamedTuple):
    """What a plan asks of people: dialogues rated in all, turns rated in all, and minutes."""

    dialogues: int
    turns: int
    minutes: float


def cost(made: Plan, turns: Mapping[str, int], seconds_per_turn: float = SECONDS_PER_TURN) -> Cost:
    """The cost of a plan; `turns` is the number of assistant turns of each dialogue."""
    slots = [slot for slots in made.lists.values() for slot in slots]
    rated = sum(min(turns[slot.item], slot.check.turn if slot.check else turns[slot.item]) for slot in slots)
    return Cost(len(slots), rated, rated * seconds_per_turn / 60)


VENDOR_WORDS = (
    "chatgpt", "openai", "gpt-4", "gpt-4o", "gpt-3.5", "claude", "anthropic", "gemini", "google", "bard", "llama", "meta ai",
    "mistral", "mixtral", "qwen", "alibaba", "deepseek", "copilot", "bing chat", "grok", "vicuna", "phi-3", "yi-34b", "ernie",
    "as an ai language model", "language model trained by",
)  # fmt: skip
"""Names that would tell a rater which system is speaking, besides the names of the models under study."""


class Leak(NamedTuple):
    """A name found in a dialogue: item, turn (from 1; 0 is the profile), whose side, the words and where they stand."""

    item: str
    turn: int
    side: str
    words: str
    start: int


def leaks(item: str, profile: str, texts: Iterable[tuple[str, str]], models: Iterable[str]) -> list[Leak]:
    """Names of models or vendors in a profile and a dialogue's (user, assistant) texts, whole words, case ignored."""
    pattern = _names(models)
    about = [Leak(item, 0, "profile", match.group(), match.start()) for match in pattern.finditer(profile)]
    return about + [
        Leak(item, turn, side, match.group(), match.start())
        for turn, pair in enumerate(texts, 1)
        for side, text in zip(("user", "assistant"), pair, strict=True)
        for match in pattern.finditer(text)
    ]


def masked(text: str, models: Iterable[str]) -> str:
    """The text with every such name replaced by `[name]`."""
    return _names(models).sub("[name]", text)


def _names(models: Iterable[str]) -> re.Pattern[str]:
    words = {*VENDOR_WORDS, *(name.strip() for name in models if name.strip() not in PLACEHOLDERS)} - {""}
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


class Event(NamedTuple):
    """One act of a rater on one turn. `value` 1-5, 0 = cannot be rated, None = taken back. `sequence` counts per turn from 1."""

    turn: int
    sequence: int
    value: int | None


def current(events: Iterable[Event]) -> dict[int, int]:
    """The value that holds for each turn: that of its last event; turns that were taken back are left out."""
    latest: dict[int, Event] = {}
    for event in events:
        if event.turn not in latest or latest[event.turn].sequence < event.sequence:
            latest[event.turn] = event
    return {turn: event.value for turn, event in sorted(latest.items()) if event.value is not None}


def next_turn(values: Mapping[int, int], turns: int) -> int | None:
    """The first turn without a value, from 1; None when the dialogue is complete."""
    return next((turn for turn in range(1, turns + 1) if turn not in values), None)
