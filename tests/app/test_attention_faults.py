"""What goes wrong while attention is read: a model that fails, a prompt that does, a tokenizer that does not fit, other weights."""

import json
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

torch = pytest.importorskip("torch", reason="torch is not installed (extra `train`)")

from transformers import AutoTokenizer  # noqa: E402

import training.looking  # noqa: E402
from app.actions.attention_files import lines  # noqa: E402
from app.actions.models import NewModel, register  # noqa: E402
from app.actions.read_attention import read_attention  # noqa: E402
from app.context import Context  # noqa: E402
from app.engines.choices import named_folder  # noqa: E402
from app.engines.roles import STARTER, checkpoint_digest  # noqa: E402
from app.errors import Refused  # noqa: E402
from app.main import create_app  # noqa: E402
from tests.app.test_attention import CASES, Told, a_set, spec  # noqa: E402


def other_tokens(folder: Path) -> Path:
    """The starter model with words in its tokenizer that its weights do not know."""
    shutil.copytree(STARTER, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([*(f"Zermat{place}" for place in range(3100 - len(tokenizer))), "Zermatt"])
    tokenizer.save_pretrained(folder)
    return folder


def test_a_failure_in_the_process_of_a_model_is_a_sentence(context: Context, tmp_path: Path) -> None:
    broken = register(context, NewModel(other_tokens(tmp_path / "odd"), "Odd", "policy"))
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as web:
        for _ in range(5):
            body = {"preference": "I never fly.", "query": "To Zermatt?", "model": f"model:{broken.id}"}
            answer = web.post("/api/attention", json=body)
            assert answer.status_code == 400 and "failed" in answer.json()["error"], answer.text
        healthy = web.post("/api/attention", json={"preference": "I never fly.", "query": "To Zermatt?"})
        assert healthy.status_code == 200, "nothing is still counted as being looked at"


def test_the_reverse_is_what_a_person_says(context: Context) -> None:
    asked = {"preference": "I never fly and hate trains.", "query": "To Rome?", "answer": "Take the night train."}
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as web:
        by_rule, own = (
            web.post("/api/attention", json=asked | more).json() for more in ({}, {"reverse": "I love both."})
        )
        assert by_rule["use"]["reverse"] == f"The opposite of this is true for me: {asked['preference']}"
        assert own["use"]["reverse"] == "I love both."
        assert own["use"]["answer"]["drop"] == by_rule["use"]["answer"]["drop"]
        assert own["use"]["answer"]["drop_other"] != by_rule["use"]["answer"]["drop_other"]
        assert web.get(f"/api/attention/slices/{own['of']}").json()["asked"]["reverse"] == "I love both."


def test_a_model_that_fails_leaves_the_report_of_the_others(context: Context, tmp_path: Path) -> None:
    number, folder, odd = a_set(context, tmp_path), tmp_path / "job", tmp_path / "odd"
    folder.mkdir()
    shutil.copytree(STARTER, odd)
    model = register(context, NewModel(odd, "Odd", "policy"))
    config = json.loads((odd / "config.json").read_text("utf-8"))
    (odd / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 99}), "utf-8")
    model = register(context, NewModel(odd, "Odd", "policy"))
    ordered = spec(number).model_copy(update={"checkpoints": [f"model:{model.id}", "starter"]})
    for _ in range(2):
        with pytest.raises(Refused, match=r"Odd \(model \d\) cannot be read"):
            read_attention(context, ordered, folder, Told())
        told = json.loads((folder / "report.json").read_text("utf-8"))["models"]
        assert [one["read"] for one in told] == [0, 3]
        assert [one["model"] for one in lines(folder)] == [1, 1, 1], "a retry tries the model again"


def test_a_prompt_that_fails_is_left_out(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number, folder = a_set(context, tmp_path), tmp_path / "job"
    folder.mkdir()
    look = training.looking.look

    def short_of_memory(probe: object, asked: object, scenario: str, answer: str = "") -> object:
        if CASES[1][0] in str(asked):
            raise torch.cuda.OutOfMemoryError("no memory left")
        return look(probe, asked, scenario, answer)

    monkeypatch.setattr(training.looking, "look", short_of_memory)
    assert read_attention(context, spec(number), folder, Told()) == {"read": 3, "planned": 3, "unmeasured": 1}
    assert "OutOfMemoryError: no memory left" in lines(folder)[1]["reason"]


def test_what_lies_in_a_folder_now_is_what_is_told(context: Context, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(STARTER, folder)
    model = register(context, NewModel(folder, "Mine", "policy"))
    assert named_folder(context, folder) == (f"Mine (model {model.id})", model.digest)
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    name, digest = named_folder(context, folder)
    assert name == f"Mine (model {model.id}, changed since it was registered)"
    assert digest == checkpoint_digest(folder) != model.digest


def test_a_large_file_is_known_by_blocks_from_all_of_it(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(200 << 20)
    seen = {checkpoint_digest(tmp_path)}
    for place in (0, (100 << 20), (200 << 20) - 1):
        with weights.open("r+b") as file:
            file.seek(place - place % (1 << 20))
            file.write(b"\1" * (1 << 20))
        seen.add(checkpoint_digest(tmp_path))
    assert len(seen) == 4
