"""The Jobs routes and commands: orders of people, logs by byte, files and nothing else, a thousand jobs, a killed server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.actions import jobs as actions
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.executor import job_command
from app.main import create_app
from app.settings import Settings
from core.specs import KINDS, DoctorSpec, ExportSpec
from db import jobs
from db.jobs import End, Metric, Place, Report
from tests.ui.conftest import Server

TOP = Path(__file__).parents[2]


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def put(context: Context, status: str = "queued", log: bytes | None = None) -> int:
    """A job in a status, with a log; no process runs."""
    job_id = actions.enqueue(context, ExportSpec(set=1))
    if status == "queued":
        return job_id
    job = jobs.claim(context.database, "1:1:gone", Place("light", "", 10_000), context.now())
    assert job is not None
    if status != "running":
        jobs.finish(context.database, job.id, 1, End(status, f"It is {status}."), context.now())  # type: ignore[arg-type]
    folder = context.settings.data / job.folder
    folder.mkdir(parents=True)
    if log is not None:
        (folder / "log.txt").write_bytes(log)
    return job.id


def test_orders(client: TestClient, context: Context) -> None:
    assert client.post("/api/jobs", json={"spec": {"kind": "doctor"}}).json() == {"id": 1}
    assert client.post("/api/jobs", json={"spec": {"kind": "export", "set": 1}, "after": 1}).json() == {"id": 2}
    for body, sentence in [
        (
            {"spec": {"kind": "x"}},
            "The job has the kind 'x'. Kinds: doctor, export, build, critic, sft, tpo, policy, evaluate, simulate, attention.",
        ),
        ({"spec": {"kind": "doctor", "x": 1}}, "There is no field 'x' in a job of kind doctor. It has no fields."),
        ({"spec": {"kind": "doctor"}, "after": 9}, "There is no job 9 to wait for."),
    ]:
        answer = client.post("/api/jobs", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, sentence)
    assert client.post("/api/jobs", json={"spec": []}).status_code == 422
    assert client.post("/api/jobs", json={"spec": {"kind": "doctor"}, "after": -1}).status_code == 422
    found = client.get("/api/jobs").json()
    assert [job["id"] for job in found["jobs"]] == [2, 1]
    assert (found["counts"]["queued"], found["worker"], found["kinds"]) == (2, False, list(KINDS))
    assert client.post("/api/jobs/1/cancel").json() == {"text": "Job 1 is cancelled before it started."}
    assert client.get("/api/jobs/2").json()["job"]["message"] == "Job 1, which this one waited for, was cancelled."
    assert client.post("/api/jobs/1/retry").json()["id"] == 3
    assert client.get("/api/jobs/3").json()["job"]["retry_of"] == 1
    refused = client.post("/api/jobs/2/resume")
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "Job 1, which this one would wait for, is cancelled. Resume that one first.",
    )
    assert client.post("/api/jobs/3/retry").status_code == 400
    assert client.get("/api/jobs/99").json()["error"].startswith("There is no job 99")


def test_the_command_shown_is_the_command_run(client: TestClient, context: Context) -> None:
    job_id = put(context)
    shown = client.get(f"/api/jobs/{job_id}").json()["job"]["command"]
    assert shown == job_command(context.settings.data, job_id, 1, "").line()
    done = subprocess.run(shown, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, "is not to be run" in done.stderr) == (2, True), (
        "a queued job is started by its worker alone"
    )


def test_what_is_shown_of_a_job(client: TestClient, context: Context) -> None:
    job_id = put(context, "running")
    jobs.report(
        context.database, job_id, 1, Report(40, 100, 2.0, "Half way."), [Metric(1, "loss", float("nan"))], context.now()
    )
    shown = client.get(f"/api/jobs/{job_id}/live").json()
    assert (shown["job"]["eta_seconds"], shown["job"]["message"]) == (30.0, "Half way.")
    assert shown["job"]["can"] == {"cancel": True, "retry": False, "resume": False}
    assert shown["metrics"] == {"loss": [[1, None]]}
    assert not {"worker", "handle"} & set(shown["job"])
    assert "result" not in client.get("/api/jobs").json()["jobs"][0], "a list is not made of results"
    assert client.get(f"/api/jobs/{job_id}/metrics?since=1").json() == {}


def test_a_log_by_byte(client: TestClient, context: Context) -> None:
    text = "".join(f"line {index} ä€😀\n" for index in range(9000))
    job_id = put(context, "done", text.encode())
    got, offset = b"", 0
    while True:
        piece = client.get(f"/api/jobs/{job_id}/log?offset={offset}").json()
        assert len(piece["text"].encode()) <= 1 << 16
        assert piece["offset"] == offset
        got += piece["text"].encode()
        offset = piece["next"]
        if offset >= piece["size"]:
            break
    assert got.decode() == text
    tail = client.get(f"/api/jobs/{job_id}/log").json()
    assert (tail["next"], tail["size"]) == (len(got), len(got))
    assert tail["text"].endswith("line 8999 ä€😀\n")
    assert client.get(f"/api/jobs/{job_id}/log?offset={len(got)}").json()["text"] == ""
    log = context.settings.data / f"jobs/{job_id}/log.txt"
    log.write_bytes(b"begun again\xff")
    shrunk = client.get(f"/api/jobs/{job_id}/log?offset={offset}").json()
    assert (shrunk["offset"], shrunk["text"], shrunk["next"]) == (0, "begun again", 11)
    assert client.get(f"/api/jobs/{job_id}/log?offset=11").json()["text"] == "\ufffd", "a broken byte ends, too"
    log.unlink()
    assert client.get(f"/api/jobs/{job_id}/log?offset=5").json()["gone"].startswith("The log is not there")
    assert client.get(f"/api/jobs/{job_id}/log/search?q=a").status_code == 400
    assert client.get(f"/api/jobs/{job_id}/log?offset=-2").status_code == 422


def test_search_in_a_log_is_bounded(client: TestClient, context: Context) -> None:
    log = b"".join(b"step %d of many\n" % index for index in range(3000)) + b"x" * 3_000_000 + b"\nLAST Word\n"
    job_id = put(context, "done", log)
    found = client.get(f"/api/jobs/{job_id}/log/search?q=of%20many").json()
    assert (len(found["hits"]), found["more"], found["hits"][1]["line"]) == (200, True, 2)
    (hit,) = client.get(f"/api/jobs/{job_id}/log/search?q=last%20WORD").json()["hits"]
    assert log[hit["offset"] :] == b"LAST Word\n"
    assert all(len(item["text"]) <= 400 for item in client.get(f"/api/jobs/{job_id}/log/search?q=xx").json()["hits"])
    assert client.get(f"/api/jobs/{job_id}/log/search?q=").status_code == 422


def test_the_last_traceback_of_a_failed_job_is_shown(client: TestClient, context: Context) -> None:
    log = b"start\nTraceback (most recent call last):\n  File 'x'\n<b>KeyError</b>: 1\nend\n"
    assert (
        client.get(f"/api/jobs/{put(context, 'failed', log)}").json()["traceback"].endswith("<b>KeyError</b>: 1\nend")
    )
    assert client.get(f"/api/jobs/{put(context, 'done', log)}").json()["traceback"] == ""


def test_files_of_the_folder_and_nothing_else(client: TestClient, context: Context, tmp_path: Path) -> None:
    job_id = put(context, "done", b"log")
    other = put(context, "done", b"other")
    folder = context.settings.data / f"jobs/{job_id}"
    (folder / "out" / "deep").mkdir(parents=True)
    (folder / "out" / "deep" / "ä b.txt").write_text("hello")
    (folder / ".lock").write_text("")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (folder / "link.txt").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    listed = client.get(f"/api/jobs/{job_id}/files").json()
    assert listed == [{"path": "log.txt", "size": 3}, {"path": "out/deep/ä b.txt", "size": 5}]

    def get(path: str) -> Any:
        return client.get(f"/api/jobs/{job_id}/file", params={"path": path})

    answer = get("out/deep/ä b.txt")
    assert (answer.text, answer.headers["content-type"]) == ("hello", "application/octet-stream")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in (
        "link.txt", "linked/secret.txt", "pipe", "out", "out/", "/etc/passwd", f"../{other}/log.txt", "out/../log.txt", "./log.txt",
        "..", ".lock", "log.txt\0", "none.txt", f"{secret}", "out//deep/ä b.txt", "../../subtext.db", "..\\log.txt",
    ):  # fmt: skip
        answer = get(path)
        assert answer.status_code == 400, path
        assert "secret" not in answer.text.replace(str(secret), "").replace("secret.txt", "")


def test_a_thousand_queued_jobs(client: TestClient, context: Context) -> None:
    for _ in range(1000):
        put(context)
    first = client.get("/api/jobs").json()
    assert (len(first["jobs"]), first["more"], first["counts"]["queued"]) == (50, True, 1000)
    second = client.get(f"/api/jobs?before={first['jobs'][-1]['id']}&status=queued").json()
    assert second["jobs"][0]["id"] == first["jobs"][-1]["id"] - 1
    assert client.get("/api/jobs?limit=201").status_code == 422
    assert client.get("/api/jobs?status=lost").status_code == 422


def test_the_commands(context: Context, tmp_path: Path) -> None:
    environment = os.environ | {"SUBTEXT_DATA": str(context.settings.data), "SUBTEXT_STARTER_SET": "0"}

    def run(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, cwd=TOP, input=text
        )

    spec = tmp_path / "spec.json"
    spec.write_text('{"kind": "doctor"}')
    done = run("run", str(spec), "--wait")
    assert (done.returncode, done.stderr) == (0, "Job 1 is done: All 10 checks passed.\n")
    assert "done: All 10 checks passed." in done.stdout
    failed = run("run", "-", "--wait", text='{"kind": "export", "set": 7}')
    assert failed.returncode == 1
    assert (
        failed.stderr
        == "Job 2 is failed: There is no set number 7; it may have been deleted. The Data page lists the sets.\n"
    )
    assert run("jobs", "list").stdout.splitlines()[1].startswith("1\tdone\t100%\tdoctor\tlight\t")
    assert [
        json.loads(line)["id"] for line in run("jobs", "list", "--json", "--status", "failed").stdout.splitlines()
    ] == [2]
    assert json.loads(run("jobs", "show", "1").stdout)["result"]["ok"] is True
    assert run("jobs", "logs", "1").stdout == "done: All 10 checks passed.\n"
    assert run("jobs", "cancel", "1").stderr == "Job 1 has ended already: done.\n"
    assert run("jobs", "resume", "1").returncode == 1
    assert run("jobs", "retry", "1").stdout == "Job 3 does the same again.\n"
    assert run("jobs", "logs", "3", "--follow").returncode == 0
    assert "queued again" in run("jobs", "resume", "2").stdout
    assert run("jobs", "show", "99").stderr.startswith("There is no job 99")
    for text, sentence in [
        ("{", "- is no JSON"),
        ('{"kind": 1}', "The job has the kind '1'"),
        ("[" * 9999, "- is no JSON"),
    ]:
        refused = run("run", "-", text=text)
        assert (refused.returncode, refused.stderr[: len(sentence)]) == (1, sentence)
    assert run("run", str(tmp_path / "none.json")).returncode == 1


def test_kill_the_web_server_and_its_jobs_go_on(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    context = open_context(Settings(data=server.data))
    prepare(context)
    environment = os.environ | {"SUBTEXT_DATA": str(server.data)}
    command = [sys.executable, "-m", "tests.app.odd_job", "worker"]
    worker = subprocess.Popen(command, env=environment, cwd=TOP, start_new_session=True)
    server.start()
    try:
        job_id = actions.enqueue(context, ExportSpec(set=1, format="steps 30 0.1"))
        while actions.one(context, job_id).progress_done < 3:
            time.sleep(0.05)
        process = actions.one(context, job_id).handle
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        seen = actions.one(context, job_id).progress_done
        while actions.one(context, job_id).progress_done <= seen:
            time.sleep(0.05)
        server.start()
        found = actions.one(context, job_id)
        assert (found.handle, found.attempt, worker.poll()) == (process, 1, None), (
            "the worker and the job were found again"
        )
        while actions.one(context, job_id).status != "done":
            time.sleep(0.05)
        assert (server.data / f"jobs/{job_id}/ran.txt").read_text().count("\n") == 1
    finally:
        server.stop()
        worker.terminate()
        worker.wait()
        context.database.close()


def test_a_server_has_its_worker_started_again(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    context = open_context(Settings(data=server.data))
    try:
        for _ in range(2):
            job_id = actions.enqueue(context, DoctorSpec())
            while actions.one(context, job_id).status != "done":
                time.sleep(0.05)
            os.kill(int(actions.one(context, job_id).worker.split(":")[0]), signal.SIGKILL)
    finally:
        server.stop()
        context.database.close()
