"""The Train a critic page and command: previews made apart and kept, preflight of broken bases, a blocked training not started."""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from app.actions import jobs as actions
from app.actions import preview_critic
from app.actions.import_data import import_files
from app.actions.models import NewModel, register
from app.actions.preflight import check, pins, shape_of, without_base
from app.actions.preview_critic import Previews, example, kept_overview, overview, view, wanted
from app.cli import main
from app.commands import critic
from app.context import Context
from app.engines.roles import STARTER
from app.errors import Refused
from app.main import create_app
from core.checks import Check
from core.critic_corrections import Counts
from core.critic_form import arguments
from core.preflight import Line
from core.specs import CRITIC_PRESETS, CriticSpec, critic_preset
from db import checks, jobs
from db.jobs import End, Metric, Place
from tests.samples import deeppref

TOP = Path(__file__).parents[2]
Write = Callable[[str, object], Path]


def record(number: int) -> dict[str, Any]:
    """A record whose critiques differ from one another."""
    found = deeppref(initial_question=f"How do I plan {number}?")
    for key in ("1", "2", "3", "4"):
        node = found["thought_tree"][key]
        node["reasoning"] = f"Reasoning: judges {number} {key} SCORE: {node['score']}"
    return found


@pytest.fixture
def stocked(context: Context, write: Write) -> int:
    """A set of ten trees with four steps each; its id."""
    set_id = import_files(context, [write("trees.json", [record(number) for number in range(10)])]).set_id
    assert set_id
    return set_id


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as made:
        yield made


def spec(set_id: int, **changes: Any) -> CriticSpec:
    """A training of the starter model."""
    return critic_preset("starter", name="C", set=set_id, **changes)


def levels(lines: list[Line]) -> dict[str, str]:
    """Level by name of check."""
    return {line.name: line.level for line in lines}


