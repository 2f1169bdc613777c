"""Consent, attention checks, handing work over, new links, guideline versions: what a study goes through with its raters."""

from datetime import datetime, timedelta

import pytest

from app.context import Context
from core.dialogues import Dialogue, Turn
from core.study import Item, check_text, plan
from db import people, raters, ratings, studies
from db.ratings import Act, Answer, Idle, Refusal, Sheet, Welcome
from db.studies import Terms, digest

NOW = "2026-01-05T09:00:00+00:00"
LATER = (datetime.fromisoformat(NOW) + timedelta(minutes=5)).isoformat()
PROFILES, MODELS = ("baker", "nurse", "pilot"), ("one", "two")


def start(
    context: Context, names: list[str], overlap: int = 1, checks: int = 0, consent: str = ""
) -> tuple[int, dict[str, str]]:
    """A study of three user profiles and two models; returns its id and the raters' keys."""
    dialogues = {
        f"{profile}-{model}": Dialogue(
            f"A {profile}.", model, tuple(Turn(f"q{k}", f"{profile} {model} {k}") for k in range(3))
        )
        for profile in PROFILES
        for model in MODELS
    }
    items = [Item(key, one.model, one.profile_key) for key, one in dialogues.items()]
    terms = Terms("Study", "Rate.", consent, 3, overlap, checks=checks)
    made = plan(items, names, overlap, 3, checks=checks)
    study_id, secrets = studies.create(context.database, terms, dialogues, made, NOW)
    return study_id, {name: digest(secret) for name, secret in secrets.items()}


def rate(context: Context, key: str, how_many: int, value: int = 4) -> None:
    """Rate this many dialogues to their end."""
    for _ in range(how_many):
        sheet = ratings.sheet(context.database, key)
        assert isinstance(sheet, Sheet)
        acts = [Act(turn, value, f"{sheet.token}-{turn}") for turn in range(1, sheet.turn_count + 1)]
        assert isinstance(ratings.save(context.database, key, sheet.token, "tab", acts, NOW), Answer)


def test_consent_comes_before_the_first_dialogue(context: Context) -> None:
    study_id, keys = start(context, ["Ada"], consent="Kept.")
    welcome = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(welcome, Welcome)
    assert welcome[1:] == ("Kept.", "removed", "Rate.", 6, 18)
    assert len(welcome.rater) == 16
    with context.database.read() as connection:
        token = connection.exec_driver_sql("SELECT token FROM assignment ORDER BY position LIMIT 1").scalar_one()
    early = ratings.save(context.database, keys["Ada"], token, "tab", [Act(1, 3, "too-early")], NOW)
    assert isinstance(early, Refusal)
    assert early.code == "consent"
    assert ratings.consent(context.database, keys["Ada"], NOW) is None
    assert ratings.consent(context.database, keys["Ada"], LATER) is None
    assert raters.raters(context.database, study_id)[0].consented
    with context.database.read() as connection:
        assert connection.exec_driver_sql("SELECT consented_at FROM rater").scalar_one() == NOW
    rate(context, keys["Ada"], 1)
    assert isinstance(ratings.consent(context.database, "nobody", NOW), Refusal)


def test_a_check_asks_for_a_rating_in_its_last_answer(context: Context) -> None:
    study_id, keys = start(context, ["Ada"], checks=2)
    rate(context, keys["Ada"], 8)
    found = studies.rated(context.database, study_id)
    asked = [one for one in found if one.asked is not None]
    assert len(asked) == 2
    assert len({(one.item, one.position) for one in found if one.check}) == 2
    with context.database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT turns, check_level FROM study_item WHERE check_turn IS NOT NULL"
        ).all()
    assert all(check_text(row.check_level) in row.turns for row in rows)
    assert len(studies.dialogues(context.database, study_id)) == 6  # checks are not among them


