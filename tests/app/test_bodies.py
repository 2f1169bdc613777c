"""A request's body is bounded before anybody looks into it, signed in or not, whether it says its length or not."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from app.context import Context
from app.guard import MOST_BYTES
from app.main import create_app


@pytest.fixture
def web(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.mark.parametrize("address", ["/api/respond", "/api/session", "/api/evaluations/preflight", "/api/attention"])
def test_a_body_that_is_too_large_is_refused(web: TestClient, address: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"preference": "'
        yield from (b"x" * (1 << 20) for _ in range(20))

    for body in (b"x" * (MOST_BYTES + 1), pieces()):
        answer = web.post(address, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 413 and "16 MiB" in answer.text, answer.text
    assert web.post(address, json={}).status_code != 413


def test_files_have_bounds_of_their_own(web: TestClient) -> None:
    answer = web.post("/api/uploads?name=large.jsonl", content=b"\n" * (MOST_BYTES + 1))
    assert answer.status_code == 200, answer.text
