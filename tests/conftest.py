"""What every test may ask for: a context on a temporary folder, small files of its own, the field's files if present."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.actions.prepare import prepare
from app.context import Context, open_context
from app.settings import Settings
from tests.serving import vllm_model, vllm_server

__all__ = ["vllm_model", "vllm_server"]
FIELD = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A prepared context without the starter set."""
    made = open_context(Settings(data=tmp_path / "data", starter_set=False))
    prepare(made)
    yield made
    made.database.close()


@pytest.fixture
def field() -> Path:
    """The folder of the field's real data files; the test is skipped where they are absent."""
    if not FIELD.is_dir():
        pytest.skip("the real data files of the field are not beside this checkout (../shared/data)")
    return FIELD


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, object], Path]:
    """Write a file and get its path: bytes as they are, text as UTF-8, anything else as JSON."""

    def make(name: str, content: object) -> Path:
        file = tmp_path / name
        match content:
            case bytes():
                file.write_bytes(content)
            case str():
                file.write_text(content, "utf-8")
            case _:
                file.write_text(json.dumps(content), "utf-8")
        return file

    return make
