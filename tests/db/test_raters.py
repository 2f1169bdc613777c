"""Consent, attention checks, handing work over, new links, guideline versions: what a study goes through with its raters."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import IntegrityError

from app.context import Context
from core.dialogues import Dialogue, Turn
from core.study import Item, check_text, plan
from db import people, raters, ratings, studies
from db.engine import Database
from db.migrate import migrate
from db.ratings import Act, Answer, Idle, Refusal, Sheet, Welcome
from db.studies import Terms, digest

NOW = "2026-01-05T09:00:00+00:00"
LATER = (datetime.fromisoformat(NOW) + timedelta(minutes=5)).isoformat()
END = (datetime.fromisoformat(NOW) + timedelta(minutes=10)).isoformat()
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


def test_an_offer_says_what_would_stop_counting_and_changes_nothing(context: Context) -> None:
    study_id, keys = start(context, ["Ada"], checks=2)
    rate(context, keys["Ada"], 5)
    before = studies.rated(context.database, study_id)
    planned = raters.offer(context.database, study_id, ("ada", "Ben"), LATER)
    assert isinstance(planned, raters.Offer)
    assert studies.rated(context.database, study_id) == before
    done = raters.hand_over(context.database, study_id, ("ada", "Ben"), LATER)
    assert isinstance(done, raters.HandedOver)
    assert done.moved == planned
    after = studies.rated(context.database, study_id)
    assert len(before) - len(after) == planned.ratings > 0
    assert [one for one in after if one.check] == [one for one in before if one.check]  # finished checks stay
    assert (
        "“Ada” to “Ben”" in studies.acts(context.database, study_id)[-1].what
    )  # the stored name: a withdrawal finds it


def test_who_left_gives_but_takes_nothing_and_has_no_link(context: Context) -> None:
    study_id, _ = start(context, ["Ada", "Ben"])
    assert raters.withdraw(context.database, study_id, "Ada", False, NOW)
    former = next(one.name for one in raters.raters(context.database, study_id) if one.name.startswith("former"))
    assert raters.relink(context.database, study_id, former, NOW) is None
    assert not raters.withdraw(context.database, study_id, former, False, NOW)
    with context.database.read() as connection:
        known = connection.exec_driver_sql("SELECT count(*) FROM rater").scalar_one()
    assert isinstance(raters.offer(context.database, study_id, (former, "Ben"), NOW), raters.Offer)
    assert known == 2


def test_a_withdrawal_after_the_freeze_says_that_figures_change(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    rate(context, keys["Ada"], 1)
    studies.advance(context.database, study_id, "frozen", NOW)
    studies.advance(context.database, study_id, "unblinded", NOW)
    assert raters.withdraw_by_key(context.database, keys["Ada"], NOW) == "removed"
    assert "figures of the unblinded study changed" in studies.acts(context.database, study_id)[-1].what


def test_one_account_is_one_rater(context: Context) -> None:
    person = people.add(context.database, "Ada", "hash", "annotator", NOW)
    assert person
    study_id, _ = start(context, ["ada", "Ben"])
    with context.database.write() as connection:
        other, _ = studies.add_rater(connection, study_id, " ADA ")
        assert connection.exec_driver_sql("SELECT person_id FROM rater WHERE id = ?", (other,)).scalar() is None
        with pytest.raises(IntegrityError):
            connection.exec_driver_sql("UPDATE rater SET person_id = ? WHERE id = ?", (person.id, other))


def test_an_account_made_later_is_the_rater_of_a_running_study(context: Context) -> None:
    study_id, keys = start(context, ["Ada", "Ben"])
    person = people.add(context.database, "ada", "hash", "annotator", NOW)
    assert person
    assert raters.key_of(context.database, study_id, person.id) == keys["Ada"]
    studies.advance(context.database, study_id, "frozen", NOW)
    late = people.add(context.database, "Ben", "hash", "annotator", NOW)
    assert late
    assert raters.key_of(context.database, study_id, late.id) is None


def test_the_browser_knows_a_rater_by_the_same_name_under_every_link(context: Context) -> None:
    study_id, keys = start(context, ["Ada", "Ben"], overlap=2, consent="Kept.")
    names = [ratings.sheet(context.database, key) for key in keys.values()]
    secret = raters.relink(context.database, study_id, "Ada", NOW)
    assert secret
    ratings.consent(context.database, digest(secret), NOW)
    sheet = ratings.sheet(context.database, digest(secret))
    assert isinstance(sheet, Sheet)
    shown = [one.rater for one in names if isinstance(one, Welcome)]
    assert shown[0] == sheet.rater != shown[1]


def test_an_act_keeps_the_guideline_that_was_seen(context: Context) -> None:
    study_id, keys = start(context, ["Ada"])
    sheet = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(sheet, Sheet)
    old = sheet.guideline_version
    studies.rewrite(context.database, study_id, "Rate more kindly.", LATER)
    studies.rewrite(context.database, study_id, "Rate.", END)  # the first text again
    new = studies.guidelines(context.database, study_id)[1].version
    seen = [(1, new, LATER), (2, "forged", LATER), (3, old, END)]
    for turn, version, at in seen:
        act = Act(turn, 3, f"client-{turn}", guideline_version=version)
        assert isinstance(ratings.save(context.database, keys["Ada"], sheet.token, "tab", [act], at), Answer)
    assert [one.guideline_version for one in studies.rated(context.database, study_id)] == [new, old, old]
    assert [one.acts for one in studies.guidelines(context.database, study_id)] == [1, 1, 1]


def test_notes_and_flags_come_back_also_of_a_value_taken_back(context: Context) -> None:
    _, keys = start(context, ["Ada"])
    sheet = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(sheet, Sheet)
    acts = [
        Act(1, 3, "client-01", note="first"), Act(1, 4, "client-02", flagged=True, note="second"), Act(1, None, "client-03", 0, True, "second"),
        Act(1, 5, "client-04", 0, False, "second"), Act(2, 3, "client-05", 0, True), Act(2, None, "client-06", 0, True),
    ]  # fmt: skip
    ratings.save(context.database, keys["Ada"], sheet.token, "tab", acts, NOW)
    again = ratings.sheet(context.database, keys["Ada"])
    assert isinstance(again, Sheet)
    assert (again.notes, again.flags, again.values) == ({1: "second"}, [2], {1: 5})


def test_ratings_from_before_there_was_consent_are_a_consent(tmp_path: Path) -> None:
    database = Database(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__code__.co_filename).parent / "migrations"))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for number, status in ((1, "running"), (2, "frozen")):
            connection.exec_driver_sql(
                "INSERT INTO study VALUES (?, ?, ?, 'g', 'v', 'Kept.', 1, 1, 0, 1, ?)",
                (number, f"s{number}", status, NOW),
            )
            item = "INSERT INTO study_item VALUES (?, ?, 'k', 'm', 'p', 'p', '[[\"q\", \"a\"]]')"
            connection.exec_driver_sql(item, (number, number))
            for who in (0, 1):
                rater = 2 * number + who
                row = (rater, number, f"r{who}", f"digest {rater}")
                connection.exec_driver_sql("INSERT INTO rater VALUES (?, ?, ?, ?, NULL, NULL)", row)
                row = (rater, rater, number, f"token {rater}")
                connection.exec_driver_sql("INSERT INTO assignment VALUES (?, ?, ?, 0, 0, ?, '', '', NULL)", row)
            for event, at in ((1, LATER), (2, NOW)):
                row = (2 * number, event, f"client {number} {event}", at)
                insert = "INSERT INTO rating_event VALUES (NULL, ?, 1, 'alignment', ?, 3, 0, '', 0, 'v', ?, ?)"
                connection.exec_driver_sql(insert, row)
    migrate(database)
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT consented_at, blind_id FROM rater ORDER BY id").all()
    assert [row[0] for row in found] == [NOW, None, None, None]
    assert len({row[1] for row in found}) == 4
    database.close()
