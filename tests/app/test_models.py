"""Registered models as people handle them: actions, routes and commands; changed, broken and removed folders; hostile texts."""

import re
import shutil
from pathlib import Path

import pytest

from app.actions import jobs as job_actions
from app.actions import models as actions
from app.actions.models import NewModel, register
from app.actions.prepare import prepare
from app.actions.train_critic import base_of
from app.cli import main
from app.context import Context
from app.engines.choices import choices, engine_of, place
from app.engines.roles import checkpoint_digest
from app.errors import Missing, Refused
from core.report_file import HeldOut
from core.specs import BuildSpec, CriticSpec
from db import jobs, models
from tests.app.peopled import browser, entered
from tests.app.reported import checkpoint, trained_critic


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
