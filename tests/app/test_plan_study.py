"""The study planner over HTTP and on the command line: a stored evaluation as pilot, shares by hand, what is refused, who may."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient
from statsmodels.stats.power import TTestPower

from app.cli import main
from app.context import Context
from app.main import create_app
from core.evaluation.planner import pilot
from db import evaluations
from tests.app.peopled import browser, entered
from tests.app.test_evaluate import Write, run, said, served, spec, stocked
from tests.misbehaving import Misbehaving


@pytest.fixture
def evaluated(context: Context, write: Write, tmp_path: Path) -> Context:
    with Misbehaving(answer=said) as server:
        run(served(context, server), spec(stocked(context, write, 12), name="Pilot"), tmp_path / "7")
    return context


@pytest.fixture
def client(evaluated: Context) -> Iterator[TestClient]:
    with TestClient(create_app(evaluated), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def test_a_stored_evaluation_is_the_pilot(client: TestClient, evaluated: Context) -> None:
    (known,) = client.get("/api/plan").json()["evaluations"]
    assert known["name"] == "Pilot" and [row["place"] for row in known["rows"]] == [0, 1]
    found = client.get("/api/plan/1?first=1&second=0&metric=acc_mis&effect=0.2&scenarios=50").json()
    apart, _ = pilot(evaluations.columns(evaluated.database, 1), (1, 0), "acc_mis")
    assert found["difference"] == pytest.approx(apart.mean()) and found["components"]["scenarios"] == 12
    power = TTestPower().power(0.2 / np.std(apart, ddof=1), 50, 0.05)
    assert found["outlook"]["chosen"]["power"] == pytest.approx(power, abs=1e-5)
    assert found["labels"][0].endswith("step by step")
    assert client.get("/api/plan/1?first=1&second=0&metric=acc_mis").json()["wanted"]["effect"] == 0.1


def test_shares_by_hand(client: TestClient) -> None:
    found = client.get("/api/plan/shares?first_only=0.3&second_only=0.1&comparisons=4").json()
    assert found["wanted"]["effect"] == 0.2 and found["difference"] is None
    n = TTestPower().solve_power(0.2 / math.sqrt(0.4 - 0.04), power=0.8, alpha=0.05 / 4)
    assert found["outlook"]["needed"]["scenarios"] == math.ceil(n)
    assert client.get("/api/plan/shares?first_only=0.1&second_only=0.1").json()["wanted"]["effect"] == 0.1


def test_what_cannot_be_planned_is_refused_with_a_sentence(client: TestClient) -> None:
    for path, status, words in (
        ("9?first=0&second=1&metric=acc_pf", 400, "no evaluation 9"),
        ("1?first=0&second=5&metric=acc_pf", 400, "no row 6"),
        ("1?first=0&second=0&metric=acc_pf", 400, "two different rows"),
        ("1?first=0&second=1&metric=e_puv", 400, "at least 3 scenarios"),
        ("1?first=0&second=1&metric=x", 422, "metric"),
        ("1?first=0&second=1&metric=acc_pf&effect=nan", 422, "effect"),
        ("1?first=0&second=1&metric=acc_pf&effect=2", 422, "effect"),
        ("1?first=0&second=1&metric=acc_pf&scenarios=1", 422, "scenarios"),
        ("1?first=0&second=1&metric=acc_pf&comparisons=99999", 422, "comparisons"),
        ("shares?first_only=0.7&second_only=0.6", 400, "add up to at most 1"),
        ("shares?first_only=0&second_only=0", 400, "differ alike"),
        ("shares?first_only=nan&second_only=0", 422, "first_only"),
    ):
        answer = client.get(f"/api/plan/{path}")
        assert answer.status_code == status and words in answer.json()["error"], path


def test_the_planner_is_for_researchers(peopled: Context) -> None:
    for path in ("/api/plan", "/api/plan/shares?first_only=0.2&second_only=0.1"):
        assert browser(peopled).get(path).status_code == 401
        assert entered(peopled, "Anne").get(path).status_code == 403
        assert entered(peopled, "Rosa").get(path).status_code == 200


def test_the_command(evaluated: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(evaluated.settings.data))

    def told(*words: str, status: int = 0) -> str:
        assert main(["evaluations", "plan", *words]) == status
        found = capsys.readouterr()
        return found.err if status else found.out

    shown = told("1", "--metric", "acc_mis", "--scenarios", "50")
    assert "in the pilot" in shown and "50 scenarios: power" in shown and "needed for 10.0 points" in shown
    assert "The shares are yours" in told("--disagree", "0.3", "0.1", "--comparisons", "3")
    assert "as the pilot" in told(status=1) and "as the pilot" in told("1", "--disagree", "0.1", "0.1", status=1)
    assert "no row 9" in told("1", "--first", "9", status=1)
    assert "at most 1" in told("--disagree", "0.9", "0.9", status=1)
    assert "difference to find" in told("1", "--effect", "7", status=1)
