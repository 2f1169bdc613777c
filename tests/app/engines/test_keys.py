"""A key is sent where it belongs and shows nowhere else: on every way a call can go, in every record that is left."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.actions.try_role import role_states, try_role
from app.context import Context
from app.engines.accounting import Tally
from app.engines.endpoint import ROLES, Endpoint
from app.engines.roles import open_model
from app.engines.scrubbing import Scrubber, quoted
from core.ports import Failure, Reply
from tests.app.engines.conftest import ask, opened, pieces, run
from tests.misbehaving import FAULTS, Fault, Misbehaving

KEY = "sk-THE-KEY-that-must-not-show-0123456789"
ENVIRONMENT = {"MY_KEY": KEY, "OTHER": "x"}


def with_role(context: Context, server: Misbehaving, **changes: Any) -> Context:
    """A context in which the server is the judge."""
    endpoint = Endpoint(
        server.url, **({"model": server.model, "key_variable": "MY_KEY", "attempts": 1, "timeout_s": 30} | changes)
    )
    settings = replace(context.settings, engines=dict.fromkeys(ROLES, endpoint))
    return replace(context, settings=settings, environment=ENVIRONMENT)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_key_shows_nowhere(fault: Fault, context: Context, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    left: list[Any] = []
    with Misbehaving([fault] * 4) as server:
        stocked = with_role(context, server, timeout_s=1.0 if fault in ("hang", "drip") else 30)

        async def work() -> None:
            async with open_model(stocked, "judge", stocked.settings.engines["judge"], Tally()) as model:
                left.extend([await model.ask(ask()), await pieces(model, ask("else")), model, vars(model)])  # type: ignore[arg-type]
                left.extend([model._model, vars(model._model)])  # type: ignore[attr-defined]
            left.append(await try_role(stocked, "judge"))

        run(work)
        assert len(server.seen) == 3
        assert all(one.headers["authorization"] == f"Bearer {KEY}" for one in server.seen)
    left.extend([stocked, stocked.settings, role_states(stocked)])
    records = "".join(f"{vars(record)} {record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert "asyncio" in records or "openai" in records, "the log was listened to"
    files = b"".join(file.read_bytes() for file in Path(context.settings.data).rglob("*") if file.is_file())
    shown = f"{left!r} {records} {files.decode('latin-1')}"
    for part in (KEY, KEY[:12]):
        assert part not in shown


def test_the_key_in_a_reply_is_taken_out_before_it_is_kept(context: Context) -> None:
    with Misbehaving(["echo_reply"] * 2) as server:

        async def work() -> None:
            made = with_role(context, server)
            async with open_model(made, "judge", made.settings.engines["judge"], Tally()) as model:
                outcome = await model.ask(ask())
                assert isinstance(outcome, Reply)
                assert outcome.text == "Your key is [key], is it not?"
                assert await pieces(model, ask("else")) == (
                    ["Your", " key", " is ", "[key]", ", i", "s it ", "not?"],
                    [],
                )  # type: ignore[arg-type]

        run(work)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "the environment variable MY_KEY is not set."),
        ({"MY_KEY": "  "}, "the environment variable MY_KEY is not set."),
        ({"MY_KEY": "sk-kéy-with-accent"}, "the environment variable MY_KEY holds characters that cannot be sent."),
        ({"MY_KEY": "sk-line\nx-header: 1"}, "the environment variable MY_KEY holds characters that cannot be sent."),
    ],
)
def test_a_key_that_cannot_be_used_is_said_before_any_request(environment: dict[str, str], sentence: str) -> None:
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server, environment=environment, key_variable="MY_KEY") as model:
                outcomes = [await model.ask(ask()), (await pieces(model, ask()))[1][0]]
            for outcome in outcomes:
                assert isinstance(outcome, Failure)
                assert (outcome.kind, outcome.attempts) == ("refused", 0)
                assert outcome.reason == f"The key cannot be used: {sentence}"

        run(work)
        assert server.seen == []


def test_the_key_is_read_for_each_call() -> None:
    environment = {"MY_KEY": "the-first-key\n", "OPENAI_API_KEY": "sk-another"}
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server, environment=environment, key_variable="MY_KEY") as model:
                await model.ask(ask())
                environment["MY_KEY"] = "the-second-key"
                await model.ask(ask())
            async with opened(server, environment=environment) as model:
                await model.ask(ask())

        run(work)
        assert [one.headers.get("authorization") for one in server.seen] == [
            "Bearer the-first-key",
            "Bearer the-second-key",
            None,
        ]


def test_no_variable_of_the_library_changes_where_a_call_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"x-extra: {KEY}")
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server) as model:
                assert isinstance(await model.ask(ask()), Reply)

        run(work)
        (seen,) = server.seen
        assert KEY not in str(seen)
        assert set(seen.headers) == {
            "host",
            "accept",
            "accept-encoding",
            "connection",
            "content-type",
            "content-length",
            "user-agent",
        }


def test_a_text_in_pieces_is_scrubbed_wherever_it_is_cut() -> None:
    text = f"a {KEY}{KEY[:9]} b sk-{KEY} sk"
    for size in range(1, len(text)):
        scrubber = Scrubber(KEY)
        found = (
            "".join(scrubber.feed(text[start : start + size]) for start in range(0, len(text), size))
            + scrubber.finish()
        )
        assert found == text.replace(KEY, "[key]")


def test_a_placeholder_is_no_secret() -> None:
    assert quoted("an EMPTY queue", "EMPTY") == "an EMPTY queue"


def test_what_a_server_says_is_one_short_line() -> None:
    said = quoted(f"one\r\n\x1b[31m two \u202e{'x' * 500}{KEY}", KEY)
    assert said.startswith("one [31m two xxx")
    assert len(said) == 200


def test_a_cut_off_sentence_holds_no_part_of_the_key() -> None:
    assert KEY[:4] not in quoted("y" * 190 + KEY, KEY)


def test_running_in_a_loop_of_debug_mode_shows_no_key(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Misbehaving(["error"]) as server:
        stocked = with_role(context, server, attempts=2)

        async def work() -> None:
            async with open_model(stocked, "judge", stocked.settings.engines["judge"], Tally()) as model:
                await model.ask(ask())

        asyncio.run(work(), debug=True)
    assert KEY not in caplog.text
