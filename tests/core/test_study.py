"""Dialogues, crossed plans, leaks and the value that holds."""

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialogues import Turn, dialogue_of
from core.formats.foreign import form_of, read
from core.latex import table
from core.study import ANCHORS, LEVELS, Event, Item, cost, current, leaks, masked, next_turn, order_of, plan
from core.study_report import Row, study_report
from core.types import Foreign
from tests.samples import FOREIGN


def record(value: object) -> Foreign:
    """A foreign record of a value."""
    form = form_of(value)
    assert form is not None
    return read(value, form)


def test_dialogues_of_every_shape() -> None:
    aloe = dialogue_of(record(FOREIGN["aloe_conversation"]))
    assert aloe is not None
    assert aloe.profile == "She repairs clocks.\nShe is patient."
    assert (aloe.model, aloe.turns) == ("preferred answers", (Turn("Hello", "Hello!"),))
    persona = dialogue_of(record(FOREIGN["prefeval_persona"]))
    assert persona is not None
    assert persona.profile == "The user: a night nurse.\nPreference: I avoid crowds."
    chat = dialogue_of(record({"messages": FOREIGN["trl_messages"]["messages"], "model": "m1", "profile": "A baker."}))
    assert chat is not None
    assert (chat.profile, chat.model) == ("A baker.", "m1")
    assert dialogue_of(record(FOREIGN["alignx"])) is None
    assert dialogue_of(record({"messages": [{"role": "user", "content": "anyone?"}]})) is None


def test_odd_orders_of_messages() -> None:
    roles = ["system", "user", "user", "assistant", "assistant", "user"]
    found = dialogue_of(record({"messages": [{"role": role, "content": f"{role}{i}"} for i, role in enumerate(roles)]}))
    assert found is not None
    assert found.profile == "system0"
    assert found.turns == (Turn("user1\nuser2", "assistant3\nassistant4"),)


def test_the_key_of_a_dialogue_does_not_know_its_model() -> None:
    messages = FOREIGN["trl_messages"]["messages"]
    one, two = (dialogue_of(record({"messages": messages, "model": name, "profile": "p"})) for name in ("a", "b"))
    assert one is not None
    assert two is not None
    assert (one.key, one.profile_key) == (two.key, two.profile_key)
    other = dialogue_of(record({"messages": messages, "model": "a", "profile": "q"}))
    assert other is not None
    assert other.key != one.key


def items(profiles: int, models: int) -> list[Item]:
    """A full grid of dialogues."""
    return [Item(f"d{p}-{m}", f"m{m}", f"p{p}") for p in range(profiles) for m in range(models)]


