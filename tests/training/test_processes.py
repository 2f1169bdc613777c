"""A policy trained by two processes is the policy trained by one, and both end together when one is told to."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

import pyarrow.parquet as pq
import torch

from training.models import load
from training.rollouts import FOLDER

TOP = Path(__file__).parents[2]


def run(folder: Path, processes: int, *more: str) -> None:
    launch = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    )
    command = [sys.executable, *launch, "-m", "tests.training.spread", str(folder), *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    ended = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]


def rows(folder: Path) -> dict[tuple[int, int, int], Any]:
    """The stored responses of all processes by update, group and place in the group."""
    files = sorted((folder / FOLDER).glob("*.parquet"))
    return {
        (row["update"], row["group"], row["response"]): row for file in files for row in pq.read_table(file).to_pylist()
    }


def logged(folder: Path, name: str) -> list[float]:
    return [row[name] for row in json.loads((folder / "metrics.json").read_text("utf-8"))["log"] if name in row]


def test_two_processes_make_the_policy_of_one(tmp_path: Path) -> None:
    run(tmp_path / "one", 1)
    run(tmp_path / "two", 2)
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert one.keys() == two.keys() and len(one) == 16
    assert len(list((tmp_path / "two" / FOLDER).glob("update-000001-*.parquet"))) == 2, "each process keeps its own"
    for place, row in one.items():
        other = two[place]
        assert (row["text"], row["scores"], row["query"]) == (other["text"], other["scores"], other["query"])
        assert row["advantages"] == pytest.approx(other["advantages"], abs=1e-5), (
            "whole groups, whatever their width here"
        )
    assert any(any(row["advantages"]) for row in one.values())
    first, second = (load(tmp_path / name / "model", "cpu").model.state_dict() for name in ("one", "two"))
    start = load(Path(TOP / "training" / "starter_model"), "cpu").model.state_dict()
    assert all(torch.allclose(first[name], second[name], atol=2e-6) for name in first)
    assert not all(torch.allclose(first[name], start[name], atol=1e-5) for name in first)
    for name in ("loss", "grad_norm", "step_score", "zero_cdpa", "turned", "unscored"):
        assert logged(tmp_path / "one", name) == pytest.approx(logged(tmp_path / "two", name), rel=1e-4, abs=1e-6), name


def test_all_processes_end_when_one_is_told_to(tmp_path: Path) -> None:
    run(tmp_path, 2, "stop")
    assert not (tmp_path / "model").exists()
    assert (tmp_path / "checkpoints" / "checkpoint-1").is_dir()
    run(tmp_path, 2)
    assert (tmp_path / "model" / "model.safetensors").is_file()
