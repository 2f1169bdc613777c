"""Studies and ratings: nothing lost, none double, blind by construction, and every hostile call refused with a sentence."""

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.context import Context
from core.dialogues import Dialogue, Turn
from core.study import Item, plan
from db import raters, studies
from db.ratings import Act, Answer, Refusal, Saved, Sheet, hold, save, sheet
from db.studies import Terms

NOW = "2026-01-05T09:00:00+00:00"
LATER = (datetime.fromisoformat(NOW) + timedelta(minutes=5)).isoformat()
SECRET_NAMES = ("System Aardvark", "System Basilisk")


def start(context: Context, turns: int = 3, raters: int = 2, **terms: Any) -> tuple[int, dict[str, str]]:
    """A running study of two models and two user profiles."""
    dialogues = {
        f"{profile}-{index}": Dialogue(
            f"A {profile}.", model, tuple(Turn(f"q{k}", f"{profile} answer {index} {k}") for k in range(turns))
        )
        for profile in ("baker", "nurse")
        for index, model in enumerate(SECRET_NAMES)
    }
    items = [Item(key, one.model, one.profile_key) for key, one in dialogues.items()]
    made = plan(items, [f"r{index}" for index in range(raters)], raters, 3)
    terms = {"consent": ""} | terms
    study_id, secrets = studies.create(
        context.database, Terms("Study", "Rate.", seed=3, overlap=raters, **terms), dialogues, made, NOW, "Zoe"
    )
    return study_id, {name: studies.digest(secret) for name, secret in secrets.items()}


def act(turn: int, value: int | None, name: str = "", **more: Any) -> Act:
    """An act with an id of its own."""
    return Act(turn, value, name or f"client-{turn}-{value}-{len(more)}", **more)


def opened(context: Context, secret: str, token: str = "") -> Sheet:
    """The sheet a rater sees."""
    found = sheet(context.database, secret, token)
    assert isinstance(found, Sheet), found
    return found


def events(context: Context) -> int:
    """How many acts are stored."""
    with context.database.read() as connection:
        return connection.execute(text("SELECT count(*) FROM rating_event")).scalar_one()


def test_a_rater_goes_through_the_list_and_resumes(context: Context) -> None:
    study_id, secrets = start(context)
    secret = secrets["r0"]
    first = opened(context, secret)
    assert (first.place, first.places, first.done, len(first.turns), first.turn_count) == (1, 4, 0, 1, 3)
    for number in range(4):
        now = opened(context, secret)
        assert now.place == number + 1
        for turn in (1, 2, 3):
            assert len(opened(context, secret).turns) == turn  # one more turn is revealed each time
            saved = save(context.database, secret, now.token, "tab", [act(turn, 4, f"client-{number}-{turn}")], NOW)
            assert isinstance(saved, Answer)
            assert saved.saved == [Saved(f"client-{number}-{turn}", turn, 1)]
        assert opened(context, secret, now.token).submitted
    done = opened(context, secret)
    assert (done.done, done.submitted) == (4, True)
    found = studies.rated(context.database, study_id)
    assert len(found) == 12
    assert {(one.model, one.profile_key) for one in found} == {
        (one.model, one.profile_key) for one in found if one.rater == "r0"
    }


def test_undo_also_after_submitting_until_the_study_is_frozen(context: Context) -> None:
    study_id, secrets = start(context, turns=1)
    token = opened(context, secrets["r0"]).token
    save(context.database, secrets["r0"], token, "tab", [act(1, 2)], NOW)
    assert opened(context, secrets["r0"], token).submitted
    save(context.database, secrets["r0"], token, "tab", [act(1, None)], NOW)
    assert not opened(context, secrets["r0"], token).submitted
    assert studies.rated(context.database, study_id) == []
    save(context.database, secrets["r0"], token, "tab", [act(1, 5)], NOW)
    assert [one.value for one in studies.rated(context.database, study_id)] == [5]
    assert events(context) == 3
    assert studies.advance(context.database, study_id, "frozen", NOW)
    late = save(context.database, secrets["r0"], token, "tab", [act(1, 1)], NOW)
    assert isinstance(late, Refusal)
    assert late.code == "closed"
    assert events(context) == 3


