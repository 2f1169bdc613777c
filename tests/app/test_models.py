"""Registered models as people handle them: actions, routes and commands; changed, broken and removed folders; hostile texts."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.actions import jobs as job_actions
from app.actions import models as actions
from app.actions.models import Asked, NewModel, register
from app.actions.prepare import prepare
from app.actions.train_critic import base_of
from app.cli import main
from app.context import Context
from app.engines.choices import choices, engine_of, place
from app.engines.endpoint import Endpoint, Local
from app.engines.managed import Exited, Up, known, stop
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Missing, Refused
from app.main import create_app
from core.report_file import HeldOut
from core.specs import BuildSpec, CriticSpec
from db import jobs, models
from tests.app.peopled import browser, entered
from tests.app.reported import checkpoint, trained_critic
from tests.app.test_managed import STAND_IN, until


@pytest.fixture
def served(stocked: Context, tmp_path: Path) -> Iterator[Context]:
    """A context with the starter set whose vLLM is the stand-in; its servers are stopped at the end."""
    program = tmp_path / "python"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    made = replace(stocked, settings=replace(stocked.settings, vllm_python=str(program)))
    yield made
    for running in known(made.settings.data.resolve() / "servers"):
        stop(running, 0.2)


@pytest.fixture
def client(served: Context) -> Iterator[TestClient]:
    with TestClient(create_app(served), base_url="http://127.0.0.1") as made:
        yield made


def test_a_folder_registered_twice_is_one_model(context: Context, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own" / "model")
    first = register(context, NewModel(folder, note="by hand"))
    assert (first.name, first.path, first.kind) == ("own", str(folder), "critic"), (
        "outside of the data folder: absolute"
    )
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert register(context, NewModel(link, "Other name")) == first
    assert [shown.model.id for shown in actions.listing(context)] == [first.id]
    inside = register(context, NewModel(checkpoint(context.settings.data / "models" / "mine")))
    assert (inside.name, inside.path) == ("mine", "models/mine")
    assert place(context, inside) == (context.settings.data / "models" / "mine").resolve()


def test_what_is_no_checkpoint_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases: list[tuple[Path, str]] = [
        (tmp_path / "none", "is no folder that can be read"),
        (tmp_path / "empty", "holds no config.json"),
        (tmp_path / ("x" * 300), "is no folder that can be read"),
        (tmp_path / "half \ud800", "is no folder that can be read"),
    ]
    bare = checkpoint(tmp_path / "bare")
    (bare / "model.safetensors").unlink()
    adapter = checkpoint(tmp_path / "adapter")
    (adapter / "adapter_config.json").write_text("{}")
    odd = checkpoint(tmp_path / "line\nbreak")
    for folder, said in [
        *cases, (bare, "no safetensors file"), (adapter, "merged weights"), (odd, "cannot be printed"), (bare / "config.json", "no folder"),
    ]:  # fmt: skip
        with pytest.raises(Refused, match=said):
            register(context, NewModel(folder, "n"))
    good = checkpoint(tmp_path / "good")
    for changes, said in (
        ({"kind": "judge"}, "critic or policy"),
        ({"name": "x" * 121}, "1 to 120"),
        ({"note": "\x00"}, "printed"),
    ):
        with pytest.raises(Refused, match=said):
            register(context, NewModel(good, **changes))  # type: ignore[arg-type]
    assert actions.listing(context) == []


def test_files_that_changed_say_so_everywhere(context: Context, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "critic")
    model = register(context, NewModel(folder, "C", metrics={"trained": {"mae": 0.1}}))
    assert actions.states(context) == {}
    assert actions.base_folder(context, "model:1") == folder
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert "changed since it was registered" in actions.states(context)[model.id]
    assert "changed since" in actions.one(context, model.id).standing
    for use in (
        lambda: actions.base_folder(context, f"model:{model.id}"),
        lambda: engine_of(context, "critic", f"model:{model.id}"),
        lambda: actions.serve(context, model.id),
        lambda: base_of(context, CriticSpec(name="n", set=1, base=f"model:{model.id}")),
    ):
        with pytest.raises(Refused, match=r"changed since.*subtext models add"):
            use()
    again = register(context, NewModel(folder))
    assert (again.id, again.name, again.metrics, again.digest) == (model.id, "C", {}, checkpoint_digest(folder))
    assert actions.states(context) == {}
    shutil.rmtree(folder)
    assert "no checkpoint any more" in actions.states(context)[model.id]
    assert [one.value for one in choices(context)] == ["", "starter"], "what is gone cannot be chosen"
    with pytest.raises(Refused, match="no checkpoint any more"):
        actions.base_folder(context, f"model:{model.id}")


def test_one_model_with_everything_around_it(stocked: Context) -> None:
    first = trained_critic(stocked)
    second = trained_critic(stocked, "Second", base=place(stocked, first))
    assert second.parents == (first.id,)
    found = actions.one(stocked, first.id)
    assert (found.standing, found.job, [one.id for one in found.children]) == ("", 1, [second.id])
    assert found.spec is not None and found.spec["kind"] == "critic"
    assert isinstance(found.report, HeldOut)
    assert found.report.trained.all.mae == first.metrics["trained"]["mae"]
    assert len(found.report.trained.points) == found.report.trained.all.steps == 90
    assert [one.id for one in actions.one(stocked, second.id).parents] == [first.id]
    for wrong in (0, 99, 1 << 61):
        with pytest.raises(Missing, match="There is no model"):
            actions.one(stocked, wrong)


def test_a_report_belongs_to_its_weights(stocked: Context) -> None:
    model = trained_critic(stocked)
    folder = place(stocked, model)
    with stocked.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM model")
    by_hand = register(stocked, NewModel(folder, "Found"))
    assert (by_hand.job_folder, by_hand.metrics["trained"]) == ("jobs/1", model.metrics["trained"])
    assert isinstance(actions.one(stocked, by_hand.id).report, HeldOut)
    (folder / "model.safetensors").write_bytes(b"other")
    other = register(stocked, NewModel(folder))
    assert (other.id, other.job_folder, other.metrics) == (by_hand.id, "", {})
    register(stocked, NewModel(folder, job_folder=folder.parent))
    assert "about other weights" in str(actions.one(stocked, other.id).report)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot be read"),
        (b'{"base": {}, "trained": {}}', "cannot be read at 'base.all'"),
        (b"\xff" * 100, "cannot be read"),
        (b"[" * 200_000, "cannot be read"),
        (None, "made none, or its folder was deleted"),
    ],
)
def test_a_broken_report_is_a_sentence(stocked: Context, content: bytes | None, said: str) -> None:
    model = trained_critic(stocked)
    file = stocked.settings.data / "jobs" / "1" / "report.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    report = actions.one(stocked, model.id).report
    assert isinstance(report, str) and said in report
    answer = browser(stocked).get(f"/api/models/{model.id}")
    assert (answer.status_code, answer.json()["no_report"], answer.json()["report"]) == (200, report, None)


def test_a_report_is_not_read_through_a_link_and_never_whole_when_huge(stocked: Context, tmp_path: Path) -> None:
    model = trained_critic(stocked)
    file = stocked.settings.data / "jobs" / "1" / "report.json"
    good = file.read_bytes()
    file.unlink()
    (tmp_path / "secret.json").write_bytes(good)
    file.symlink_to(tmp_path / "secret.json")
    assert "made none" in str(actions.one(stocked, model.id).report)
    file.unlink()
    with file.open("wb") as sparse:
        sparse.truncate(1 << 30)
    assert actions.one(stocked, model.id).report == "The held-out report cannot be read: it has more than 64 MiB."


def test_forgetting_keeps_row_and_files_unless_the_name_is_given(stocked: Context) -> None:
    model = trained_critic(stocked, "Tone")
    folder = place(stocked, model)
    with pytest.raises(Refused, match="as it is written: Tone"):
        actions.forget(stocked, model.id, "tone")
    assert actions.forget(stocked, model.id) == "Model 1 (Tone) is forgotten. Its files stay."
    assert (folder / "model.safetensors").is_file()
    assert actions.listing(stocked) == [] and actions.one(stocked, model.id).shown.model.removed_at
    for use in (
        lambda: actions.base_folder(stocked, "model:1"),
        lambda: actions.rename(stocked, 1, "New"),
        lambda: actions.forget(stocked, 1),
    ):
        with pytest.raises(Refused, match="was forgotten"):
            use()
    (folder / "kept").mkdir()
    (folder / "kept" / "inner.txt").write_text("not ours")
    assert actions.forget(stocked, model.id, "Tone").endswith("3 files were deleted, 0.00 GiB.")
    assert [one.name for one in folder.iterdir()] == ["kept"], "only what lies right in the folder"
    assert models.get(stocked.database, 1) is not None


def test_files_are_not_deleted_where_they_are_used_or_not_ours(stocked: Context, tmp_path: Path) -> None:
    outside = register(stocked, NewModel(checkpoint(tmp_path / "outside"), "Out"))
    whole = register(stocked, NewModel(checkpoint(stocked.settings.data), "Data"))
    moved = register(stocked, NewModel(checkpoint(stocked.settings.data / "models" / "moved"), "Moved"))
    shutil.move(stocked.settings.data / "models" / "moved", tmp_path / "elsewhere")
    (stocked.settings.data / "models" / "moved").symlink_to(tmp_path / "elsewhere")
    for model in (outside, whole, moved):
        with pytest.raises(Refused, match="is not a folder of its own below `jobs` or `models`"):
            actions.forget(stocked, model.id, model.name)
        assert (place(stocked, model) / "model.safetensors").is_file()
        assert models.get(stocked.database, model.id) == model, "and it is not forgotten"
    assert (stocked.settings.data / "subtext.db").is_file()
    own = register(stocked, NewModel(checkpoint(stocked.settings.data / "models" / "own"), "Own"))
    job_id = job_actions.enqueue(stocked, BuildSpec(name="b", set=1, critic=f"model:{own.id}"))
    with pytest.raises(Refused, match=rf"Job {job_id} \(queued\) uses model {own.id}"):
        actions.forget(stocked, own.id, "Own")
    jobs.cancel(stocked.database, job_id, "t")
    assert actions.forget(stocked, own.id, "Own").endswith("3 files were deleted, 0.00 GiB.")
    assert not (stocked.settings.data / "models" / "own").exists()


def test_choices_and_what_they_open(served: Context) -> None:
    model = trained_critic(served)
    policy = register(served, NewModel(checkpoint(served.settings.data / "models" / "p"), kind="policy"))
    assert [(one.value, one.label) for one in choices(served)] == [
        ("", "as the settings say (starter model)"),
        ("starter", "the starter model"),
        ("model:1", "Tone critic (model 1)"),
    ]
    assert [one.value for one in choices(served, "policy")] == ["", "starter", f"model:{policy.id}"]
    with_role = replace(
        served, settings=replace(served.settings, engines={**served.settings.engines, "critic": Local(STARTER)})
    )
    assert engine_of(with_role, "critic", "") == Local(STARTER)
    assert engine_of(with_role, "critic", "starter") is None
    assert engine_of(served, "critic", "model:1") == Local(place(served, model))
    for text, said in (
        ("model:99", "no model 99"),
        ("server:4000", "no server of ours on port 4000"),
        ("gpt-4", "chooses no model"),
    ):
        with pytest.raises(Refused, match=said):
            engine_of(served, "critic", text)


def test_a_model_is_served_found_and_chosen(client: TestClient, served: Context) -> None:
    model = trained_critic(served, "Tone & <b>style</b>")
    answer = client.post(f"/api/models/{model.id}/serve", json={})
    assert answer.status_code == 200, answer.text
    running, name = answer.json(), f"Tone-b-style-b-1-{model.digest[:6]}"
    assert (running["name"], running["device"]) == (name, "cpu")
    assert "--max-model-len 2048" in running["command"], "no longer than its config.json allows"
    until(actions.servers.one(served, running["port"]), Up)
    assert client.post(f"/api/models/{model.id}/serve", json={}).json()["port"] == running["port"], "once is enough"
    (row,) = client.get("/api/models").json()["models"]
    assert row["ports"] == [running["port"]]
    choice = f"server:{running['port']}"
    assert choice in [one["value"] for one in client.get("/api/models/choices").json()]
    assert engine_of(served, "critic", choice) == Endpoint(running["url"], name, structured=True)
    assert choice in [one["value"] for one in client.get("/api/build").json()["critics"]]
    refused = client.post(f"/api/models/{model.id}/forget", json={"delete_files": model.name})
    assert "serves model 1. Stop it first." in refused.json()["error"]
    os.kill(running["pid"], 9)
    until(actions.servers.one(served, running["port"]), Exited)
    assert client.get("/api/models").json()["models"][0]["ports"] == []
    with pytest.raises(Refused, match="has ended"):
        engine_of(served, "critic", choice)


def test_a_server_that_still_starts_is_not_asked(served: Context) -> None:
    slow = register(served, NewModel(checkpoint(served.settings.data / "models" / "slow", mode="slow"), "Slow"))
    running = actions.serve(served, slow.id, Asked(max_model_len=512))
    with pytest.raises(Refused, match="is still starting"):
        engine_of(served, "critic", f"server:{running.port}")
    assert choices(served)[-1].label.endswith("still starting")


def test_without_vllm_the_sentence_says_what_to_do(stocked: Context) -> None:
    model = trained_critic(stocked)
    without = replace(stocked, settings=replace(stocked.settings, vllm_python="/no/python"))
    answer = browser(without).post(f"/api/models/{model.id}/serve", json={})
    assert (answer.status_code, answer.json()["error"]) == (400, "There is no program '/no/python' to run vLLM with.")
    assert actions.servers.listed(without) == []


def test_routes(client: TestClient, served: Context) -> None:
    assert client.get("/api/models").json()["models"] == []
    model = trained_critic(served)
    shown = client.get(f"/api/models/{model.id}").json()
    assert (shown["job"], shown["standing"], shown["data"]["there"], shown["no_report"]) == (1, "", True, "")
    assert shown["report"]["trained"]["points_in_all"] == len(shown["report"]["trained"]["points"]) == 90
    assert shown["report"]["base"]["reasons"] == [["There is no line SCORE: in the reply.", 15]]
    hostile = "<img src=x onerror=alert(1)> ${alert(1)} 🙂"
    answer = client.post(f"/api/models/{model.id}/rename", json={"name": f"  {hostile} ", "note": "a\nb"})
    assert answer.json()["text"] == f"Model 1 is now called {hostile}."
    assert client.get("/api/models").json()["models"][0]["name"] == hostile
    for body, status in (
        ({"name": ""}, 400), ({"name": "x" * 121}, 400), ({"name": "x" * 5000}, 422), ({"name": "a\u0000"}, 400), ({"name": "n", "note": "\u0007"}, 400),
        ({"name": "n", "path": "/"}, 422), ({"name": 7}, 422), ({}, 422),
    ):  # fmt: skip
        assert client.post(f"/api/models/{model.id}/rename", json=body).status_code == status, body
    assert client.post(f"/api/models/{model.id}/serve", json={"device": "tpu"}).status_code == 400
    assert client.post(f"/api/models/{model.id}/serve", json={"python": "/bin/sh"}).status_code == 422
    assert client.post(f"/api/models/{model.id}/forget", json={"delete_files": "wrong"}).status_code == 400
    assert client.get("/api/models/99").status_code == 404
    assert client.get("/api/models/choices", params={"kind": "judge"}).status_code == 422
    assert client.post(f"/api/models/{model.id}/forget", json={}).json()["text"].endswith("Its files stay.")
    assert client.get(f"/api/models/{model.id}").json()["removed_at"]


def test_many_points_are_thinned_and_said(client: TestClient, served: Context) -> None:
    model = trained_critic(served)
    file = served.settings.data / "jobs" / "1" / "report.json"
    told = json.loads(file.read_bytes())
    told["trained"]["points"] *= 40
    told["trained"]["reasons"] = {f"reason {n}": n for n in range(100)}
    file.write_text(json.dumps(told))
    own = client.get(f"/api/models/{model.id}").json()["report"]["trained"]
    assert (own["points_in_all"], len(own["points"])) == (3600, 900)
    assert (own["reasons"][0], len(own["reasons"]), own["reasons_left"]) == (["reason 99", 99], 30, 70)


def test_models_are_for_researchers(peopled: Context) -> None:
    trained_critic(peopled)
    paths = ("/api/models", "/api/models/states", "/api/models/choices", "/api/models/1")
    for name, status in (("Anne", 403), ("Vera", 403), ("Rosa", 200), ("Alma", 200)):
        signed = entered(peopled, name)
        assert {signed.get(path).status_code for path in paths} == {status}, name
        assert signed.get("/models").status_code == (200 if status == 200 else 303)
        if status == 403:
            for path in ("rename", "forget", "serve"):
                assert signed.post(f"/api/models/1/{path}", json={"name": "x"}).status_code == 403
    assert browser(peopled).get("/api/models").status_code == 401


def test_the_estimate_of_a_build_checks_the_critic(client: TestClient, served: Context) -> None:
    for critic, said in (
        ("model:9", "no model 9"),
        ("elsewhere", "chooses no model"),
        ("server:4000", "no server of ours"),
    ):
        answer = client.post(
            "/api/build/estimate", json={"spec": {"kind": "build", "name": "b", "set": 1, "critic": critic}}
        )
        assert (answer.status_code in (400, 404), said in answer.json()["error"]) == (True, True), critic
    trained_critic(served)
    good = client.post(
        "/api/build/estimate", json={"spec": {"kind": "build", "name": "b", "set": 1, "critic": "model:1"}}
    )
    assert good.status_code == 200


def test_the_commands(
    stocked: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(stocked.settings.data))

    def said(*words: str, status: int = 0) -> str:
        assert main(["models", *words]) == status
        told = capsys.readouterr()
        return told.err if status else told.out

    model = trained_critic(stocked)
    assert said().startswith("policy\tstarter model")
    assert "\n1\tTone critic\tcritic\tstarter\tStarter set v1\t0." in said("list")
    assert said("list", "--kind", "policy").count("\n") == 1
    shown = said("show", "1")
    assert re.search(r"^all\ttrained\t90\t0\.03\t0\.\d\d\t0\.\d\d\t0\.\d\d$", shown, re.MULTILINE)
    assert re.search(r"^unscored\t-0\.13\tbetter$", shown, re.MULTILINE)
    assert "set 1, Starter set v1" in shown and "job\t1\t{" in shown and model.digest in shown
    folder = checkpoint(tmp_path / "own")
    assert "Model 2 is registered" in said("add", str(folder), "--name", "By hand", "--note", "n")
    assert "no held-out report" in said("show", "2")
    assert "is now called Better" in said("add", str(folder), "--name", "Better")
    assert "holds no config.json" in said("add", str(tmp_path), status=1)
    assert "is now called Best" in said("rename", "2", "Best", "--note", "m")
    assert "give the model's name" in said("remove", "1", "--delete-files", "Tone", status=1)
    assert "Its files stay" in said("remove", "2")
    assert "files were deleted" in said("remove", "1", "--delete-files", "Tone critic")
    assert "There is no model 9" in said("show", "9", status=1)
    assert said("forget-replies") == "Forgot 0 kept replies.\n"
    with pytest.raises(SystemExit):
        main(["models", "forget"])


def test_exports_are_written_whole_by_every_command(
    stocked: Context, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(stocked.settings.data))
    prepare(stocked)
    (tmp_path / "file").write_text("")
    for words in (("export", "1"), ("export", "2")):
        assert main([*words]) == 0
        printed = capfdbinary.readouterr().out
        assert main([*words, "--output", str(tmp_path / "out")]) == 0
        assert (tmp_path / "out").read_bytes() == printed
        for bad in ("no/out", "file/out"):
            assert main([*words, "--output", str(tmp_path / bad)]) == 1
            assert b"could not be written" in capfdbinary.readouterr().err
    assert main(["checks", "export", "--output", str(tmp_path / "no" / "out")]) == 1
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.endswith(".part")) == []
