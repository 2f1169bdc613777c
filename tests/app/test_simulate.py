"""Simulated dialogues from the profiles to the set and the report: crossed, stopped, killed, resumed, with every fault a reason."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions import jobs as job_actions
from app.actions import simulations as actions
from app.actions import studies
from app.actions.export_data import export_set
from app.actions.import_data import import_files
from app.actions.remove_set import remove_set
from app.actions.simulate import simulate
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.errors import Refused
from core.simulation.people import parts
from core.simulation.spec import SimulateSpec
from core.simulation.turns import Said
from core.specs import read_spec
from db import scenarios, sets, simulations
from tests.app.test_build import Told
from tests.misbehaving import Misbehaving

Write = Callable[[str, object], Path]
JOB = """
import json, sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from app.actions.simulate import simulate
from app.context import open_context
from app.engines.endpoint import ROLES, Endpoint
from app.settings import Settings
from core.specs import read_spec
from tests.app.test_build import Told
data, url, model, spec, folder = sys.argv[1:]
context = open_context(Settings(data=Path(data), starter_set=False))
engines = MappingProxyType(dict.fromkeys(ROLES, Endpoint(url, model, max_concurrency=4)))
context = replace(context, settings=replace(context.settings, engines=engines))
simulate(context, read_spec(json.loads(spec)), Path(folder), Told())
"""


def kind(body: dict[str, Any]) -> str:
    """Whose turn it is."""
    system = body["messages"][0]["content"]
    return "person" if "You play a person" in system else "judge" if "You rate one answer" in system else "assistant"


def said(body: dict[str, Any]) -> str:
    """A person who tells what is due, an assistant, and a judge, each by the question and its seed."""
    draw = random.Random(json.dumps([body["messages"], body.get("seed")]))
    words = f"w{draw.randrange(9999)}"
    match kind(body):
        case "person":
            found = re.search(r"\[\[to be told now\]\]\n(.*?)\n\[\[/", body["messages"][-1]["content"], re.DOTALL)
            return f"*smiles* {found.group(1) if found else 'And then?'} {words}?"
        case "judge":
            return f"Explanation: It takes up word {words} of this person. SCORE: {draw.randint(1, 5)}"
        case _:
            return f"Take {words}."


def served(context: Context, server: Misbehaving, model: str = "", **changes: Any) -> Context:
    made = Endpoint(server.url, model or server.model, **({"timeout_s": 30, "attempts": 2} | changes))
    settings = replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, made)))
    return replace(context, settings=settings)


def spec(**own: Any) -> SimulateSpec:
    given = {
        "kind": "simulate",
        "name": "S",
        "rows": [{}, {"manner": "step_by_step"}],
        "limit": 2,
        "turns": 3,
        "judges": [""],
    }
    found = read_spec(given | own)
    assert isinstance(found, SimulateSpec)
    return found


def run(context: Context, order: SimulateSpec, folder: Path, told: Told | None = None) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return simulate(context, order, folder, told or Told())


def records(context: Context, set_id: int) -> list[dict[str, Any]]:
    """The dialogues of a set without the number of their simulation."""
    bodies = [dict(record.body) for record in scenarios.records(context.database, set_id)]  # type: ignore[union-attr]
    return [{name: value for name, value in body.items() if name != "simulation"} for body in bodies]


def test_every_model_meets_the_same_people_who_tell_the_same_at_the_same_turns(
    context: Context, tmp_path: Path
) -> None:
    order = spec(turns=4)
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), order, tmp_path / "1")
        asked = [one.body for one in server.seen]
        again = run(served(context, server), order, tmp_path / "1")
        anew = run(served(context, server), order, tmp_path / "2")
    assert (result["dialogues"], result["turns"], result["planned"], result["levels"]) == (4, 16, 16, 16)
    assert again["calls"] == anew["calls"] == 0 and anew["turns"] == 16, "nothing is asked twice"
    told: dict[tuple[str, int], list[tuple[str, ...]]] = {}
    for player in simulations.players(context.database, result["simulation"]):
        assert player.parts == parts(player.profile, 4) and len(player.schedule) == 4
    for one in [body for body in asked if kind(body) == "person"]:
        text = one["messages"][-1]["content"]
        profile = re.search(r"\[\[profile\]\]\n(.*?)\n", text)
        now = re.search(r"\[\[to be told now\]\]\n(.*?)\n\[\[/", text, re.DOTALL)
        assert profile
        place = (profile.group(1), text.count("[[assistant]]"))
        told.setdefault(place, []).append((now.group(1) if now else "", str(one["seed"])))
    assert len(told) == 8 and all(len(set(found)) == 1 for found in told.values()), "the same part, the same seed"
    assert {len(found) for place, found in told.items() if place[1] == 0} == {1}, "the first message is asked for once"
    for body in (one for one in asked if kind(one) == "assistant"):
        texts = "".join(message["content"] for message in body["messages"])
        assert "[[" not in texts and "*" not in texts and "rofile" not in texts, (
            "it sees what was said, and nothing else"
        )
    stored = simulations.turns(context.database, result["simulation"])
    first = {(one.player, one.message.text) for one in stored if one.turn == 1}
    assert len(first) == 2 and all(
        "*smiles*" in one.message.reply and "*" not in str(one.message.text) for one in stored
    )


def test_a_study_is_planned_from_the_dialogues_with_no_further_step(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), spec(), tmp_path / "1")
    drawn = studies.draft(context, studies.Order("Pilot", [result["set"]], ["Ada", "Ben"]))
    assert (len(drawn.dialogues), drawn.profiles, drawn.plan.crossed, drawn.duplicates) == (4, 2, True, 0)
    assert drawn.models == {"test-model": 2, "test-model · step by step": 2}
    assert not any(
        word in text for one in drawn.dialogues.values() for turn in one.turns for text in turn for word in "*["
    )
    study, links = studies.start(context, studies.Order("Pilot", [result["set"]], ["Ada", "Ben"]))
    assert study == 1 and set(links) == {"Ada", "Ben"}
    lines = b"".join(export_set(context, result["set"], "trl_messages").chunks).decode().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 4 and all(len(one["messages"]) == 6 and one["profile"] and one["model"] for one in found)
    one = sets.one_set(context.database, result["set"])
    assert one is not None and (one.name, one.form, one.records, one.problems) == ("S", "trl_messages", 4, 0)


def test_a_turn_that_fails_for_good_ends_its_dialogue_and_is_counted(context: Context, tmp_path: Path) -> None:
    """The second person's second message is never readable: both models' dialogues end there, and n says so."""

    def silent(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        lost = kind(body) == "person" and "[[assistant]]" in text and "surveyor" in text
        return "*shrugs and says nothing*" if lost else said(body)

    with Misbehaving(answer=silent) as server:
        result = run(served(context, server), spec(limit=0), tmp_path / "1")
        tries = [one for one in server.seen if kind(one.body) == "person" and silent(one.body).startswith("*shrugs")]
    assert (result["planned"], result["turns"], result["levels"]) == (36, 32, 32)
    assert result["missing"] == {"The person's message is missing. The reply holds nothing that is said aloud.": 2}
    assert len(tries) == 4, "asked once more"
    shown = actions.shown(context, result["simulation"])
    (model, *_) = shown["figures"]
    assert [(cell["held"], cell["rated"], cell["failed"], cell["ended"]) for cell in shown["coverage"][:3]] == [
        (6, 6, 0, 0), (5, 5, 1, 0), (5, 5, 0, 1),
    ]  # fmt: skip
    assert model["n"] == [6, 5, 5]
    assert all(
        loss["why"] == "The person's message is missing. The reply holds nothing that is said aloud."
        for loss in shown["losses"]
    )
    lengths = sorted(len(one["messages"]) for one in records(context, result["set"]))
    assert lengths == [2, 2] + [6] * 10, "what was said before is kept"
    cell = actions.dialogues(context, result["simulation"], actions.Cell(0, 2, "failed"))
    assert cell["total"] == 1 and cell["dialogues"][0]["turns"][1]["state"] == "failed"
    assert cell["dialogues"][0]["turns"][1]["why"].endswith("nothing that is said aloud.")


def test_a_level_that_cannot_be_read_is_missing_and_the_dialogue_goes_on(context: Context, tmp_path: Path) -> None:
    def vague(body: dict[str, Any]) -> str:
        return "I like it, 4.5 perhaps." if kind(body) == "judge" else said(body)

    with Misbehaving(answer=vague) as server:
        result = run(served(context, server), spec(), tmp_path / "1")
    assert (result["turns"], result["planned"], result["levels"], result["missing"]) == (12, 12, 0, {})
    shown = actions.shown(context, result["simulation"])
    assert shown["figures"] == [] and {loss["what"] for loss in shown["losses"]} == {"level"}
    assert sum(loss["times"] for loss in shown["losses"]) == 12
    assert all((cell["held"], cell["rated"]) == (2, 0) for cell in shown["coverage"]), "a dead judge is no result"


def test_calls_that_may_succeed_are_asked_again_when_the_job_goes_on(context: Context, tmp_path: Path) -> None:
    def fault(_number: int, body: dict[str, Any]) -> Any:
        return "error" if kind(body) == "assistant" and len(body["messages"]) == 4 else "ok"

    with (
        Misbehaving(fault, said) as server,
        pytest.raises(Refused, match="it goes on from the missing turns") as refusal,
    ):
        run(served(context, server, attempts=1), spec(), tmp_path / "1")
    assert "4 calls of simulation 1 failed" in str(refusal.value) and "subtext simulations keep 1" in str(refusal.value)
    assert simulations.get(context.database, 1) is not None
    shown = actions.shown(context, 1)
    assert [(cell["held"], cell["failed"], cell["ended"]) for cell in shown["coverage"][:3]] == [
        (2, 0, 0),
        (0, 2, 0),
        (0, 0, 2),
    ]
    assert actions.keep(context, 1) == "The dialogues are set 1, S v1: 4 of them have a turn."
    with Misbehaving(answer=said) as server:
        mended = run(served(context, server, model="test-model"), spec(), tmp_path / "1")
        assert not [
            one
            for one in server.seen
            if kind(one.body) == "person" and "[[assistant]]" not in one.body["messages"][-1]["content"]
        ]
        whole = run(served(context, server), spec(), tmp_path / "2")
    assert mended["turns"] == whole["turns"] == 12
    assert mended["set"] != 1, "the mended dialogues are a set of their own"
    assert records(context, mended["set"]) == records(context, whole["set"])


def test_killed_and_resumed_it_gives_the_same_set_and_asks_nothing_twice(context: Context, tmp_path: Path) -> None:
    told = spec(limit=4, side_by_side=2).model_dump(mode="json")
    with Misbehaving(["slow"] * 10_000, said, delay_s=0.03) as server:
        words = [str(context.settings.data), server.url, server.model, json.dumps(told), str(tmp_path / "1")]
        job = subprocess.Popen([sys.executable, "-c", JOB, *words], cwd=Path(__file__).parents[2])
        try:
            end = time.monotonic() + 120
            while job.poll() is None and time.monotonic() < end:
                begun = simulations.of_folder(context.database, "1")
                if begun and len(simulations.turns(context.database, begun.id)) >= 5:
                    break
                time.sleep(0.01)
            assert job.poll() is None, "it ended before it could be killed"
        finally:
            os.kill(job.pid, signal.SIGKILL)
            job.wait()
        begun = simulations.of_folder(context.database, "1")
        assert begun is not None and begun.finished_at is None and begun.set_id is None
        before = len(server.seen)
        made = served(context, server, max_concurrency=4)
        resumed = run(made, read_spec(told), tmp_path / "1")  # type: ignore[arg-type]
        asked = [json.dumps(one.body, sort_keys=True) for one in server.seen]
    assert before < len(asked)
    in_flight = 4
    assert len(asked) - len(set(asked)) <= in_flight, "only what was in flight at the kill is asked a second time"
    with Misbehaving(answer=said) as other:
        whole = run(served(replace(context), other), read_spec(told), tmp_path / "2")  # type: ignore[arg-type]
    assert (resumed["simulation"], resumed["turns"], resumed["levels"]) == (begun.id, 24, 24)
    assert records(context, resumed["set"]) == records(context, whole["set"])
    assert (
        actions.shown(context, resumed["simulation"])["figures"]
        == actions.shown(context, whole["simulation"])["figures"]
    )


def test_it_stops_when_told_and_goes_on(context: Context, tmp_path: Path) -> None:
    class Stopping(Told):
        def cancelled(self) -> bool:
            return any(done >= 2 for done, _, _ in self.said)

    with Misbehaving(["slow"] * 1000, answer=said, delay_s=0.05) as server:
        first = run(served(context, server), spec(side_by_side=1), tmp_path / "1", Stopping())
        assert 2 <= first["turns"] < 12 and first["set"] is None
        second = run(served(context, server), spec(side_by_side=1), tmp_path / "1")
    assert second["turns"] == 12 and second["set"]


def test_a_choice_that_means_another_model_by_now_is_refused(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        run(served(context, server), spec(), tmp_path / "1")
        with pytest.raises(Refused, match="began with test-model; the same choice is another-model now"):
            run(served(context, server, model="another-model"), spec(), tmp_path / "1")


def test_nothing_readable_at_all_is_no_set(context: Context, tmp_path: Path) -> None:
    with (
        Misbehaving(lambda number, body: "refuse") as server,
        pytest.raises(Refused, match="No turn of simulation 1 took place"),
    ):
        run(served(context, server), spec(), tmp_path / "1")
    assert sets.all_sets(context.database) == []


def test_two_choices_of_one_model_stay_apart(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        made = served(context, server)
        told = spec(rows=[{"model": "starter"}, {"model": "job:1"}])
        assert [one.model for one in told.rows] == ["starter", "job:1"]
        lines = [simulations.Line(n, "starter model", "", "d", "zero_shot") for n in range(3)]
        assert simulations.labels(lines) == ["starter model", "starter model (again 1)", "starter model (again 2)"]
        assert made.settings.engines["user"] is not None


def test_a_removed_simulation_leaves_its_set_and_nothing_else(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), spec(), tmp_path / "1")
    with pytest.raises(Refused, match="give its name exactly"):
        actions.remove(context, result["simulation"], "T")
    assert "stays" in actions.remove(context, result["simulation"], "S")
    assert sets.one_set(context.database, result["set"]) is not None
    with context.database.read() as connection:
        for table in ("simulation_model", "simulation_person", "simulation_turn", "simulation_level"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_a_deleted_set_is_made_again_when_it_is_wanted(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), spec(), tmp_path / "1")
    before = records(context, result["set"])
    remove_set(context, result["set"], "S")
    assert actions.shown(context, 1)["set"] is None and actions.shown(context, 1)["simulation"]["set_id"] is None
    assert actions.keep(context, 1).startswith(f"The dialogues are set {result['set'] + 1},")
    assert records(context, result["set"] + 1) == before


def test_a_turn_that_is_asked_again_loses_its_levels(context: Context, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), spec(), tmp_path / "1")
    first = simulations.turns(context.database, result["simulation"])[0]
    assert set(first.levels) == {0}
    of = (first.line, first.player, first.turn)
    made = simulations.put_turn(context.database, of, first.message, Said("Anew.", "", "Anew."))
    again = simulations.turns(context.database, result["simulation"])[0]
    assert (again.id, again.answer.text, again.levels) == (made, "Anew.", {}) and made != first.id


def test_two_judges_are_asked_apart(context: Context, tmp_path: Path) -> None:
    """The starter model beside a server: whatever it says of the turn is a level or a reason, never nothing."""
    with Misbehaving(answer=said) as server:
        order = spec(judges=["", "starter"], limit=1, turns=1, rows=[{}], judge_tokens=40, retries=0)
        result = run(served(context, server), order, tmp_path / "1")
    (turn,) = simulations.turns(context.database, result["simulation"])
    assert set(turn.levels) == {0, 1} and turn.levels[0].level in (1, 2, 3, 4, 5)
    assert (turn.levels[1].level is None) == bool(turn.levels[1].why) and turn.levels[1].reply
    found = actions.dialogues(context, result["simulation"], actions.Cell(0, 1))["dialogues"][0]["turns"][0]
    assert [level["judge"] for level in found["levels"]] == ["test-model", "starter model"]


def test_after_is_the_model_of_the_job_before(context: Context, write: Write) -> None:
    tree = import_files(context, [write("talks.json", [{"messages": [{"role": "user", "content": "Hi"}]}])]).set_id
    first = job_actions.enqueue(context, read_spec({"kind": "sft", "name": "P", "set": tree}))
    second = job_actions.enqueue(context, spec(rows=[{"model": "after"}, {}]), after=first)
    assert [row["model"] for row in job_actions.one(context, second).spec["rows"]] == [f"job:{first}", ""]
