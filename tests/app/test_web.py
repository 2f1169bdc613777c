"""The server as a hostile or careless client meets it: the guard, uploads, imports and the JSON routes, over real HTTP."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.context import Context
from app.main import create_app
from db import sets
from tests.samples import FOREIGN, deeppref


@pytest.fixture
def client(context: Context) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:7860", raise_server_exceptions=False) as made:
        yield made


def upload(client: TestClient, name: str, content: Any) -> str:
    """Upload a file; returns its token."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = client.post("/api/uploads", content=body, headers={"x-file-name": name})
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


def import_file(client: TestClient, file: str, content: Any, **labels: str) -> dict[str, Any]:
    """Upload and import; returns the final state of the import."""
    answer = client.post("/api/imports", json={"uploads": [upload(client, file, content)], **labels})
    assert answer.status_code == 200, answer.text
    for _ in range(400):
        state = client.get(f"/api/imports/{answer.json()['id']}").json()
        if state["done"]:
            return state
        time.sleep(0.02)
    raise AssertionError("the import does not end")


def test_pages_answer_with_the_guards_headers(client: TestClient) -> None:
    for path in ("/", "/data", "/trees", "/trees?scenario=1&node=2", "/ui/base.js", "/api/home"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "script-src-attr 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:7860"},
    ],
)
def test_requests_from_elsewhere_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    for answer in (
        client.get("/api/home", headers=headers),
        client.post("/api/uploads", content=b"x", headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.json()["error"].endswith(".")
        assert "access-control-allow-origin" not in answer.headers


def test_a_link_from_another_site_opens_a_page(client: TestClient) -> None:
    assert client.get("/trees?scenario=1", headers={"sec-fetch-site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd", "/gradio_api/file%3D/etc/passwd", "/gradio_api/upload", "/gradio_api/call/x",
        "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/proxy=http://evil.example/", "/gradio_api/component_server",
        "/gradio_api/stream/x", "/gradio_api/deep_link",
    ],
)  # fmt: skip
def test_gradios_own_doors_are_shut(client: TestClient, path: str) -> None:
    for answer in (client.get(path), client.post(path, json={})):
        assert answer.status_code in (403, 404, 405)
        assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path", ["/ui/__init__.py", "/ui/../app/main.py", "/ui/%2e%2e/pyproject.toml", "/file=/etc/passwd", "/docs"]
)
def test_only_assets_are_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 or "<!doctype html" in answer.text.lower()
    assert "import" not in answer.text.split("\n")[0]


def test_gradio_knows_it_was_launched(client: TestClient) -> None:
    """Without the flag, Gradio serves any file of the machine through an input that echoes a path."""
    mounted = next(route for route in client.app.routes if getattr(route, "path", None) == "")  # type: ignore[attr-defined]
    assert mounted.app.get_blocks().has_launched is True


def test_upload_preview_import_open_export_delete(client: TestClient) -> None:
    token = upload(client, "mine.json", [deeppref(), {"thought_tree": {}}])
    found = client.get(f"/api/uploads/{token}/preview").json()
    assert (found["label"], found["records"], found["problems"]) == ("DeepPref trees", 1, 1)
    state = import_file(client, "mine.json", [deeppref(), {"thought_tree": {}}], name="Mine")
    assert state["text"] == "Imported 1 record with 1 tree and 5 nodes into Mine v1; 1 problem."
    (listed,) = client.get("/api/sets").json()
    assert (listed["name"], listed["label"]) == ("Mine", "DeepPref trees")
    detail = client.get(f"/api/sets/{listed['id']}").json()
    assert detail["problem_list"][0]["where"] == "record 2"
    assert {"deeppref", "subtext", "parquet", "trl_preference", "original"} <= {
        item["name"] for item in detail["formats"]
    }
    (row,) = client.get("/api/scenarios").json()["rows"]
    shown = client.get(f"/api/scenarios/{row['id']}").json()
    assert [node["key"] for node in shown["tree"]["nodes"]] == ["0", "1", "2", "3", "4"]
    assert shown["tree"]["best"] == "3"
    node = client.get(f"/api/scenarios/{row['id']}/node", params={"key": "4"}).json()
    assert (node["score"], node["band"]) == (-0.9, "harmful")
    exported = client.get(f"/api/sets/{listed['id']}/export?format=deeppref")
    assert exported.json() == [deeppref()]
    assert "attachment" in exported.headers["content-disposition"]
    wrong = client.post(f"/api/sets/{listed['id']}/delete", json={"confirm": "no"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "To delete this set, type its name: Mine.")
    assert client.post(f"/api/sets/{listed['id']}/delete", json={"confirm": "Mine"}).status_code == 200
    assert client.get("/api/sets").json() == []


def test_refused_imports_say_why_and_store_nothing(client: TestClient, context: Context) -> None:
    state = import_file(client, "bad.json", b"{")
    assert state["failed"]
    assert state["text"].startswith("Nothing in bad.json can be imported: This is not valid JSON")
    assert sets.all_sets(context.database) == []
    assert list((context.settings.data / "blobs" / "incoming").iterdir()) == []


def test_an_upload_over_the_limit_is_refused(context: Context, tmp_path: Any) -> None:
    from dataclasses import replace

    small = replace(context, settings=replace(context.settings, max_upload_mb=1))
    with TestClient(create_app(small), base_url="http://127.0.0.1:7860") as client:

        def chunks() -> Iterator[bytes]:
            yield from (b"x" * 100_000 for _ in range(20))

        for content in (b"x" * 2_000_000, chunks()):
            answer = client.post("/api/uploads", content=content, headers={"x-file-name": "big.json"})
            assert answer.status_code == 400
            assert answer.json()["error"].startswith("big.json is larger than 1 MiB")
    assert list((context.settings.data / "blobs" / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/scenarios/999", 404), ("/api/scenarios/-1", 422), ("/api/scenarios/99999999999999999999999", 422),
        ("/api/scenarios/x", 422), ("/api/sets/999", 404), ("/api/sets/999/export?format=deeppref", 400),
        ("/api/uploads/none/preview", 400), ("/api/imports/none", 400), ("/api/scenarios?depth=-1", 422),
        ("/api/scenarios?offset=-1", 422), ("/api/scenarios?q=" + "a" * 500, 422), ("/api/histogram?set=99999999999999999999", 422),
        ("/api/sets/99999999999999999999", 422),
    ],
)  # fmt: skip
def test_addresses_that_lead_nowhere(client: TestClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_scenarios_without_a_tree_are_listed_on_request(client: TestClient) -> None:
    import_file(client, "persona.json", [FOREIGN["prefeval_persona"]])
    assert client.get("/api/scenarios").json()["total"] == 0
    (row,) = client.get("/api/scenarios?all=1").json()["rows"]
    shown = client.get(f"/api/scenarios/{row['id']}").json()
    assert shown["tree"] is None
    assert shown["talk"] == [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hello"}]


def test_the_histogram_and_facets_of_nothing(client: TestClient) -> None:
    assert client.get("/api/histogram").json()["total"] == 0
    assert client.get("/api/facets").json()["topics"] == []
    assert client.get("/api/home").json()["totals"]["records"] == 0
