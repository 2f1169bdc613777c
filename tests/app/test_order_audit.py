"""The audit of the order: a share of the cases judged once more in the other order, kept apart from every number."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.context import Context
from app.main import create_app
from core.evaluation.report import report
from core.evaluation.spec import audited, planned
from db import evaluations
from tests.app.test_evaluate import Write, run, said, served, spec, stocked
from tests.misbehaving import Misbehaving
from tests.samples import CHOICE


def moved(body: dict[str, Any]) -> str:
    """A judge that says yes where the response comes first; a chooser of A wherever it is."""
    text = body["messages"][-1]["content"]
    if "VERDICT" in body["messages"][0]["content"]:
        first = text.index("[[response]]") < text.index("[[query]]")
        return (
            f"Explanation: The response stands {'first' if first else 'last'} here. VERDICT: {'yes' if first else 'no'}"
        )
    return said(body)


@pytest.fixture
def both(context: Context, write: Write, tmp_path: Path) -> tuple[Context, int]:
    """The same evaluation without an audit (1) and with one (2); how many calls the audit took."""
    set_id = stocked(context, write, 10)
    with Misbehaving(answer=moved) as server:
        made = served(context, server)
        run(made, spec(set_id), tmp_path / "1")
        before = len(server.seen)
        run(made, spec(set_id, order_audit=0.25), tmp_path / "2")
        return context, len(server.seen) - before


@pytest.fixture
def client(both: tuple[Context, int]) -> Iterator[TestClient]:
    with TestClient(create_app(both[0]), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def test_no_number_uses_the_other_order(both: tuple[Context, int], client: TestClient) -> None:
    context, calls = both
    assert calls == 2 * 3 * 6, "three of ten cases, two rows, six checks; the rest comes from the cache"
    one, two = (evaluations.columns(context.database, number) for number in (1, 2))
    assert two.judges == one.judges and two.item.size == one.item.size
    assert str(report(one)) == str(report(two))
    full = evaluations.columns(context.database, 2, both_orders=True)
    assert full.judges == ("test-model", "test-model, other order") and full.item.size == one.item.size + calls
    plain, shown = (client.get(f"/api/evaluations/{number}").json() for number in (1, 2))
    assert plain["cells"] == shown["cells"] and plain["verbosity"] == shown["verbosity"]
    assert plain["answers"]["verdicts"] == shown["answers"]["verdicts"] and plain["orders"] == {
        "judges": [],
        "choice": None,
    }
    for path in ("items?row=0&metric=acc_pf", "compare?first=0&second=1&metric=acc_da"):
        counts, again = (client.get(f"/api/evaluations/{number}/{path}").json()["counts"] for number in (1, 2))
        assert counts == again, path
    tables = [client.get(f"/api/evaluations/{number}/export/csv").text for number in (1, 2)]
    assert tables[0] == tables[1] and tables[0].count("\n") > 20


def test_a_judge_that_the_order_moves_is_found(client: TestClient, both: tuple[Context, int]) -> None:
    (found,) = client.get("/api/evaluations/2").json()["orders"]["judges"]
    assert [one["check"] for one in found] == [
        None,
        "violate",
        "helpful",
        "deep_mining",
        "innovative",
        "thoughtful",
        "misleading",
    ]
    every = found[0]
    assert (every["both"], every["agree"], every["bias"]) == (36, 0.0, -1.0) and every["no_yes"] == 36
    assert every["p"] is None, "one test a check: what six checks say of one response is no six answers"
    assert (found[1]["p"], found[1]["p_holm"]) == (2 / 2**3, 1.0), "three scenarios are too few, however many verdicts"
    order = evaluations.get(both[0].database, 2)
    assert order is not None and order.spec["order_audit"] == 0.25
    page = client.get("/api/evaluations/2/items?row=0&metric=acc_pf").json()["items"]
    names = {
        one["judge"]
        for item in page
        for one in client.get(f"/api/evaluations/2/items/0/{item['case']}").json()["answer"]["verdicts"]
    }
    assert names == {"test-model", "test-model, other order"}


def test_people_are_not_asked_about_it(client: TestClient) -> None:
    wish = {"kind": "responses", "metric": "acc_mis", "size": 6}
    drawn = client.post("/api/evaluations/2/people", json=wish).json()
    item = client.get(f"/api/verdicts/{drawn['id']}").json()["items"][0]
    client.post(
        "/api/verdicts", json={"task": item["task"], "digest": item["digest"], "answer": "no", "client_id": "a"}
    )
    told = client.post("/api/verdicts/reveal", json={"task": item["task"], "client_id": "b"}).json()["judges"]
    assert len(told) == 1 and told[0]["outcome"] == "no"
    assert client.post("/api/evaluations/2/people", json={"size": 500}).json()["tasks"] == 2 * 10 * 6


def test_options_are_turned_round(context: Context, write: Write, tmp_path: Path) -> None:
    from app.actions.import_data import import_files

    records = [CHOICE | {"preference": f"I avoid crowds {n}."} for n in range(12)]
    set_id = import_files(context, [write("c.json", records)]).set_id
    assert set_id
    order = spec(set_id, rows=[{}], choices=True, checks=[], judges=[], order_audit=1.0)
    with Misbehaving(answer=said) as server:
        run(served(context, server), order, tmp_path / "1")
        assert len(server.seen) == planned(order, 12, 12).calls == 24
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        found = made.get("/api/evaluations/1").json()
        choice = found["orders"]["choice"]
        assert choice["both"] == 12 and choice["agree"] < 1, "A is another option when they are turned round"
        assert found["cells"][0]["acc_mc"]["n"] == 12
        case = made.get("/api/evaluations/1/items?row=0&metric=acc_mc").json()["items"][0]["case"]
        verdicts = made.get(f"/api/evaluations/1/items/0/{case}").json()["answer"]["verdicts"]
        assert [one["judge"] for one in verdicts] == ["", "options turned round"]


def test_the_share_is_seeded_and_bounded(context: Context, write: Write) -> None:
    set_id = stocked(context, write, 1)
    order = spec(set_id, order_audit=0.1)
    assert audited(order, 100) == audited(order, 100) and len(audited(order, 100)) == 10 and len(audited(order, 3)) == 1
    assert audited(order, 100) != audited(spec(set_id, order_audit=0.1, seed=2), 100)
    assert audited(spec(set_id), 100) == frozenset()
    for share in (-0.1, 1.1, 1e-9):
        with pytest.raises(ValueError):
            spec(set_id, order_audit=share)