def test_a_resend_is_acknowledged_and_not_doubled(context: Context) -> None:
    _, secrets = start(context)
    token = opened(context, secrets["r0"]).token
    acts = [act(1, 3), act(2, 4)]
    once = save(context.database, secrets["r0"], token, "tab", acts, NOW)
    again = save(context.database, secrets["r0"], token, "tab", [*acts, act(3, 5)], LATER)
    assert isinstance(once, Answer)
    assert isinstance(again, Answer)
    assert again.saved[:2] == once.saved
    assert events(context) == 3


def test_a_batch_is_stored_whole_or_not_at_all(context: Context) -> None:
    _, secrets = start(context)
    token = opened(context, secrets["r0"]).token
    found = save(context.database, secrets["r0"], token, "tab", [act(1, 3), act(2, 6)], NOW)
    assert isinstance(found, Refusal)
    assert events(context) == 0


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (act(1, 6), "A rating is 1 to 5"),
        (act(1, -1), "A rating is 1 to 5"),
        (act(1, True), "A rating is 1 to 5"),
        (act(1, "3"), "A rating is 1 to 5"),  # type: ignore[arg-type]
        (act(11, 3), "There is no turn 11"),
        (act(0, 3), "There is no turn 0"),
        (act(2, 3), "one after another"),
        (Act(1, 3, ""), "without a proper id"),
        (Act(1, 3, "x" * 100), "without a proper id"),
        (act(1, 3, note="n" * 1_000_000), "at most 4,000 characters"),
    ],
)
def test_hostile_acts_are_refused(context: Context, bad: Act, sentence: str) -> None:
    _, secrets = start(context)
    token = opened(context, secrets["r0"]).token
    found = save(context.database, secrets["r0"], token, "tab", [bad], NOW)
    assert isinstance(found, Refusal)
    assert sentence in found.text
    assert events(context) == 0


def test_other_peoples_tokens_and_ids_are_unknown(context: Context) -> None:
    _, secrets = start(context)
    mine, theirs = opened(context, secrets["r0"]).token, opened(context, secrets["r1"]).token
    for secret, token in [
        (secrets["r0"], theirs),
        (secrets["r0"], "forged"),
        ("forged", mine),
        ("", ""),
    ]:
        found = save(context.database, secret, token, "tab", [act(1, 3)], NOW)
        assert isinstance(found, Refusal)
        assert found.code == "unknown"
    assert isinstance(sheet(context.database, secrets["r0"], theirs), Refusal)
    save(context.database, secrets["r0"], mine, "tab", [act(1, 3)], NOW)
    replay = save(context.database, secrets["r1"], theirs, "tab", [act(1, 3)], NOW)
    assert isinstance(replay, Refusal)
    assert events(context) == 1


def test_a_second_tab_is_told_and_may_take_over(context: Context) -> None:
    _, secrets = start(context)
    token = opened(context, secrets["r0"]).token
    assert hold(context.database, secrets["r0"], token, "tab one", NOW) is None
    second = sheet(context.database, secrets["r0"], token, "tab two", NOW)
    assert isinstance(second, Sheet)
    assert second.held_elsewhere
    for refused in (
        hold(context.database, secrets["r0"], token, "tab two", NOW),
        save(context.database, secrets["r0"], token, "tab two", [act(1, 3)], NOW),
    ):
        assert isinstance(refused, Refusal)
        assert refused.code == "held"
    assert hold(context.database, secrets["r0"], token, "tab two", NOW, take_over=True) is None
    assert isinstance(save(context.database, secrets["r0"], token, "tab two", [act(1, 3)], NOW), Answer)
    assert isinstance(save(context.database, secrets["r0"], token, "tab one", [act(2, 3)], NOW), Refusal)
    assert isinstance(
        save(context.database, secrets["r0"], token, "tab one", [act(2, 3)], LATER), Answer
    )  # the lease ran out


