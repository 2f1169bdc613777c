"""People's answers in the database: resends, undo, the view that holds, two at once, and that they go with their evaluation."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from app.context import Context
from core.evaluation.asking_people import digest
from core.evaluation.verdicts import Material
from db import evaluations, verdict_checks
from db.evaluations import Answer, Case, Line, New, Verdict
from db.verdict_checks import Event, Given, Pick, Refusal

NOW, LATER = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00"
ABOUT = Material("I avoid meat.", "What do I cook?", "Lentils.")


@pytest.fixture
def task(context: Context) -> int:
    """A queue of one verdict on one response; its task."""
    database = context.database
    new = New("E", "7", {"checks": ["violate"]}, {"like": "DeepPref"}, [{"name": "J", "digest": ""}], {})
    made = evaluations.begin(
        database,
        new,
        [Line(0, "answer", "M", "", "", "zero_shot", 0)],
        [Case(0, None, "s", "", ABOUT[0], ABOUT[1], [], None)],
        NOW,
    )
    (line,), (case,) = evaluations.lines(database, made), evaluations.cases(database, made)
    said = Verdict("violate", 0, 0, "no", "Lentils are no meat.", "", "")
    hidden = Verdict("violate", evaluations.swapped(0, 1), 0, "yes", "Other order.", "", "")
    evaluations.put(database, line.id, case.id, Answer("Lentils.", "Lentils.", "", (said, hidden)))
    queue = verdict_checks.New("0" * 32, "verdicts", "", 1, 1, 1, "R")
    verdict_checks.add_queue(database, made, queue, [Pick(line.id, case.id, "violate", digest(ABOUT))], NOW)
    with database.read() as connection:
        return int(connection.execute(text("SELECT id FROM verdict_task")).scalar_one())


def say(context: Context, task: int, answer: str, client_id: str, who: str = "Anne", at: str = NOW) -> Event | Refusal:
    return verdict_checks.save(context.database, task, Given(digest(ABOUT), answer, client_id), who, at)


def held(context: Context) -> list[tuple[str, str]]:
    return [(one.who, one.answer) for one in verdict_checks.held(context.database, 1)]


def test_the_last_answer_holds_also_within_one_second(context: Context, task: int) -> None:
    for at, answer in enumerate(("yes", "no", "cannot")):
        assert isinstance(say(context, task, answer, f"a{at}"), Event)
    say(context, task, "yes", "b", who="Ben")
    assert held(context) == [("Anne", "cannot"), ("Ben", "yes")]
    say(context, task, "", "a9", at=LATER)
    assert held(context) == [("Ben", "yes")]
    assert say(context, task, "no", "a1") == verdict_checks.events(context.database, 1)[1], "a resend is what was kept"
    assert held(context) == [("Ben", "yes")] and len(verdict_checks.events(context.database, 1)) == 5


def test_the_same_id_at_the_same_moment_is_one_event(context: Context, task: int) -> None:
    with ThreadPoolExecutor(8) as many:
        found = list(many.map(lambda _: say(context, task, "yes", "one"), range(16)))
    assert len(set(found)) == 1 and len(verdict_checks.events(context.database, 1)) == 1


def test_seeing_fixes_the_answer_and_shows_the_judges_own_order_only(context: Context, task: int) -> None:
    early = verdict_checks.reveal(context.database, task, "s", "Anne", NOW)
    assert isinstance(early, Refusal) and early.code == "unanswered"
    say(context, task, "yes", "a")
    told = verdict_checks.reveal(context.database, task, "s", "Anne", NOW)
    assert [one.explanation for one in told if not isinstance(one, str)] == ["Lentils are no meat."]  # type: ignore[union-attr]
    late = say(context, task, "no", "b")
    assert isinstance(late, Refusal) and late.code == "seen" and held(context) == [("Anne", "yes")]
    assert isinstance(say(context, task, "no", "c", who="Ben"), Event), "another person has not seen it"


def test_the_answers_go_with_their_evaluation(context: Context, task: int) -> None:
    say(context, task, "yes", "a")
    assert evaluations.remove(context.database, 1)
    assert verdict_checks.events(context.database, 1) == [] and verdict_checks.queue(context.database, 1) is None
    gone = say(context, task, "yes", "b")
    assert isinstance(gone, Refusal) and gone.code == "unknown"
