"""Jobs of two processes on the CPU, from the worker's own path: the same weights as one, ends without leftovers, model split."""

import json
import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="trl is not installed (extra `train`)")

import torch

from app import rank
from app.actions import jobs as actions
from app.actions.import_data import import_files
from app.actions.launch import order_of
from app.actions.preflight_policy import check
from app.actions.preflight_processes import SERVE
from app.actions.together import _told, layout_of, missing, run_layout
from app.context import Context, open_context
from app.engines.roles import STARTER
from app.errors import Killed, Refused
from app.executor import Attempt, LocalExecutor
from app.order import FOLDER, Fault, Journal, Order, Reading, read_order, write_order
from app.processes import members, named
from app.run import act
from app.settings import Settings
from app.worker import Worker
from core.launching import Layout
from core.policy_specs import PolicySpec
from core.specs import CriticSpec
from db import jobs, models
from db.jobs import Job
from tests.app.odd_bench import gone
from tests.app.test_build import Told
from tests.app.test_critic import record
from tests.app.test_policy import spec
from training.models import load
from training.runs import newest

Write = Callable[[str, object], Path]


@pytest.fixture
def stocked(context: Context, write: Write) -> int:
    set_id = import_files(context, [write("trees.json", [record(number) for number in range(3)])]).set_id
    assert set_id
    return set_id


@pytest.fixture
def patient(context: Context) -> Iterator[Context]:
    """The context of a worker that gives a job a minute to end."""
    settings = Settings(data=context.settings.data, starter_set=False, job_grace=60, devices="cpu")
    made = open_context(settings)
    yield made
    for job in jobs.living(made.database):
        LocalExecutor().stop(job.handle, attempt_of(made, job))
    made.database.close()


def attempt_of(context: Context, job: Job) -> Attempt:
    return Attempt(context.settings.data.resolve() / job.folder, job.attempt)


def until(context: Context, worker: Worker, job_id: int, what: Callable[[Job], Any]) -> Job:
    """Turns of the worker until a job is so."""
    end = time.monotonic() + 240
    while not what(job := actions.one(context, job_id)):
        assert time.monotonic() < end and job.status in ("queued", "running", "cancelling"), log_of(context, job)
        worker.turn()
        time.sleep(0.02)
    return job


def log_of(context: Context, job: Job) -> str:
    file = attempt_of(context, job).folder / "log.txt"
    return f"{job}\n{file.read_text()[-3000:] if file.exists() else ''}"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder, "cpu").model.state_dict()


def assert_alike(one: Path, two: Path) -> None:
    first, second = weights(one / "model"), weights(two / "model")
    assert all(torch.allclose(first[name], second[name], atol=2e-6) for name in first)
    start = weights(STARTER)
    assert not all(torch.allclose(first[name], start[name], atol=1e-5) for name in first), "it learned something"


def test_a_job_of_two_processes_makes_the_weights_of_one(patient: Context, stocked: int, tmp_path: Path) -> None:
    """The model is split (FSDP2 over gloo) and put together again; that whole ones agree is `tests/training/test_processes`."""
    own = {"accumulate": 2, "updates": 2, "report_prompts": 0, "lora_rank": 4}
    alone = act(patient, spec("rft", stocked, **own), tmp_path, Told())
    job_id = actions.enqueue(patient, spec("rft", stocked, processes=2, sharding="fsdp", **own))
    job = until(patient, Worker(patient), job_id, lambda job: job.status == "done")
    assert job.result and job.device == "cpu" and job.attempt == 1
    assert (job.result["whole"], job.result["updates"]) == (True, 2)
    assert job.result["losses"]["eval_loss"] == pytest.approx(alone["losses"]["eval_loss"], rel=1e-5)
    folder = attempt_of(patient, job).folder
    assert_alike(tmp_path, folder)
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    made = models.get(patient.database, job.result["model"])
    assert made is not None and made.name == "rft"
    assert jobs.metrics(patient.database, job.id)["loss"], "the first process's numbers are the job's"
    told = json.loads((folder / "accelerate.yaml").read_text())
    assert (told["num_processes"], told["use_cpu"], told["distributed_type"]) == (2, True, "FSDP")
    log = (folder / "log.txt").read_text()
    assert "accelerate.commands.launch" in log and "-m app.rank" in log
    assert len(list((folder / FOLDER).glob("begun-*"))) == 2