def test_a_rater_never_learns_a_model_a_key_or_another_rater(context: Context) -> None:
    study_id, secrets = start(context)
    seen: list[Any] = []
    for _ in range(4):
        found = opened(context, secrets["r0"])
        seen.append(found)
        for turn in (1, 2, 3):
            seen.append(
                save(
                    context.database,
                    secrets["r0"],
                    found.token,
                    "tab",
                    [act(turn, 3, f"{found.token}-{turn}"[-40:])],
                    NOW,
                )
            )
            seen.append(opened(context, secrets["r0"], found.token))
    received = json.dumps(seen)
    with context.database.read() as connection:
        hidden = [*SECRET_NAMES, *connection.execute(text("SELECT key FROM study_item")).scalars()]
        hidden += connection.execute(text("SELECT profile_key FROM study_item")).scalars().all()
        hidden += ["r1", secrets["r1"]]
    assert not [name for name in hidden if f'"{name}"' in received or (len(name) > 8 and name in received)]
    assert studies.get(context.database, study_id) is not None


def test_acts_of_a_study_are_logged_and_go_one_way(context: Context) -> None:
    study_id, _ = start(context)
    assert not studies.advance(context.database, study_id, "unblinded", NOW)
    assert studies.advance(context.database, study_id, "frozen", NOW)
    assert not studies.advance(context.database, study_id, "frozen", NOW)
    assert not studies.advance(context.database, study_id, "running", NOW)
    assert studies.advance(context.database, study_id, "unblinded", LATER)
    assert [(act.what, act.who) for act in studies.acts(context.database, study_id)] == [
        ("started", "Zoe"),
        ("frozen", ""),
        ("unblinded", ""),
    ]
    found = studies.get(context.database, study_id)
    assert found is not None
    assert found.status == "unblinded"
    with pytest.raises(IntegrityError):
        start(context)


@pytest.mark.parametrize(("keep", "left"), [(True, 1), (False, 0)])
def test_withdrawal(context: Context, keep: bool, left: int) -> None:
    study_id, secrets = start(context)
    token = opened(context, secrets["r0"]).token
    save(context.database, secrets["r0"], token, "tab", [act(1, 3, note="my own words")], NOW)
    assert raters.withdraw(context.database, study_id, "r0", keep, NOW)
    assert not raters.withdraw(context.database, study_id, "r0", keep, NOW)
    found = studies.rated(context.database, study_id)
    assert len(found) == left
    assert all(one.rater.startswith("former rater") for one in found)
    assert isinstance(sheet(context.database, secrets["r0"]), Refusal)
    with context.database.read() as connection:
        assert "my own words" not in str(connection.execute(text("SELECT note FROM rating_event")).all())


def test_everything_at_once_loses_and_doubles_nothing(context: Context) -> None:
    """Raters at work in threads, each sending every act twice."""
    study_id, secrets = start(context, turns=10, raters=4)

    def work(secret: str) -> None:
        for _ in range(4):
            found = opened(context, secret)
            for turn in range(1, 11):
                one = act(turn, 1 + turn % 5, f"{found.token}{turn:02d}")
                for _ in range(2):
                    assert isinstance(save(context.database, secret, found.token, "tab", [one], NOW), Answer)

    threads = [threading.Thread(target=work, args=(secret,)) for secret in secrets.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events(context) == len(studies.rated(context.database, study_id)) == 4 * 4 * 10


@given(st.lists(st.tuples(st.integers(1, 3), st.none() | st.integers(0, 5)), max_size=20))
@settings(max_examples=30, deadline=None)
def test_the_view_and_the_pure_function_agree(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[int, int | None]]
) -> None:
    from app.actions.prepare import prepare
    from app.context import open_context
    from app.settings import Settings

    context = open_context(Settings(data=tmp_path_factory.mktemp("d") / "data", starter_set=False))
    prepare(context)
    study_id, secrets = start(context, progressive=False)
    token = opened(context, secrets["r0"]).token
    for index, (turn, value) in enumerate(sent):
        save(context.database, secrets["r0"], token, "tab", [Act(turn, value, f"client-{index}")], NOW)
    ours = {one.turn: one.value for one in studies.rated(context.database, study_id)}
    assert ours == opened(context, secrets["r0"], token).values
    context.database.close()