def test_unfinished_profiles_go_whole_to_somebody_new(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    rate(context, keys["Ada"], 4)  # the first models of all three profiles, and the second one of one of them
    done = raters.hand_over(context.database, study_id, ("Ada", "Ben"), LATER, "Zoe")
    assert isinstance(done, raters.HandedOver)
    assert done.moved == (2, 4, 6)
    assert done.secret
    left = studies.rated(context.database, study_id)
    assert len({one.profile_key for one in left}) == 1
    assert len({one.item for one in left}) == 2
    rate(context, digest(done.secret), 4, value=2)
    by_profile = {(one.profile_key, one.rater) for one in studies.rated(context.database, study_id)}
    assert len(by_profile) == 3  # one rater a profile, every profile: still crossed
    shown = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(shown, Sheet)
    assert (shown.places, shown.done, shown.submitted) == (2, 2, True)
    assert studies.acts(context.database, study_id)[-1].who == "Zoe"
    assert [(one.name, one.done, one.dialogues) for one in raters.raters(context.database, study_id)] == [
        ("Ada", 2, 2),
        ("Ben", 4, 4),
    ]


def test_what_was_handed_over_is_refused_to_the_giver(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    sheet = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(sheet, Sheet)
    assert isinstance(raters.hand_over(context.database, study_id, ("Ada", "Ben"), NOW), raters.HandedOver)
    late = ratings.save(context.database, keys["Ada"], sheet.token, "tab", [Act(1, 3, "handed-over")], NOW)
    assert isinstance(late, Refusal)
    assert "given to somebody else" in late.text
    assert late.code == "moved"
    left = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(left, Idle)  # nothing is left to do, but she can still leave the study
    assert raters.withdraw_by_key(context.database, keys["Ada"], NOW) == left.withdrawal == "removed"


def test_work_in_somebodys_hands_and_finished_work_stay(context: Context) -> None:
    study_id, keys = start(context, ["Ada", "Ben"], overlap=2)
    assert (
        raters.hand_over(context.database, study_id, ("Ada", "Ben"), NOW) == "nothing"
    )  # Ben has every profile already
    assert raters.hand_over(context.database, study_id, ("Eve", "Ben"), NOW) == "no such rater"
    sheet = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(sheet, Sheet)
    ratings.hold(context.database, keys["Ada"], sheet.token, "tab", NOW)
    done = raters.hand_over(context.database, study_id, ("Ada", "Cleo"), NOW)
    assert isinstance(done, raters.HandedOver)
    assert done.moved.profiles == 2  # the third one is open in a tab
    rest = raters.hand_over(context.database, study_id, ("Ada", "Cleo"), LATER)
    assert isinstance(rest, raters.HandedOver)
    assert (rest.moved.profiles, rest.secret) == (1, None)
    studies.advance(context.database, study_id, "frozen", NOW)
    assert raters.hand_over(context.database, study_id, ("Ben", "Dora"), NOW) == "not running"


def test_a_new_link_ends_the_old_one(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    secret = raters.relink(context.database, study_id, "Ada", NOW)
    assert secret
    assert isinstance(ratings.sheet(context.database, keys["Ada"]), Refusal)
    assert isinstance(ratings.sheet(context.database, digest(secret)), Sheet)
    assert raters.relink(context.database, study_id, "Eve", NOW) is None


def test_ratings_keep_the_guideline_they_were_given_under(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    rate(context, keys["Ada"], 1)
    version = studies.rewrite(context.database, study_id, "Rate more kindly.", LATER, "Zoe")
    rate(context, keys["Ada"], 1)
    first, second = studies.guidelines(context.database, study_id)
    assert (first.text, first.acts, second.text, second.acts, second.version) == (
        "Rate.",
        3,
        "Rate more kindly.",
        3,
        version,
    )
    assert [one.guideline_version for one in studies.rated(context.database, study_id)] == [first.version] * 3 + [
        version
    ] * 3
    studies.advance(context.database, study_id, "frozen", NOW)
    assert studies.rewrite(context.database, study_id, "Too late.", NOW) is None


@pytest.mark.parametrize(("terms", "left"), [("removed", 0), ("kept", 3)])
def test_a_rater_leaves_by_the_own_key(context: Context, terms: str, left: int) -> None:
    study_id, keys = start(context, ["Ada"])
    with context.database.write() as connection:
        connection.exec_driver_sql("UPDATE study SET withdrawal = ?", (terms,))
    renewed = raters.relink(context.database, study_id, "Ada", NOW)  # the log names her now
    assert renewed
    key = digest(renewed)
    rate(context, key, 1)
    assert raters.withdraw_by_key(context.database, key, NOW) == terms
    assert raters.withdraw_by_key(context.database, key, NOW) is None
    assert len(studies.rated(context.database, study_id)) == left
    assert "Ada" not in str(studies.acts(context.database, study_id))
    (former,) = raters.raters(context.database, study_id)
    assert isinstance(raters.hand_over(context.database, study_id, (former.name, "Ben"), NOW), raters.HandedOver)
    assert isinstance(ratings.sheet(context.database, keys["Ada"]), Refusal)


def test_a_rater_with_an_account_is_that_person(context: Context) -> None:
    person = people.add(context.database, "ada  Lovelace", "hash", "annotator", NOW)
    assert person
    study_id, keys = start(context, ["Ada Lovelace", "Ben"], overlap=2)
    assert {one.name: one.account for one in raters.raters(context.database, study_id)} == {
        "Ada Lovelace": True,
        "Ben": False,
    }
    assert raters.key_of(context.database, study_id, person.id) == keys["Ada Lovelace"]
    assert [(mine.study_id, mine.dialogues) for mine in raters.of_person(context.database, person.id)] == [
        (study_id, 6)
    ]
    assert raters.key_of(context.database, study_id, person.id + 1) is None
