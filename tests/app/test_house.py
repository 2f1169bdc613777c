"""The house rules: what start-up imports, what README says, what the command line answers, what doctor finds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app import cli
from app.context import Context
from app.doctor import examine
from app.errors import Refused
from app.settings import Settings, read_settings, table

TOP = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("module", ["app.main", "app.cli"])
def test_start_up_leaves_torch_out(module: str) -> None:
    heavy = (
        "torch",
        "transformers",
        "trl",
        "datasets",
        "peft",
        "plotly",
        "alembic" if module == "app.main" else "gradio",
    )
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert done.stdout.strip() == "[]"


def test_torch_is_there_to_be_left_out() -> None:
    """The test above could not fail where torch is not installed."""
    from importlib.util import find_spec

    assert find_spec("torch")


def test_readmes_settings_table_is_the_codes() -> None:
    assert table() in (TOP / "README.md").read_text("utf-8")


def test_readmes_commands_exist() -> None:
    readme, makefile = (TOP / "README.md").read_text("utf-8"), (TOP / "Makefile").read_text("utf-8")
    for target in set(re.findall(r"`make ([\w-]+)`|^make ([\w-]+)", readme, re.MULTILINE)):
        assert re.search(rf"^{target[0] or target[1]}:", makefile, re.MULTILINE), target
    for command in set(re.findall(r"subtext (\w+)", readme)):
        assert command in cli._parser().format_help(), command


def test_files_stay_readable() -> None:
    for room in ("app", "core", "db", "training"):
        for file in (TOP / room).rglob("*.py"):
            lines = file.read_text("utf-8").splitlines()
            assert len(lines) <= 400, file
            assert not lines or lines[0].startswith('"""'), f"{file} does not say what it knows"
            assert file.stem not in ("utils", "common", "helpers", "manager")
    for page in (TOP / "app" / "pages").glob("*.py"):
        assert len(page.read_text("utf-8").splitlines()) <= 200


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SUBTEXT_PORT": "x"}, "SUBTEXT_PORT is a whole number above 0, not 'x'"),
        ({"SUBTEXT_PORT": "0"}, "SUBTEXT_PORT is a whole number above 0"),
        ({"SUBTEXT_STARTER_SET": "maybe"}, "SUBTEXT_STARTER_SET is 1 or 0"),
        ({"SUBTEXT_PROT": "1"}, "There is no setting SUBTEXT_PROT"),
    ],
)
def test_bad_settings(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(Refused, match=re.escape(sentence)):
        read_settings(environment)


def test_settings() -> None:
    found = read_settings({"SUBTEXT_DATA": "/x", "SUBTEXT_PORT": "8000", "SUBTEXT_STARTER_SET": "no", "HOME": "/"})
    assert found == Settings(data=Path("/x"), port=8000, starter_set=False)


def test_the_command_line(tmp_path: Path) -> None:
    environment = os.environ | {"SUBTEXT_DATA": str(tmp_path / "data")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=TOP)

    seed = TOP / "db" / "seeds" / "trees" / "moving.json"
    assert "Starter set v1" in run("sets").stdout
    assert "was imported before, into Starter set v1" in run("import", str(seed)).stdout
    exported = tmp_path / "out.jsonl"
    assert run("export", "Starter set", "--output", str(exported)).returncode == 0
    assert len(exported.read_text("utf-8").splitlines()) == 20
    assert run("export", "none").stderr == "There is no set named 'none'. `subtext sets` lists them.\n"
    assert run("import", str(tmp_path / "none.json")).returncode == 1
    refused = run("export", "Starter set", "--output", str(tmp_path / "no" / "folder.json"))
    assert (refused.returncode, "no such file" in refused.stderr) == (1, True)
    healthy = run("doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert run("delete", "1", "--confirm", "Starter set").returncode == 0
    assert run("sets").stdout.startswith("2\tStarter dialogues v1")
    assert run("nonsense").returncode == 2


def test_doctor_finds_damage(context: Context, tmp_path: Path) -> None:
    from app.actions.import_data import import_files

    file = TOP / "db" / "seeds" / "trees" / "moving.json"
    import_files(context, [file])
    assert all(finding.ok for finding in examine(context))
    (digest,) = context.blobs.digests()
    context.blobs.path(digest).write_bytes(b"damaged")
    with context.database.write() as connection:
        connection.exec_driver_sql("UPDATE node SET thought = 'changed behind the index' WHERE id = 2")
        connection.exec_driver_sql("UPDATE data_set SET records = 7")
    failed = {finding.name for finding in examine(context) if not finding.ok}
    assert failed == {"originals", "node_text", "counts"}


def test_doctor_removes_what_an_interrupted_import_left(context: Context) -> None:
    stray = context.blobs.path("ab" * 32)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"left over")
    assert [finding.text for finding in examine(context) if finding.name == "spare files"]
    assert not stray.exists()
