"""A critic's labels from people's checks: through the database, with disagreement, a changed step, a check taken back, a resumed job."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from app.actions.import_data import import_files
from app.actions.people_labels import PEOPLE, labelled, sentence
from app.context import Context
from app.errors import Refused
from core.checks import Check
from core.critic_data import examples
from db import checks, scenarios
from db.scenarios import Kept
from tests.app.test_build import Told
from tests.app.test_critic import record

Write = Callable[[str, object], Path]
NOTHING = {"labels": 0, "corrected": 0, "left_out": 0, "disputed": 0, "stale": 0}


@pytest.fixture
def kept(context: Context, write: Write) -> list[Kept]:
    """Two trees of four steps."""
    set_id = import_files(context, [write("trees.json", [record(number) for number in range(2)])]).set_id
    assert set_id
    return list(scenarios.trees(context.database, set_id))


def say(context: Context, tree: int, key: str, check: Check, who: str = "Ada", at: int = 1) -> None:
    """Check a step as it is now."""
    with context.database.read() as connection:
        found = checks.target(connection, tree, key)
    assert found
    moment = f"2026-01-05T09:00:{at:02}+00:00"
    saved = checks.save(context.database, (tree, key, found.digest), check, who, f"{who} {at} {tree} {key}", moment)
    assert isinstance(saved, checks.Event), saved


def trained_on(found: list[Kept]) -> dict[tuple[int, str], str]:
    """What a critic would learn to say, by tree and step."""
    ids = [(one.scenario_id, one.tree_id) for one in found]
    return {(one.tree_id, one.node): one.completion for one in examples([one.tree for one in found], ids)}


def labels(context: Context, kept: list[Kept], folder: Path) -> tuple[dict[tuple[int, str], str], dict[str, int]]:
    """What is trained on with people's checks, and the counts."""
    folder.mkdir(exist_ok=True)
    made, counts = labelled(context, kept, folder, Told())
    return trained_on(made), counts


def test_ids_lead_to_the_step(context: Context, kept: list[Kept]) -> None:
    for one in kept:
        stored = scenarios.get(context.database, one.scenario_id)
        assert stored and stored.tree == one.tree
    assert len({one.tree_id for one in kept}) == 2


def test_no_check_changes_nothing(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    assert labels(context, kept, tmp_path / "job") == (trained_on(kept), NOTHING)


def test_checks_replace_labels_of_their_own_tree(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    first, second = (one.tree_id for one in kept)
    say(context, first, "1", Check("partly", 0.1))
    say(context, first, "2", Check("wrong"))
    say(context, second, "3", Check("wrong", -0.2, "It helps nobody."))
    say(context, second, "4", Check("agree"))
    before = trained_on(kept)
    found, counts = labels(context, kept, tmp_path / "job")
    assert counts == NOTHING | {"labels": 3, "corrected": 2, "left_out": 1}
    assert found.pop((first, "1")) == "Reasoning: judges 0 1 SCORE: 0.1"
    assert found.pop((second, "3")) == "Reasoning: It helps nobody. SCORE: -0.2"
    assert (first, "2") not in found
    assert found == {step: said for step, said in before.items() if step in found}
    assert len(before) - len(found) == 3
    assert sentence(counts) == (
        "3 steps have a label from people, 2 of them corrected; 1 judged wrong without a whole correction are left out."
    )


def test_people_who_disagree(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    tree = kept[0].tree_id
    say(context, tree, "1", Check("wrong", 0.0, "Newest by Ada."), "Ada", 3)
    say(context, tree, "1", Check("partly", 0.5, "Older by Bo."), "Bo", 2)
    say(context, tree, "1", Check("agree"), "Cy", 4)  # agrees with the score of 0.8
    found, counts = labels(context, kept, tmp_path / "job")
    assert found[tree, "1"] == "Reasoning: Newest by Ada. SCORE: 0.43"
    assert counts == NOTHING | {"labels": 1, "corrected": 1, "disputed": 1}


def test_only_the_last_word_of_a_person_counts_and_it_can_be_taken_back(
    context: Context, kept: list[Kept], tmp_path: Path
) -> None:
    tree = kept[0].tree_id
    say(context, tree, "1", Check("wrong"), at=1)
    say(context, tree, "1", Check("partly", 0.3), at=2)
    say(context, tree, "2", Check("wrong"), at=1)
    say(context, tree, "2", Check(""), at=2)
    found, counts = labels(context, kept, tmp_path / "job")
    assert found[tree, "1"].endswith("SCORE: 0.3")
    assert found[tree, "2"] == trained_on(kept)[tree, "2"]
    assert counts == NOTHING | {"labels": 1, "corrected": 1}


def test_a_changed_step_does_not_inherit(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    tree, set_id = kept[0].tree_id, 1
    for key in ("1", "2", "4"):
        say(context, tree, key, Check("wrong"))
    with context.database.write() as connection:
        query = text("UPDATE node SET thought = 'Another thought.' WHERE tree_id = :tree AND key = '2'")
        connection.execute(query, {"tree": tree})
    now = list(scenarios.trees(context.database, set_id))
    found, counts = labels(context, now, tmp_path / "job")
    assert (tree, "1") not in found
    assert {(tree, "2"), (tree, "4")} <= found.keys()  # step 4 stands below the changed one
    assert counts == NOTHING | {"left_out": 1, "stale": 2}


def test_a_job_that_goes_on_keeps_its_labels(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    tree, folder = kept[0].tree_id, tmp_path / "job"
    say(context, tree, "1", Check("partly", 0.3))
    first = labels(context, kept, folder)
    say(context, tree, "2", Check("wrong"))
    told = Told()
    made, counts = labelled(context, kept, folder, told)
    assert (trained_on(made), counts) == first
    assert list(told.inputs) == [PEOPLE]
    assert labels(context, kept, tmp_path / "another")[1]["left_out"] == 1


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"labels": [{"tree": 1}]}', '{"labels": [{"tree":1,"node":"1","digest":"d","score":7,"critique":"c","corrected":true,"disputed":false}]}'],
)  # fmt: skip
def test_a_broken_file_of_labels_is_a_sentence(
    context: Context, kept: list[Kept], tmp_path: Path, content: str
) -> None:
    (tmp_path / PEOPLE).write_text(content, "utf-8")
    with pytest.raises(Refused, match=r"people\.json cannot be read.*Start a new job"):
        labelled(context, kept, tmp_path, Told())


def test_the_file_is_written_to_its_end(context: Context, kept: list[Kept], tmp_path: Path) -> None:
    say(context, kept[0].tree_id, "1", Check("partly", 0.3))
    labelled(context, kept, tmp_path, Told())
    (line,) = json.loads((tmp_path / PEOPLE).read_text("utf-8"))["labels"]
    assert (line["node"], line["score"], line["corrected"]) == ("1", 0.3, True)
    assert [file.name for file in tmp_path.glob("people*")] == [PEOPLE]
