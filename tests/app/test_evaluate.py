"""An evaluation from the set to the table: answers, verdicts, several judges, multiple choice, stops, kills and faults."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions import jobs as job_actions
from app.actions.evaluate import evaluate
from app.actions.evaluation_plan import printed_of
from app.actions.import_data import import_files
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.errors import Refused
from core.evaluation.report import report
from core.evaluation.spec import EvaluateSpec, RowSpec, planned
from core.specs import read_spec
from db import evaluations
from tests.app.test_build import Told
from tests.misbehaving import Misbehaving, mixed
from tests.samples import deeppref

Write = Callable[[str, object], Path]
CHECKS = ["violate", "helpful", "deep_mining", "innovative", "thoughtful", "misleading"]


def said(body: dict[str, Any]) -> str:
    """A judge that says yes or no by the question, a model that answers in the form it is asked for, a chooser of A."""
    system = body["messages"][0]["content"]
    draw = random.Random(json.dumps(body["messages"]))
    if "VERDICT" in system:
        return f"Explanation: It rests on word {draw.randrange(999)}. VERDICT: {draw.choice(['yes', 'no'])}"
    if "You judge one step" in system:
        return f"Reasoning: It sees them. SCORE: {draw.random():.2f}"
    if "CHOICE" in system:
        return "CHOICE: A"
    if "Reply with numbered steps" in system:
        return f"Step 1: They mean more.\nStep 2: Take the path {draw.randrange(999)}."
    if "Analysis:" in system:
        return f"Analysis: They like quiet. Answer: Go to the garden {draw.randrange(999)}."
    return f"Go to the park {draw.randrange(999)}."


def served(context: Context, server: Misbehaving, **changes: Any) -> Context:
    made = Endpoint(server.url, server.model, **({"timeout_s": 30, "attempts": 4} | changes))
    settings = replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, made)))
    return replace(context, settings=settings)


def stocked(context: Context, write: Write, count: int = 6) -> int:
    trees = [
        deeppref(initial_question=f"Where do I go on day {n}?", user_profile=f"I like place {n}.") for n in range(count)
    ]
    found = import_files(context, [write("trees.json", trees)]).set_id
    assert found
    return found


def spec(set_id: int, **own: Any) -> EvaluateSpec:
    rows = own.pop("rows", [{"method": "zero_shot"}, {"method": "step_by_step"}])
    found = read_spec(
        {"kind": "evaluate", "name": "E", "set": set_id, "part": "all", "checks": CHECKS, "rows": rows} | own
    )
    assert isinstance(found, EvaluateSpec)
    return found


def run(context: Context, order: EvaluateSpec, folder: Path, told: Told | None = None) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return evaluate(context, order, folder, told or Told())


def test_every_row_answers_every_case_and_every_judge_is_asked(context: Context, write: Write, tmp_path: Path) -> None:
    set_id = stocked(context, write)
    rows = [{"method": name} for name in ("zero_shot", "chain_of_thought", "step_by_step", "reminder")]
    rows += [{"method": "zero_shot", "turns": 3}, {"method": "best_of_n"}]
    order = spec(set_id, rows=rows, temperature=0.8, samples=2, repeats=3)
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), order, tmp_path / "1")
        again = run(served(context, server), order, tmp_path / "1")
        anew = run(served(context, server), order, tmp_path / "2")
    assert (result["answers"], result["planned"]) == (36, 36)
    size = planned(order, 6, 0)
    assert (size.responses, size.verdicts, size.calls) == (36, 36 * 6 * 3, 36 + 6 + 36 * 6 * 3)
    assert result["calls"] + result["from_cache"] == size.calls + 6 * 2 * 2, (
        "best of N asks the critic for two steps of each"
    )
    assert again["calls"] == anew["calls"] == 0 and anew["answers"] == 36, "nothing is asked twice"
    found = evaluations.get(context.database, result["evaluation"])
    assert found is not None and found.finished_at and found.data["cases"] == 6
    assert len(found.prompts["verdict_helpful"]) == 64
    table = evaluations.columns(context.database, found.id)
    assert (table.row.size, table.item.size, table.generated.all()) == (36, 36 * 6 * 3, True)
    cells = report(table).cells
    assert all(own["acc_da"].planned == own["acc_da"].n == 6 for own in cells)
    assert {own["acc_da"].value for own in cells} - {1.0}, "the verdicts differ"
    one, two = (evaluations.columns(context.database, made["evaluation"]) for made in (result, anew))
    assert (one.outcome == two.outcome).all() and (one.item == two.item).all()
    lines = evaluations.lines(context.database, found.id)
    assert [(line.method, line.turns) for line in lines] == [(row["method"], row.get("turns", 0)) for row in rows]


def test_what_a_judge_cannot_say_is_apart(context: Context, write: Write, tmp_path: Path) -> None:
    def odd(body: dict[str, Any]) -> str:
        system = body["messages"][0]["content"]
        if "go against the person's preference" in system:
            return "Explanation: Nobody can tell from this. VERDICT: cannot determine"
        return "no idea" if "help with the query" in system else said(body)

    with Misbehaving(answer=odd) as server:
        result = run(served(context, server), spec(stocked(context, write)), tmp_path / "1")
        asked = [one for one in server.seen if "help with the query" in one.body["messages"][0]["content"]]
    assert len(asked) == 2 * 12, "a reply without a verdict is asked for once more"
    cells = report(evaluations.columns(context.database, result["evaluation"])).cells
    for own in cells:
        assert (own["acc_pf"].n, own["acc_pf"].judged, own["acc_pf"].parsed) == (0, 6, 0)
        assert own["acc_pf"].why.startswith("No result") and own["acc_da"].n == 6
    assert len(evaluations.settled(context.database, result["evaluation"])) == 0, (
        "so it is asked again when the job goes on"
    )


def test_a_judge_that_is_dead_gives_no_result_and_not_a_hundred_percent(
    context: Context, write: Write, tmp_path: Path
) -> None:
    with Misbehaving(answer=said) as well, Misbehaving(lambda number, body: "empty") as dead:
        made = served(context, well)
        engines = {**made.settings.engines, "judge": Endpoint(dead.url, dead.model, attempts=1, timeout_s=30)}
        made = replace(made, settings=replace(made.settings, engines=MappingProxyType(engines)))
        with pytest.raises(
            Refused, match=r"72 calls of evaluation 1 failed; everything else is done and kept\. Most often:"
        ):
            run(made, spec(stocked(context, write)), tmp_path / "1")
    found = evaluations.get(context.database, 1)
    assert found is not None and found.finished_at is None
    cells = report(evaluations.columns(context.database, 1)).cells
    assert all(own[metric].n == 0 and own[metric].why for own in cells for metric in own)
    assert all(own["acc_pf"].generated == 6 for own in cells)
    published = cells[0]["acc_pf"].published
    assert published is not None and published.value == 1.0, "which is what the published rule would print"


def test_several_judges_vote(context: Context, write: Write, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        made = served(context, server)
        order = spec(
            stocked(context, write, 3),
            judges=["", "starter"],
            checks=["helpful", "violate"],
            judge_tokens=40,
            retries=0,
        )
        result = run(made, order, tmp_path / "1")
    found = evaluations.get(context.database, result["evaluation"])
    assert found is not None
    assert [judge["name"] for judge in found.judges] == ["test-model", "starter model"]
    table = evaluations.columns(context.database, found.id)
    assert table.item.size == 2 * 3 * 2 * 2 and set(table.judge.tolist()) == {0, 1}


def test_multiple_choice_needs_no_judge(context: Context, write: Write, tmp_path: Path) -> None:
    records = [
        {
            "preference": f"I avoid food {n}.", "question": f"What do I eat on day {n}?", "explanation": "e",
            "implicit_query": "Which dish?", "options": [f"dish {n}", "b", "c", "d"], "aligned_op": f"dish {n}",
            "conversation": {"query": "Which dish?", "assistant_options": "a to d", "user_selection": "the first",
                             "assistant_acknowledgment": "Fine."},
        }
        for n in range(8)
    ]  # fmt: skip
    set_id = import_files(context, [write("choice.json", records)]).set_id
    assert set_id
    order = spec(set_id, choices=True, checks=[], judges=[], rows=[{}])
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), order, tmp_path / "1")
        assert len(server.seen) == 8, "and without checks nothing else is asked"
    lines = evaluations.lines(context.database, result["evaluation"])
    assert [line.task for line in lines] == ["choice"]
    cases = evaluations.cases(context.database, result["evaluation"])
    right = sum(case.choice is not None and case.choice["right"] == 0 for case in cases)
    assert 0 < right < 8, "the options are shuffled"
    cell = report(evaluations.columns(context.database, result["evaluation"])).cells[0]["acc_mc"]
    assert (cell.hits, cell.n) == (right, 8)


def test_a_stopped_evaluation_goes_on_to_the_same_table(context: Context, write: Write, tmp_path: Path) -> None:
    class Stopping(Told):
        def cancelled(self) -> bool:
            return any(done >= 3 for done, _, _ in self.said)

    set_id = stocked(context, write)
    with Misbehaving(["slow"] * 10_000, answer=said, delay_s=0.05) as server:
        made = served(context, server)
        order = spec(set_id, side_by_side=2)
        first = run(made, order, tmp_path / "1", Stopping())
        assert 3 <= first["answers"] < first["planned"]
        stopped = evaluations.get(context.database, first["evaluation"])
        assert stopped is not None and stopped.finished_at is None
        asked = len(server.seen)
        second = run(made, order, tmp_path / "1")
        assert len(server.seen) - asked < 12 + 12 * len(CHECKS)
        assert (second["evaluation"], second["answers"]) == (first["evaluation"], 12)
    with Misbehaving(answer=said) as other:
        whole = run(served(context, other), order, tmp_path / "2")
    one, two = (evaluations.columns(context.database, made["evaluation"]) for made in (second, whole))
    assert (one.outcome == two.outcome).all() and (one.length == two.length).all()


def test_a_seeded_mix_of_faults_loses_nothing_silently(context: Context, write: Write, tmp_path: Path) -> None:
    shares: Any = {"error": 0.1, "busy": 0.05, "close": 0.05, "empty": 0.1, "not_json": 0.05, "refuse": 0.03}
    with Misbehaving(mixed(5, shares), said, retry_after="0") as server:
        order = spec(stocked(context, write, 12))
        with pytest.raises(Refused, match="resume the job: it asks only for what is missing"):
            run(served(context, server, attempts=2), order, tmp_path / "1")
    table = evaluations.columns(context.database, 1)
    cells = report(table).cells
    assert table.row.size == 24
    for own in cells:
        for cell in own.values():
            assert cell.planned == 12 >= cell.generated >= cell.judged >= cell.parsed >= cell.n
    assert min(own["acc_pf"].n for own in cells) < 12
    with Misbehaving(answer=said) as server:
        served_again = served(context, server)
        result = run(served_again, order, tmp_path / "1")
        assert result["evaluation"] == 1 and len(server.seen) < 24 + 24 * len(CHECKS)
    healed = report(evaluations.columns(context.database, 1)).cells
    assert all(own["acc_pf"].n == 12 for own in healed), "what failed is asked again when the job goes on"


def test_what_cannot_be_evaluated_says_why(context: Context, write: Write, tmp_path: Path) -> None:
    set_id = stocked(context, write)
    for own, message in (
        ({"set": 99}, "no set number 99"),
        ({"part": "held_out"}, "choose part=all"),
        ({"rows": [{"method": "few_shot"}]}, "few_shot needs 2 finished trees that are not asked"),
        ({"rows": [{"model": "model:77"}]}, "no model 77"),
        ({"rows": [{"model": "job:77"}]}, "no job 77"),
    ):
        with pytest.raises(Refused, match=message):
            run(context, spec(**{"set_id": set_id} | own) if "set" not in own else spec(99), tmp_path / "x")
    for own, message in (
        ({"rows": [{}, {}]}, "Two rows are the same"),
        ({"rows": [{"method": "best_of_n"}], "temperature": 0.0}, "temperature above 0"),
        ({"checks": [], "judges": [""]}, "belong together"),
        ({"checks": [], "judges": []}, "nothing to find out"),
        ({"checks": ["helpful", "helpful"]}, "named twice"),
    ):
        with pytest.raises(ValueError, match=message):
            spec(set_id, **own)
    assert evaluations.listing(context.database) == []


def test_after_is_the_model_of_the_job_before(context: Context, write: Write) -> None:
    set_id = stocked(context, write)
    first = job_actions.enqueue(context, read_spec({"kind": "sft", "name": "P", "set": set_id}))
    order = spec(set_id, rows=[{"model": "after", "method": "step_by_step"}, {"model": "", "method": "step_by_step"}])
    with pytest.raises(Refused, match="say after which job"):
        job_actions.enqueue(context, order)
    second = job_actions.enqueue(context, order, after=first)
    assert [row["model"] for row in job_actions.one(context, second).spec["rows"]] == [f"job:{first}", ""]


def test_a_removed_evaluation_leaves_nothing(context: Context, write: Write, tmp_path: Path) -> None:
    with Misbehaving(answer=said) as server:
        result = run(served(context, server), spec(stocked(context, write, 2)), tmp_path / "1")
    assert evaluations.remove(context.database, result["evaluation"])
    assert not evaluations.remove(context.database, result["evaluation"])
    with context.database.read() as connection:
        for table in ("evaluation_row", "evaluation_case", "evaluation_answer", "evaluation_verdict"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_a_choice_that_means_another_model_by_now_is_refused(context: Context, write: Write, tmp_path: Path) -> None:
    class Stopping(Told):
        def cancelled(self) -> bool:
            return any(done >= 2 for done, _, _ in self.said)

    order = spec(stocked(context, write), side_by_side=1)
    with Misbehaving(["slow"] * 1000, answer=said, delay_s=0.05) as one, Misbehaving(answer=said) as two:
        first = run(served(context, one), order, tmp_path / "1", Stopping())
        assert first["answers"] < first["planned"]
        made = served(context, two)
        engines = dict.fromkeys(ROLES, Endpoint(two.url, "another-model"))
        made = replace(made, settings=replace(made.settings, engines=MappingProxyType(engines)))
        with pytest.raises(Refused, match="began with test-model; the same choice is another-model now"):
            run(made, order, tmp_path / "1")


def test_best_of_n_says_what_its_critic_could_not_value(context: Context, write: Write, tmp_path: Path) -> None:
    def vague(body: dict[str, Any]) -> str:
        return "well" if "You judge one step" in body["messages"][0]["content"] else said(body)

    order = spec(stocked(context, write, 2), rows=[{"method": "best_of_n"}], temperature=0.7, samples=2)
    with Misbehaving(answer=vague) as server:
        result = run(served(context, server), order, tmp_path / "1")
    (line,) = evaluations.lines(context.database, result["evaluation"])
    for _, why in evaluations.texts(context.database, line.id).values():
        assert why == "The critic could value none of 2 samples, so the first one stands."


@pytest.mark.parametrize("fails", ["a sample", "the critic"])
def test_best_of_n_with_a_failed_call_is_missing_until_it_is_asked_again(
    context: Context, write: Write, tmp_path: Path, fails: str
) -> None:
    def fault(number: int, body: dict[str, Any]) -> Any:
        judged = "You judge one step" in body["messages"][0]["content"]
        sampled = "Reply with numbered steps" in body["messages"][0]["content"] and body["seed"] == 2
        return "refuse" if sampled and fails == "a sample" else "error" if judged and fails == "the critic" else "ok"

    order = spec(stocked(context, write, 2), rows=[{"method": "best_of_n"}], temperature=0.7, samples=2)
    with Misbehaving(fault, said) as server:
        made = served(context, server, attempts=1)
        if fails == "the critic":
            with pytest.raises(Refused, match="resume the job"):
                run(made, order, tmp_path / "1")
        else:
            run(made, order, tmp_path / "1")
    cell = report(evaluations.columns(context.database, 1)).cells[0]["acc_da"]
    assert (cell.planned, cell.generated, cell.n) == (2, 0, 0), "the best of fewer is another method"
    with Misbehaving(answer=said) as server:
        run(served(context, server), order, tmp_path / "1")
    assert report(evaluations.columns(context.database, 1)).cells[0]["acc_da"].n == 2


def test_the_critic_of_best_of_n_may_not_change_either(context: Context, write: Write, tmp_path: Path) -> None:
    order = spec(stocked(context, write, 2), rows=[{"method": "best_of_n"}], temperature=0.7, samples=2)
    with Misbehaving(answer=said) as server:
        made = served(context, server)
        run(made, order, tmp_path / "1")
        engines = {**made.settings.engines, "critic": Endpoint(server.url, "another-critic")}
        made = replace(made, settings=replace(made.settings, engines=MappingProxyType(engines)))
        with pytest.raises(Refused, match="began with test-model; the same choice is another-critic now"):
            run(made, order, tmp_path / "1")


def test_a_row_stands_beside_what_the_paper_asked(context: Context) -> None:
    for row, trained, printed in (
        (RowSpec(method="zero_shot"), "", "zero_shot"),
        (RowSpec(method="zero_shot", turns=3), "", ""),
        (RowSpec(method="step_by_step"), "cdpa", "cdpa"),
        (RowSpec(method="zero_shot"), "cdpa", ""),
        (RowSpec(method="zero_shot"), "sft", "sft"),
        (RowSpec(method="step_by_step"), "sft", ""),
    ):
        assert printed_of(row, trained) == printed
