"""Which devices a worker gives a job of several processes: as many as processes, in the order of the queue."""

from collections.abc import Iterator

import pytest

from app.actions import jobs as actions
from app.context import Context, open_context
from app.executor import Attempt, Command
from app.settings import Settings
from app.worker import Worker
from core.specs import SFTSpec
from db import jobs
from db.jobs import End


class Idle:
    """An executor that starts nothing: a job runs until its row says otherwise. Remembers the devices of each."""

    def __init__(self) -> None:
        self.devices: dict[str, str] = {}
        self.over: set[str] = set()

    def start(self, command: Command, attempt: Attempt) -> str:
        self.devices[attempt.folder.name] = command.environment["CUDA_VISIBLE_DEVICES"]
        return f"idle:{attempt.folder.name}"

    def alive(self, handle: str) -> bool:
        return handle not in self.over

    def ask(self, handle: str) -> None: ...

    def stop(self, handle: str, attempt: Attempt) -> str:
        return ""

    def ended(self, handle: str) -> str:
        return ""

    def log(self, handle: str, attempt: Attempt) -> None: ...


@pytest.fixture
def four(context: Context) -> Iterator[Context]:
    made = open_context(Settings(data=context.settings.data, starter_set=False, devices="0,1,2,3"))
    yield made
    made.database.close()


def put(context: Context, processes: int, device: str = "auto") -> str:
    return str(actions.enqueue(context, SFTSpec(name="S", set=1, processes=processes, accumulate=48, device=device)))  # type: ignore[arg-type]


def finish(context: Context, executor: Idle, job_id: str) -> None:
    jobs.finish(context.database, int(job_id), 1, End("done", ""), context.now())
    executor.over.add(f"idle:{job_id}")


def test_a_job_gets_as_many_devices_as_processes_and_is_not_overtaken(four: Context) -> None:
    executor = Idle()
    worker = Worker(four, executor=executor)
    one, three, two, last = (put(four, count) for count in (1, 3, 2, 1))
    worker.turn()
    assert executor.devices == {one: "0", three: "1,2,3"}
    finish(four, executor, one)
    worker.turn()
    assert set(executor.devices) == {one, three}, (
        "one device is free, but the next job needs two; the last one waits behind it"
    )
    finish(four, executor, three)
    worker.turn()
    assert executor.devices[two] == "0,1" and executor.devices[last] == "2"


def test_a_job_that_wants_more_than_there_are_gets_all_and_the_cpu_takes_one(four: Context) -> None:
    executor = Idle()
    worker = Worker(four, executor=executor)
    small, huge = put(four, 8, "cpu"), put(four, 6)
    worker.turn()
    assert executor.devices == {small: "0"}
    finish(four, executor, small)
    worker.turn()
    assert executor.devices[huge] == "0,1,2,3", "the job itself then says that it has too few"


def test_on_the_cpu_any_number_of_processes_is_one_job(context: Context) -> None:
    made = open_context(Settings(data=context.settings.data, starter_set=False, devices="cpu"))
    executor = Idle()
    worker = Worker(made, executor=executor)
    first, second = put(made, 4), put(made, 1)
    worker.turn()
    assert executor.devices == {first: ""} and jobs.taken(made.database, "gpu") == {"cpu"}
    finish(made, executor, first)
    worker.turn()
    assert executor.devices[second] == ""
    made.database.close()