def ended_by_cancel(context: Context, worker: Worker, job: Job) -> Job:
    """Cancel a job; the job as it ended, once nothing of it is left."""
    leader, mark = named(job.handle), attempt_of(context, job).mark
    assert leader is not None and members(leader, mark)
    actions.cancel(context, job.id)
    job = until(context, worker, job.id, lambda job: job.status == "cancelled")
    assert "ended by itself at its next safe point" in job.message, log_of(context, job)
    while not worker.idle():
        worker.turn()
        time.sleep(0.02)
    assert members(leader, mark) == []
    return job


def test_cancel_resume_and_kill_a_job_of_two_processes(patient: Context, stocked: int) -> None:
    """Cancelled while its processes start, it ends at once. One of two killed: it is queued again and goes on. Cancelled later,
    it keeps what was done. Nobody is ever left behind."""
    tiny = {"processes": 2, "group": 2, "prompts": 1, "batch": 1, "updates": 500, "max_new": 40, "critic_tokens": 16}
    job_id = actions.enqueue(patient, spec("cdpa", stocked, save_every=2, keep_every=0, report_prompts=0, **tiny))
    worker, reading = Worker(patient), Reading(patient.settings.data.resolve() / "jobs" / str(job_id))
    job = until(patient, worker, job_id, lambda _: reading.begun())
    ended_by_cancel(patient, worker, job)
    actions.resume(patient, job_id)
    job = until(patient, worker, job_id, lambda job: job.progress_done >= 3)
    folder = attempt_of(patient, job).folder
    ranks = [int((folder / FOLDER / f"begun-{place}").read_text()) for place in (0, 1)]
    os.kill(ranks[1], signal.SIGKILL)
    job = until(patient, worker, job_id, lambda job: job.attempt == 3)
    assert gone(ranks[0]) and gone(ranks[1]), "what the attempt left is ended before the next one begins"
    assert job.restarts == 1
    before = newest(folder / "checkpoints")
    assert before is not None
    job = until(patient, worker, job_id, lambda job: job.progress_done >= 5)
    ended_by_cancel(patient, worker, job)
    after = newest(folder / "checkpoints")
    assert after is not None and int(after.name.split("-")[1]) >= 5, "what was done until the wish is kept"


def test_what_cannot_start_says_why(context: Context, stocked: int, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="on the CPU take fsdp or none"):
        run_layout(Order(spec("rft", stocked), Path(), ([], [])), Layout(2, sharding="deepspeed"), tmp_path, Told())
    with pytest.raises(Refused, match="cannot be shared out among 3 processes"):
        run_layout(Order(spec("rft", stocked), Path(), ([], [])), Layout(3), tmp_path, Told())
    lacking = missing(Layout(2, sharding="deepspeed", gpu=True))
    assert lacking == "" or lacking.startswith("Sharding by deepspeed needs deepspeed, which is not installed")
    assert layout_of(context, spec("rft", stocked, processes=2, accumulate=2)).processes == 2


def test_an_order_comes_back_as_it_was(context: Context, stocked: int, tmp_path: Path) -> None:
    critic = CriticSpec(name="C", set=stocked, held_out=0.34)
    for training in (spec("cdpa", stocked), spec("rft", stocked), spec("tpo", stocked), critic):
        order = order_of(context, training, tmp_path)
        write_order(tmp_path, order)
        assert read_order(tmp_path) == order and order.rows[0]
        assert repr(read_order(tmp_path).rows) == repr(order.rows), "what a run is known by does not change on the way"