@given(st.integers(2, 12), st.integers(2, 5), st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_a_plan_is_crossed_spread_and_level(profiles: int, models: int, raters: int, overlap: int, seed: int) -> None:
    names = [f"r{index}" for index in range(raters)]
    if overlap > raters:
        with pytest.raises(ValueError, match="raters for each profile"):
            plan(items(profiles, models), names, overlap, seed)
        return
    grid = {item.key: item for item in items(profiles, models)}
    made = plan(list(grid.values()), names, overlap, seed)
    assert made == plan(list(grid.values()), names, overlap, seed)
    assert made.crossed
    seen = Counter(slot.item for slots in made.lists.values() for slot in slots)
    assert seen == dict.fromkeys(grid, overlap)
    sizes = [len(slots) for slots in made.lists.values()]
    assert max(sizes) - min(sizes) <= models
    for slots in made.lists.values():
        mine = [grid[slot.item] for slot in slots]
        for profile in {item.profile for item in mine}:
            assert {item.model for item in mine if item.profile == profile} == {f"m{m}" for m in range(models)}
        if len({item.profile for item in mine}) > 1:
            assert all(a.profile != b.profile for a, b in pairwise(mine))


def test_the_first_model_a_rater_sees_turns_from_profile_to_profile() -> None:
    grid = {item.key: item for item in items(6, 3)}
    (slots,) = plan(list(grid.values()), ["r"], 1, 4).lists.values()
    assert Counter(grid[slot.item].model for slot in slots[:6]) == {"m0": 2, "m1": 2, "m2": 2}


def test_no_list_has_a_fixed_cycle_or_everybodys_first_model() -> None:
    grid = {item.key: item for item in items(12, 3)}
    followed, first, places = Counter[str](), Counter[str](), Counter[tuple[str, int]]()
    for seed in range(60):
        made = plan(list(grid.values()), ["a", "b"], 2, seed)
        for slots in (*made.lists.values(), order_of(list(grid.values()), seed)):
            models = [grid[slot.item].model for slot in slots]
            first[models[0]] += 1
            followed.update(f"{one}{two}" for one, two in pairwise(models) if one != two)
            places.update((model, index // 12) for index, model in enumerate(models))
        one, two = ([grid[slot.item].model for slot in slots] for slots in made.lists.values())
        assert one != two
    assert all(40 <= count <= 80 for count in first.values()), first  # of 180
    assert max(followed.values()) < 1.3 * min(followed.values()), followed
    assert set(places.values()) == {180 * 4}  # every model as often in every round


def test_a_model_with_two_dialogues_of_a_profile_comes_again_later() -> None:
    listed = [*items(4, 2), *(Item(f"more{p}", "m0", f"p{p}") for p in range(4))]
    slots = order_of(listed, 3)
    model = {item.key: item.model for item in listed}
    assert Counter(model[slot.item] for slot in slots[:8]) == {"m0": 4, "m1": 4}
    assert {slot.item for slot in slots} == {item.key for item in listed}


def test_retests_come_at_the_end_and_were_seen_early() -> None:
    (slots,) = plan(items(10, 2), ["r"], 1, 4, retest=0.2).lists.values()
    keys = [slot.item for slot in slots if not slot.retest]
    again = [slot.item for slot in slots if slot.retest]
    assert len(again) == 4
    assert [slot.retest for slot in slots] == [False] * 20 + [True] * 4
    assert all(keys.index(key) < 10 for key in again)
    grid = {item.key: item.profile for item in items(10, 2)}
    assert all(grid[a.item] != grid[b.item] for a, b in pairwise(slots))


def test_warnings_and_refusals() -> None:
    lame = [*items(3, 2), Item("x", "m0", "p9")]
    made = plan(lame, ["a", "b"], 1, 1)
    assert not made.crossed
    assert any("lack a dialogue" in text for text in made.warnings)
    assert any("only one model" in text for text in plan(items(2, 1), ["a"], 1, 1).warnings)
    assert any("get nothing" in text for text in plan(items(1, 2), ["a", "b", "c"], 1, 1).warnings)
    for bad in ({"overlap": 0}, {"overlap": 3}, {"retest": 0.9}):
        with pytest.raises(ValueError, match=r"raters|share"):
            plan(items(2, 2), ["a", "b"], **({"overlap": 1, "seed": 1} | bad))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="listed twice"):
        plan([*items(1, 2), *items(1, 2)], ["a"], 1, 1)


def test_cost() -> None:
    made = plan(items(4, 3), ["a", "b"], 2, 1)
    found = cost(made, {item.key: 10 for item in items(4, 3)}, seconds_per_turn=12)
    assert found == (24, 240, 48.0)


def test_leaks_are_found_and_masked() -> None:
    texts = [
        ("Are you Subtext-7B?", "I am ChatGPT, made by OpenAI."),
        ("Fine. The llama farm?", "A llama farm, yes; claudelike."),
    ]
    found = leaks("d", "She asked Claude.", texts, ["Subtext-7B", "m"])
    assert [(leak.turn, leak.side, leak.words) for leak in found] == [
        (0, "profile", "Claude"), (1, "user", "Subtext-7B"), (1, "assistant", "ChatGPT"), (1, "assistant", "OpenAI"), (2, "user", "llama"), (2, "assistant", "llama"),
    ]  # fmt: skip
    assert masked("I am ChatGPT.", []) == "I am [name]."
    assert masked("I am o1, not o12.", ["o1"]) == "I am [name], not o12."
    assert masked("An unknown place; preferred answers.", ["unknown", "preferred answers", " "]) == (
        "An unknown place; preferred answers."
    )
    assert masked("nothing (here)", ["a+b", "("]) == "nothing (here)"


def test_the_value_that_holds() -> None:
    events = [Event(1, 1, 3), Event(1, 3, 4), Event(1, 2, None), Event(2, 1, 5), Event(2, 2, None), Event(3, 1, 0)]
    assert current(events) == {1: 4, 3: 0}
    assert next_turn({1: 4, 3: 0}, 3) == 2
    assert next_turn({1: 4, 2: 0}, 2) is None
    assert tuple(ANCHORS) == LEVELS


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_checks_are_added_and_nothing_else_changes(profiles: int, models: int, checks: int, seed: int) -> None:
    listed = items(profiles, models)
    plain, checked = plan(listed, ["a", "b"], 2, seed), plan(listed, ["a", "b"], 2, seed, checks=checks)
    for rater, slots in checked.lists.items():
        assert tuple(slot for slot in slots if slot.check is None) == plain.lists[rater]
        asked = [slot.check for slot in slots if slot.check]
        assert len(asked) == checks
        assert all(2 <= check.turn <= 4 and check.level in (1, 5) for check in asked)
        assert slots[0].check is None


def test_what_was_handed_over_comes_in_the_same_kind_of_order() -> None:
    listed = items(3, 3)
    slots = order_of(listed, 5)
    assert {slot.item for slot in slots} == {item.key for item in listed}
    profile = {item.key: item.profile for item in listed}
    assert all(profile[one.item] != profile[two.item] for one, two in pairwise(slots))
    assert order_of(listed, 5) == slots


def row(rater: str, model: str, turn: int, value: int, **more: Any) -> Row:
    """A value of a report."""
    return Row(rater, f"d{model}", model, "p", turn, value, False, 0, **more)


def test_a_check_that_could_not_be_rated_is_failed() -> None:
    checks = [row("a", "m", 2, value, check=True, asked=1) for value in (0, 1, 2, 3)]
    (card,) = study_report(checks, 10).cards
    assert (card.checks, card.checks_failed) == (4, 2)


def test_models_are_uneven_when_the_same_people_rated_other_turns() -> None:
    even = [row("a", model, turn, 3) for model in ("m", "n") for turn in (1, 2)]
    assert study_report(even, 10).uneven == 0
    assert study_report(even[:3], 10).uneven == 1


def test_a_row_of_a_table_is_no_argument_of_the_line_before() -> None:
    found = table("c", "l", ["Model", "x"], [["[3] *", "1"]])
    assert "\n{}Model & x \\\\\n" in found
    assert "\n{}[3] * & 1 \\\\\n" in found