def test_an_overview_is_made_once(context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = overview(context, spec(stocked))
    assert (len(found.entries), len(found.origins), found.problem, found.context) == (40, 10, "", 2048)
    assert all(entry.tokens for entry in found.entries)
    monkeypatch.setattr(preview_critic, "make", None)
    moved = spec(stocked, seed=5, held_out=0.5, max_length=100)
    assert overview(context, moved) == found
    seen = view(context, moved, found)
    assert (seen["train"]["scenarios"], seen["held_out"]["scenarios"], seen["drawn"]) == (5, 5, 10)
    assert seen["lengths"]["cut"] == 40
    assert seen["lengths"]["limit"] == 100
    assert {row["side"] for row in seen["rows"]} == {"train", "held_out"}


def test_every_example_is_the_prompt_then_critique_then_score(context: Context, stocked: int) -> None:
    for at in (0, 17, 39):
        shown = example(context, spec(stocked), at)
        parts = [part for _, part in shown.tokens]
        assert parts == sorted(parts)
        assert set(parts) == {0, 1, 2}
        assert "".join(text for text, part in shown.tokens if part).startswith(f"Reasoning: judges {shown.place - 1} ")
        assert (shown.at, shown.length, shown.left_out) == (at, len(parts), 0)
    with pytest.raises(Refused, match="no example 41"):
        example(context, spec(stocked), 40)


def test_only_some_windows_are_made_at_once(context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_critic, "AT_ONCE", 1)
    found = wanted(context, spec(stocked))
    overview(context, spec(stocked))
    assert preview_critic.kept_example(context, found, 15)
    assert preview_critic.kept_example(context, found, 16) is None
    assert example(context, spec(stocked), 35).at == 35
    assert preview_critic.kept_example(context, found, 32)
    assert preview_critic.kept_example(context, found, 16) is None


def test_a_large_set_is_measured_in_part(context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_critic, "MEASURED", 10)
    found = overview(context, spec(stocked))
    assert sum(entry.tokens is not None for entry in found.entries) == 10
    assert view(context, spec(stocked), found)["lengths"]["measured"] == 10


def test_what_a_preview_depends_on(context: Context, stocked: int, tmp_path: Path) -> None:
    first = wanted(context, spec(stocked)).key
    assert wanted(context, spec(stocked, epochs=9.0, seed=4)).key == first
    other = shutil.copytree(STARTER, tmp_path / "other")
    (other / "made.json").write_text("{}", "utf-8")
    assert wanted(context, spec(stocked, base=str(other))).key != first
    _checked(context, stocked, "1", Check("agree"))
    assert wanted(context, spec(stocked)).key != first
    with pytest.raises(Refused, match="no set number 99"):
        wanted(context, spec(99))


def test_a_broken_file_is_made_again(context: Context, stocked: int) -> None:
    found = wanted(context, spec(stocked))
    overview(context, spec(stocked))
    for file in (context.settings.data / "previews").iterdir():
        file.write_text('{"form": 1', "utf-8")
    assert kept_overview(context, found) is None
    assert len(overview(context, spec(stocked)).entries) == 40
    assert example(context, spec(stocked), 3).at == 3


def test_old_previews_are_taken_away(context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_critic, "_FILES", 2)
    overview(context, spec(stocked))
    assert len(list((context.settings.data / "previews").iterdir())) == 2


def test_a_base_without_a_chat_template_still_shows_the_data(context: Context, stocked: int, tmp_path: Path) -> None:
    bare = shutil.copytree(STARTER, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    found = overview(context, spec(stocked, base=str(bare)))
    assert "no chat template" in found.problem
    assert (len(found.entries), found.entries[0].tokens) == (40, None)
    lines = check(context, spec(stocked, base=str(bare)), found)
    assert levels(lines)["tokens"] == "blocking"
    with pytest.raises(Refused, match="no chat template"):
        example(context, spec(stocked, base=str(bare)), 0)


def _checked(context: Context, set_id: int, key: str, check: Check) -> None:
    tree_id = overview(context, spec(set_id)).origins[0].tree
    target, _ = checks.one(context.database, tree_id, key)
    assert target
    saved = checks.save(context.database, (tree_id, key, target.digest), check, "Ada", f"{key} {check}", context.now())
    assert isinstance(saved, checks.Event), saved


def test_checks_that_apply_are_counted(context: Context, stocked: int) -> None:
    _checked(context, stocked, "1", Check("partly", score=0.2))
    _checked(context, stocked, "2", Check("wrong"))
    _checked(context, stocked, "3", Check("agree"))
    _checked(context, stocked, "4", Check("agree"))
    _checked(context, stocked, "4", Check(""))
    with context.database.write() as connection:
        connection.exec_driver_sql("UPDATE node SET thought = 'changed' WHERE key = '3' AND tree_id = 1")
    found = overview(context, spec(stocked))
    assert found.checked == Counts(labels=1, corrected=1, left_out=1, disputed=0, stale=1)
    assert (len(found.entries), found.entries[0].score) == (40, 0.8)
    corrected = overview(context, spec(stocked, corrections=True))
    assert (len(corrected.entries), corrected.entries[0].score) == (39, 0.2)
    shown = example(context, spec(stocked, corrections=True), 0)
    assert "SCORE: 0.2" in "".join(text for text, part in shown.tokens if part)


def test_a_web_server_previews_without_torch(context: Context, stocked: int) -> None:
    code = f"""
import os, sys
from starlette.testclient import TestClient
from app.context import open_context
from app.main import create_app
from app.settings import read_settings
with TestClient(create_app(open_context(read_settings(os.environ))), base_url="http://127.0.0.1:7860") as client:
    spec = {{"kind": "critic", "name": "C", "set": {stocked}}}
    seen = client.post("/api/critic/preview", json={{"spec": spec}}).json()
    shown = client.post("/api/critic/example", json={{"spec": spec, "at": 39}}).json()
    lines = client.post("/api/critic/preflight", json={{"spec": spec}}).json()
print(seen["examples"], shown["at"], lines["blocked"], [name for name in ("torch", "transformers") if name in sys.modules])
"""
    environment = {"SUBTEXT_DATA": str(context.settings.data), "SUBTEXT_STARTER_SET": "0", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=TOP, env=environment
    )
    assert done.stdout == "40 39 False []\n", done.stderr


def test_many_who_ask_at_once_are_answered_by_one_process(
    context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    async def apart(own: Context, wished: CriticSpec, at: int) -> None:
        ran.append(at)
        await asyncio.sleep(0.05)
        preview_critic.make(own, wanted(own, wished), at)

    monkeypatch.setattr(preview_critic, "_apart", apart)

    async def all_of_them() -> list[Any]:
        previews = Previews(context)
        return await asyncio.gather(*(previews.overview(spec(stocked, seed=seed)) for seed in range(5)))

    assert len({len(found.entries) for found in asyncio.run(all_of_them())}) == 1
    assert ran == [0]


def test_a_preview_that_takes_too_long_is_ended(
    context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_critic, "APART_S", 0.01)
    with pytest.raises(Refused, match="took more than"):
        asyncio.run(Previews(context).overview(spec(stocked)))


def test_a_training_that_is_blocked_does_not_start(client: TestClient, context: Context, write: Write) -> None:
    set_id = import_files(context, [write("bad.json", [deeppref()])]).set_id
    body = {"spec": spec(set_id or 0).model_dump()}
    told = client.post("/api/critic/train", json=body).json()
    assert (told["id"], told["blocked"]) == (None, True)
    assert "data" in {line["name"] for line in told["lines"] if line["level"] == "blocking"}
    assert jobs.page(context.database) == []
    missing = {"spec": body["spec"] | {"base": "nowhere"}}
    assert client.post("/api/critic/preview", json=missing).json()["refused"].startswith("There is no checkpoint in")
    assert client.post("/api/critic/train", json=missing).json()["lines"][0]["level"] == "blocking"
    assert jobs.page(context.database) == []


def test_a_training_starts_with_what_was_shown(client: TestClient, context: Context, stocked: int) -> None:
    form = client.get("/api/critic").json()
    assert form["presets"]["paper"]["lora_rank"] == 16
    body = {"spec": spec(stocked, updates=2).model_dump()}
    told = client.post("/api/critic/train", json=body).json()
    assert told["blocked"] is False
    assert actions.one(context, told["id"]).spec == body["spec"]


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("preview", {"spec": {"kind": "critic", "name": "C", "set": 0}}, 400),
        ("preview", {"spec": {"kind": "doctor"}}, 400),
        ("preflight", {"spec": {"kind": "critic", "name": "C", "set": 99}}, 400),
        ("example", {"spec": {"kind": "critic", "name": "C", "set": 1}, "at": -1}, 422),
        ("example", {"spec": {"kind": "critic", "name": "C", "set": 1}, "at": 1 << 40}, 422),
        ("train", {"spec": []}, 422),
    ],
)
def test_requests_that_make_no_sense(client: TestClient, route: str, body: dict[str, Any], status: int) -> None:
    assert client.post(f"/api/critic/{route}", json=body).status_code == status


def _broken(folder: Path, what: str) -> None:
    weights, config = folder / "model.safetensors", folder / "config.json"
    match what:
        case "no weights":
            weights.unlink()
        case "no tokenizer":
            (folder / "tokenizer_config.json").unlink()
        case "config is prose":
            config.write_text("hello", "utf-8")
        case "config is a list":
            config.write_text("[]", "utf-8")
        case "config is deep":
            config.write_text("[" * 100_000, "utf-8")
        case "weights are cut":
            weights.write_bytes(weights.read_bytes()[:100])
        case "weights are empty":
            weights.write_bytes(b"")
        case _:
            weights.write_bytes((1 << 62).to_bytes(8, "little") + b"{}")


@pytest.mark.parametrize(
    "what",
    ["no weights", "no tokenizer", "config is prose", "config is a list", "config is deep", "weights are cut",
     "weights are empty", "weights lie"],
)  # fmt: skip
def test_a_broken_base_is_a_sentence(context: Context, stocked: int, tmp_path: Path, what: str) -> None:
    folder = shutil.copytree(STARTER, tmp_path / "broken")
    _broken(folder, what)
    first = without_base(context, spec(stocked, base=str(folder)))[0]
    assert (first.name, first.level) == ("base", "blocking")
    assert str(folder) in first.text


def test_the_starter_model_is_read_as_it_is() -> None:
    net = shape_of(STARTER)
    assert (net.width, net.layers, net.vocabulary) == (256, 5, 3072)
    assert 4.2e6 < net.parameters < 4.3e6


def test_everything_is_looked_at(context: Context, stocked: int) -> None:
    lines = check(context, spec(stocked, report_to=["tensorboard"], device="cuda"), overview(context, spec(stocked)))
    assert {"base", "data", "split", "tokens", "versions", "memory", "disk", "time"} <= set(levels(lines))
    fine = check(context, spec(stocked), overview(context, spec(stocked)))
    assert set(levels(fine).values()) == {"ok"}, fine


def test_a_tracker_that_is_missing_blocks(context: Context, stocked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.preflight.util.find_spec", lambda name: None)
    lines = check(context, spec(stocked, report_to=["trackio"]), overview(context, spec(stocked)))
    assert levels(lines)["trackio"] == "blocking"
    assert "pip install trackio" in lines[-2].text


def test_pins_are_those_of_the_package() -> None:
    found = pins(["torch==2.13.0; extra == 'train'", 'trl==1.16.0; extra == "train"', "torchvision==1", "peft"])
    assert (found["torch"], found["trl"], found["peft"]) == ("==2.13.0", "==1.16.0", "")


def test_the_pace_of_an_earlier_training_is_used(context: Context, stocked: int) -> None:
    done = spec(stocked, lora_rank=0)
    job_id = actions.enqueue(context, done)
    claimed = jobs.claim(context.database, "w", Place("gpu", "cpu", 1), context.now())
    assert claimed
    numbers = [Metric(9, "num_tokens", 60_000.0), Metric(9, "train_runtime", 70.0), Metric(9, "eval_runtime", 10.0)]
    jobs.report(context.database, job_id, 1, None, numbers, context.now())
    jobs.finish(context.database, job_id, 1, End("done", "Done."), context.now())
    line = check(context, done, overview(context, done))[-1]
    assert f"at the pace of job {job_id} (1,000 tokens a second)" in line.text


def test_the_commands(
    context: Context, stocked: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    assert main(["critic", "preview", str(stocked), "--example", "2"]) == 0
    told = capsys.readouterr().out
    assert "train\t36 steps of 9 scenarios" in told
    assert "score (" in told
    assert main(["critic", "preview", str(stocked), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["example"]["at"] == 0
    assert main(["critic", "train", str(stocked), "--check", "--max-length", "100"]) == 1
    seen = capsys.readouterr()
    assert "BLOCKING  tokens: 40 examples have more than 100 tokens" in seen.out
    assert "not started" in seen.err
    assert main(["critic", "train", str(stocked), "--spec", "--updates", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["updates"] == 3
    assert jobs.page(context.database) == []


def _parsed(given: tuple[str, ...]) -> CriticSpec:
    parser = argparse.ArgumentParser()
    critic.add(parser.add_subparsers())
    return critic.spec_of(parser.parse_args(["critic", *given]))


def test_the_command_line_makes_the_same_spec() -> None:
    rng = random.Random(4)
    own: dict[str, Any] = {
        "name": ["C", "-x", "a b 'c' \"d\" $e", "--set=4"], "base": ["", "model:12", "/a b/c"], "lora_rank": [0, 8, 16],
        "learning_rate": [2e-5, 1e-7, 0.3], "epochs": [1.0, 0.5], "updates": [0, 2], "corrections": [True, False],
        "report_to": [[], ["trackio"], ["wandb", "tensorboard"]], "device": ["auto", "cpu"], "held_out": [0.0, 0.25],
    }  # fmt: skip
    for _ in range(200):
        some = {name: rng.choice(values) for name, values in own.items() if name == "name" or rng.random() < 0.5}
        spec = critic_preset(rng.choice(list(CRITIC_PRESETS)), set=7, **some)
        assert _parsed(arguments(spec)) == spec


def test_bases_that_are_at_hand_are_offered(client: TestClient, context: Context) -> None:
    mine = context.settings.data / "models" / "mine"
    shutil.copytree(STARTER, mine, ignore=shutil.ignore_patterns("__pycache__"))
    model = register(context, NewModel(mine, "Registered <b>"))
    bases = client.get("/api/critic").json()["bases"]
    assert bases == [
        {"value": f"model:{model.id}", "label": f"Registered <b> (model {model.id})"},
        {"value": "mine", "label": "mine"},
    ]