def test_how_an_end_is_read(tmp_path: Path) -> None:
    """A sentence before a crash, a crash before what followed from it; no word at all is a killed process."""

    def end(*faults: tuple[int, Fault], cancelled: bool = False) -> Any:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for place in (0, 1):
            Journal(folder, place).begun()
        for place, fault in faults:
            Journal(folder, place).fault(fault)
        return _told(1, Reading(folder), Told(stop_after=-1) if cancelled else Told(), 3, folder)

    lost, crashed, refused = Fault("lost", "peer"), Fault("crashed", "KeyError: 'x'"), Fault("refused", "Too long.")
    with pytest.raises(Refused, match=r"^Too long\.$"):
        end((0, crashed), (1, refused))
    with pytest.raises(RuntimeError, match="KeyError: 'x'"):
        end((0, lost), (1, crashed))
    for faults in ([], [(0, lost)]):
        with pytest.raises(Killed, match="ended without a word"):
            end(*faults)
    assert end(cancelled=True) == {"whole": False, "updates": 3, "planned": 0}
    with pytest.raises(Refused, match="accelerate could not start the processes"):
        _told(1, Reading(tmp_path / "nothing"), Told(), 0, tmp_path)


def test_a_journal_is_read_as_it_grows(tmp_path: Path) -> None:
    first, other, reading = Journal(tmp_path, 0), Journal(tmp_path, 1), Reading(tmp_path)
    assert reading.new() == [] and not first.cancelled()
    first.progress(1, 4, "Update 1.")
    other.progress(9, 9, "nobody reads this")
    with (tmp_path / FOLDER / "journal.jsonl").open("a") as half:
        half.write('{"metric": [1, "lo')
        half.flush()
        assert reading.new() == [{"progress": [1, 4, "Update 1."]}]
        half.write('ss", NaN]}\n')
    assert len(reading.new()) == 1 and reading.new() == []
    reading.stop()
    assert first.cancelled() and other.cancelled()


def test_a_process_leaves_its_sentence_or_its_fault(context: Context, stocked: int, tmp_path: Path) -> None:
    """What `accelerate launch` starts, called here: it is one process of one."""
    training = spec("rft", stocked, max_length=64)
    write_order(tmp_path, order_of(context, training, tmp_path))
    assert rank.main([str(tmp_path)]) == 1
    told = Reading(tmp_path).fault()
    assert told is not None and told.kind == "refused" and "have more than 64 tokens" in told.text
    assert rank.main([str(tmp_path / "nowhere")]) == 1
    lost = Reading(tmp_path / "nowhere").fault()
    assert lost is not None and lost.kind == "crashed" and lost.text.startswith("FileNotFoundError")


def test_the_server_that_is_asked_for_is_the_one_that_trl_starts() -> None:
    """TRL's own command is deprecated and starts plain vLLM; these are the arguments it adds."""
    from trl.scripts.vllm_serve import ScriptArguments, build_command

    theirs, ours = build_command(ScriptArguments(model="BASE")), shlex.split(SERVE)
    added = ours[ours.index("BASE") + 1 :]
    assert ours[1:4] == ["vllm", "serve", "BASE"] and len(added) == 6
    for option, value in zip(added[::2], added[1::2], strict=True):
        assert theirs[theirs.index(option) + 1] == value


def test_vllm_without_a_gpu_is_refused_before_anything_is_loaded(
    context: Context, stocked: int, tmp_path: Path
) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for own in ({"vllm": "colocate"}, {"vllm": "server", "vllm_url": "http://127.0.0.1:8000"}):
        training = spec("cdpa", stocked, **own)
        assert isinstance(training, PolicySpec)
        said = {line.name: line for line in check(context, training)}["vllm"]
        assert said.level == "blocking" and said.text.startswith(f"vllm={own['vllm']} needs a GPU: after every update")
        with pytest.raises(Refused, match=f"vllm={own['vllm']} needs a GPU"):
            act(context, training, tmp_path, Told())
    assert list(tmp_path.glob("plan.txt")) == []
