"""The commands of a policy: presets, a training with fields and a chain, answers once and as the best of N."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from app.actions import jobs as actions
from app.actions.respond import Wanted, respond
from app.cli import main
from app.context import Context
from app.engines.endpoint import ROLES, Endpoint
from app.errors import Refused
from tests.answering import kind
from tests.misbehaving import Misbehaving


def replying(body: dict[str, Any]) -> str:
    """A policy whose response depends on the seed, and a critic that likes long steps."""
    user = body["messages"][-1]["content"]
    if kind(body["messages"]) == "critic":
        step = user.split("[[judge this]]\n")[1].split("\n[[/judge")[0]
        return f"Reasoning: It has {len(step)} characters. SCORE: {min(1, len(step) / 100):.2f}"
    seed = body.get("seed") or 0
    return "no marker" if seed == 9 else f"Step 1: {'a' * (1 + 7 * seed % 40)}\nStep 2: {'b' * (seed + 1)}"


def filled(context: Context, server: Misbehaving) -> Context:
    made = Endpoint(server.url, server.model, attempts=1)
    return replace(context, settings=replace(context.settings, engines=MappingProxyType(dict.fromkeys(ROLES, made))))


def test_the_best_of_several_is_chosen_by_the_critic(context: Context) -> None:
    with Misbehaving(answer=replying) as server:
        made = filled(context, server)
        found, best = asyncio.run(respond(made, Wanted("P", "q", 6, seed=4)))
        again, same = asyncio.run(respond(made, Wanted("P", "q", 6, seed=4)))
        single, none = asyncio.run(respond(made, Wanted("P", "q")))
    assert len({one.text for one in found}) == 6, "every response has a seed of its own"
    assert best is not None and (found, best) == (again, same)
    means = [sum(step.score or 0 for step in one.steps) / 2 if one.steps else -1 for one in found]
    assert best.place == means.index(max(means))
    assert found[5].text == "no marker" and found[5].steps == (), "a response without steps is not judged"
    assert len(single) == 1 and none is None
    for count in (0, 65):
        with pytest.raises(Refused, match="1 to 64 responses"):
            asyncio.run(respond(context, Wanted("P", "q", count)))


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("app.commands.policy.start_worker", lambda context: None)
    assert main(["policy", "presets"]) == 0
    assert "cdpa\tCDPA: every token" in capsys.readouterr().out
    assert (
        main(
            ["policy", "train", "cdpa", "1", "--size", "paper", "--with", "updates=7", "--with", "level=step", "--spec"]
        )
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["updates"], told["level"], told["base"]) == (7, "step", "Qwen2.5-7B-Instruct")
    assert main(["policy", "train", "rft", "1", "--name", "R"]) == 0
    assert main(["policy", "train", "cdpa", "1", "--after", "1"]) == 0
    assert "Job 2 is queued" in capsys.readouterr().out
    for wrong, said in (
        (["--with", "updates"], "FIELD=VALUE"),
        (["--with", "colour=red"], "no field 'colour'"),
        (["--after", "9"], "no job 9"),
    ):
        assert main(["policy", "train", "cdpa", "1", *wrong]) == 1
        assert said in capsys.readouterr().err


def test_a_chain_of_commands_names_its_base(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    monkeypatch.setattr("app.commands.policy.start_worker", lambda context: None)
    assert main(["policy", "train", "rft", "1"]) == main(["policy", "train", "cdpa", "1", "--after", "1"]) == 0
    assert actions.one(context, 2).spec["base"] == "job:1"


def test_respond_on_the_command_line(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUBTEXT_DATA", str(context.settings.data))
    monkeypatch.setenv("SUBTEXT_STARTER_SET", "0")
    with Misbehaving(answer=replying) as server:
        for role in ("POLICY", "CRITIC"):
            monkeypatch.setenv(f"SUBTEXT_{role}_URL", server.url)
            monkeypatch.setenv(f"SUBTEXT_{role}_MODEL", server.model)
        assert main(["respond", "P", "q"]) == 0
        assert capsys.readouterr().out == "Step 1: a\nStep 2: b\n"
        assert main(["respond", "P", "q", "--best-of", "3", "--by", "last"]) == 0
        assert "(response 3 of 3, last step score 0.04)" in capsys.readouterr().out
        assert main(["respond", "P", "q", "--best-of", "3", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert sum(one["best"] for one in told) == 1 and all(len(one["scores"]) == 2 for one in told)
        assert main(["respond", "P", "q", "--best-of", "1", "--critic", "x"]) == 0
        assert main(["respond", "P", "q", "--best-of", "2", "--critic", "x"]) == 1
