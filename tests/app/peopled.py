"""People for the tests of `app`: a clock, accounts of every role, browsers of their own."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from app import auth
from app.actions.prepare import prepare
from app.context import Context, open_context
from app.main import create_app
from app.settings import Settings

PASSWORD = "correct horse battery"


class Clock:
    """Time that the test moves."""

    def __init__(self) -> None:
        self.at = datetime.fromisoformat("2026-01-05T09:00:00+00:00")

    def __call__(self) -> str:
        return self.at.isoformat(timespec="seconds")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stocked(tmp_path: Any, clock: Clock) -> Iterator[Context]:
    opened = open_context(Settings(data=tmp_path / "data"))
    made = Context(opened.settings, opened.database, opened.blobs, clock)
    prepare(made)
    yield made
    made.database.close()


def browser(context: Context) -> TestClient:
    """A browser of its own, with its own cookies."""
    return TestClient(
        create_app(context), base_url="http://127.0.0.1:7860", raise_server_exceptions=False, follow_redirects=False
    )


def entered(context: Context, name: str, password: str = PASSWORD) -> TestClient:
    """A browser in which somebody has signed in."""
    made = browser(context)
    answer = made.post("/api/session", json={"name": name, "password": password})
    assert answer.status_code == 200, answer.text
    return made


@pytest.fixture
def peopled(stocked: Context) -> Context:
    for name, role in (("Alma", "admin"), ("Rosa", "researcher"), ("Anne", "annotator"), ("Vera", "visitor")):
        auth.add_person(stocked, name, PASSWORD, role)  # type: ignore[arg-type]
    return stocked
