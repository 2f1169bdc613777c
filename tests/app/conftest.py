"""What the tests of `app` may ask for: a bench for jobs that misbehave."""

from collections.abc import Iterator

import pytest

from app.context import Context, open_context
from app.executor import Attempt, LocalExecutor
from app.settings import Settings
from db import jobs
from tests.app.odd_bench import Bench
from tests.app.peopled import clock, peopled, stocked

__all__ = ["clock", "peopled", "stocked"]


@pytest.fixture
def bench(context: Context) -> Iterator[Bench]:
    settings = Settings(data=context.settings.data, starter_set=False, job_grace=1, devices="cpu")
    made = Bench(open_context(settings))
    yield made
    for one in made.started:
        one.kill()
        one.wait()
    for job in jobs.living(made.context.database):
        LocalExecutor().stop(job.handle, Attempt(made.context.settings.data.resolve() / job.folder, job.attempt))
    made.context.database.close()
