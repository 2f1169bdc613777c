"""Several things at once: imports, deletions, doctor, other commands and slow readers do not take anything from each other."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.actions.export_data import export_set, spool
from app.actions.import_data import Incoming, Labels, import_files, import_staged, preview, stage_file
from app.actions.prepare import clear_left_overs, prepare
from app.actions.remove_set import drop_originals, remove_set
from app.api.uploads import Uploads
from app.context import Context, open_context
from app.doctor import examine
from app.errors import Refused
from db import sets
from db.search import match_of
from tests.samples import deeppref

Write = Callable[[str, object], Path]


def test_two_imports_of_one_file_at_once(context: Context, write: Write) -> None:
    file = write("one.json", [deeppref()])
    outcomes: list[bool] = []

    def run() -> None:
        outcomes.append(import_files(context, [file]).set_id is not None)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True]
    assert all(finding.ok for finding in examine(context))


def test_originals_that_are_in_use_again_are_kept(context: Context, write: Write) -> None:
    file = write("one.json", [deeppref()])
    first = import_files(context, [file], Labels("A"))
    assert first.set_id is not None
    digests = sets.delete_set(context.database, first.set_id)  # rows gone, originals still there
    import_files(context, [file], Labels("B"))  # somebody imports the same file now
    assert drop_originals(context, digests) == 0
    assert all(finding.ok for finding in examine(context))


def test_deleting_while_importing_the_same_file_again(context: Context, write: Write) -> None:
    files = [write(f"{index}.json", [deeppref(index=index)]) for index in range(40)]
    for _ in range(3):
        outcome = import_files(context, files, Labels("Many"))
        assert outcome.set_id is not None
        stop = threading.Event()

        def again(stop: threading.Event = stop) -> None:
            while not stop.is_set():
                import_files(context, [files[-1]], Labels("Again"))

        thread = threading.Thread(target=again)
        thread.start()
        remove_set(context, outcome.set_id, "Many")
        time.sleep(0.05)
        stop.set()
        thread.join()
        assert all(finding.ok for finding in examine(context)), "an original was taken from a set"
        for item in sets.all_sets(context.database):
            remove_set(context, item.id, item.name)


def test_other_commands_leave_waiting_uploads_alone(context: Context, write: Write) -> None:
    staged = stage_file(context, write("one.json", [deeppref()]))
    environment = os.environ | {"SUBTEXT_DATA": str(context.settings.data), "SUBTEXT_STARTER_SET": "0"}
    subprocess.run(
        [sys.executable, "-m", "app.cli", "sets"], env=environment, check=True, cwd=Path(__file__).parents[2]
    )
    other = open_context(context.settings)
    prepare(other)
    clear_left_overs(other)
    assert import_staged(context, [Incoming("one.json", staged)], Labels()).set_id is not None
    old = stage_file(context, write("old.json", [deeppref()]))
    os.utime(old.file, (0, 0))
    clear_left_overs(other)
    with pytest.raises(Refused, match=r"The upload of old\.json is gone"):
        preview(context, Incoming("old.json", old))


def test_tokens_are_taken_together_or_not_at_all(context: Context, write: Write) -> None:
    uploads = Uploads(context)
    staged = stage_file(context, write("one.json", [deeppref()]))
    uploads._waiting["good"] = Incoming("one.json", staged)
    with pytest.raises(Refused, match="This upload is gone"):
        uploads.take(["good", "none"])
    assert uploads.get("good").staged == staged
    assert uploads.take(["good", "good"]) == [Incoming("one.json", staged)]
    context.blobs.discard(staged)


def test_a_download_holds_nothing_of_the_database(context: Context, write: Write) -> None:
    outcome = import_files(context, [write("one.json", [deeppref(index=index) for index in range(300)])])
    assert outcome.set_id is not None
    held = [spool(context, export_set(context, outcome.set_id, "subtext")) for _ in range(60)]
    assert sets.totals(context.database).records == 300
    for file in held:
        assert file.read(1) == b"{"
        file.close()


def test_readers_that_never_read_do_not_stop_the_pages(tmp_path: Path) -> None:
    from tests.ui.conftest import Server

    server = Server(tmp_path / "data")
    server.start()
    stalled: list[socket.socket] = []
    try:
        for _ in range(45):
            one = socket.create_connection(("127.0.0.1", server.port))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            one.sendall(b"GET /api/sets/1/export?format=subtext HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            stalled.append(one)
        import urllib.request

        with urllib.request.urlopen(server.base + "/api/home", timeout=25) as answer:
            assert answer.status == 200
    finally:
        for one in stalled:
            one.close()
        server.stop()


def test_searches_with_control_characters() -> None:
    assert match_of("a\x00b\x02 c") == '"a" "b" "c"'


def test_parquet_files_that_are_not_ours(context: Context, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    bad = tmp_path / "bad.parquet"
    buffers = [None, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00"), pa.py_buffer(b"\xff\xfe")]
    pq.write_table(pa.table({"record": pa.Array.from_buffers(pa.string(), 1, buffers)}), bad)
    with pytest.raises(Refused):
        import_files(context, [bad])
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"text": ["x"]}), other)
    with pytest.raises(Refused, match="no column named record"):
        import_files(context, [other])


@pytest.mark.parametrize(
    "arguments",
    [["export", "²"], ["export", "99999999999999999999"], ["delete", "99999999999999999999"], ["delete", "²"]],
)
def test_odd_numbers_on_the_command_line(tmp_path: Path, arguments: list[str]) -> None:
    environment = os.environ | {"SUBTEXT_DATA": str(tmp_path / "data"), "SUBTEXT_STARTER_SET": "0"}
    command = [sys.executable, "-m", "app.cli", *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_names_that_are_no_text(context: Context, tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json"))
    try:
        file.write_text('["A keeper of bees."]')
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert import_files(context, [file], Labels("name \udcff\x07")).name == "name ?_"
