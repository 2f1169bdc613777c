"""The cache around a model: hits make no request, the same call in flight is made once, failures are never kept."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.context import Context
from app.engines.accounting import Tally
from app.engines.cache import CachedModel, call_key
from core.ports import Ask, Failure, Message, Reply
from db import calls
from tests.app.engines.conftest import ask, opened, pieces, run
from tests.fakes import ScriptedModel
from tests.misbehaving import Misbehaving


def cached(context: Context, model: Any, source: str = "http://here/v1") -> CachedModel:
    """A cache around a model."""
    return CachedModel(model, source, context.database, context.now, getattr(model, "tally", Tally()))


def test_a_hit_makes_no_request(context: Context) -> None:
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server) as model:
                first = await cached(context, model).ask(ask())
                again = await cached(context, model).ask(ask())
                assert isinstance(first, Reply)
                assert again == first._replace(cached=True)
                counts = model.tally.read()
                assert (counts.calls, counts.cached, counts.prompt_tokens) == (1, 1, 11)

        run(work)
        assert len(server.seen) == 1
    assert calls.size(context.database) == (1, len("You said: Hello"))
    assert calls.clear(context.database) == 1
    assert calls.size(context.database) == (0, 0)


def test_the_same_call_in_flight_is_made_once(context: Context) -> None:
    with Misbehaving(["slow"] * 9) as server:

        async def work() -> None:
            async with opened(server) as model:
                keeper = cached(context, model)
                outcomes = await asyncio.gather(*(keeper.ask(ask()) for _ in range(8)), keeper.ask(ask("else")))
                replies = [one for one in outcomes if isinstance(one, Reply)]
                assert [one.cached for one in replies] == [False] + [True] * 7 + [False]
                assert (model.tally.read().calls, model.tally.read().cached) == (2, 7)

        run(work)
        assert len(server.seen) == 2


def test_a_failure_is_not_kept_but_shared_by_those_who_wait(context: Context) -> None:
    with Misbehaving(["refuse"]) as server:

        async def work() -> None:
            async with opened(server) as model:
                keeper = cached(context, model)
                outcomes = await asyncio.gather(keeper.ask(ask()), keeper.ask(ask()))
                assert [one.kind for one in outcomes if isinstance(one, Failure)] == ["refused", "refused"]
                assert calls.size(context.database).replies == 0
                assert isinstance(await keeper.ask(ask()), Reply)
                assert model.tally.read().cached == 0

        run(work)
        assert len(server.seen) == 2


def test_one_who_leaves_does_not_take_the_call_from_the_others(context: Context) -> None:
    with Misbehaving(["slow"], delay_s=0.1) as server:

        async def work() -> None:
            async with opened(server) as model:
                keeper = cached(context, model)
                first, second = asyncio.create_task(keeper.ask(ask())), asyncio.create_task(keeper.ask(ask()))
                while not server.active:
                    await asyncio.sleep(0.005)
                first.cancel()
                assert isinstance(await second, Reply)
                assert first.cancelled()

        run(work)
        assert len(server.seen) == 1


def test_when_all_leave_the_call_ends(context: Context) -> None:
    with Misbehaving(["hang"]) as server:

        async def work() -> None:
            async with opened(server, timeout_s=60) as model:
                keeper = cached(context, model)
                waiting = [asyncio.create_task(keeper.ask(ask())) for _ in range(3)]
                while not server.active:
                    await asyncio.sleep(0.005)
                for one in waiting:
                    one.cancel()
                await asyncio.wait(waiting)
                while server.connections:
                    await asyncio.sleep(0.005)
                assert isinstance(await keeper.ask(ask()), Reply)

        run(work)


BASE = Ask((Message("user", "Hello"),))


@pytest.mark.parametrize(
    "other",
    [
        Ask((Message("user", "Hello "),)),
        Ask((Message("system", "Hello"),)),
        Ask((Message("user", "Hel"), Message("user", "lo"))),
        replace(BASE, max_tokens=511),
        replace(BASE, temperature=0.1),
        replace(BASE, top_p=0.9),
        replace(BASE, seed=0),
        replace(BASE, stop=("x",)),
        replace(BASE, pattern="x"),
        replace(BASE, repeat=1),
    ],
)
def test_whatever_differs_is_another_call(other: Ask) -> None:
    assert call_key("m", "s", other) != call_key("m", "s", BASE) == call_key("m", "s", replace(BASE))


def test_another_model_or_place_is_another_call(context: Context) -> None:
    one, two = ScriptedModel(lambda _: "one", "m"), ScriptedModel(lambda _: "two", "m2")

    async def work() -> list[Any]:
        asked = [
            cached(context, one),
            cached(context, two),
            cached(context, two, "http://there/v1"),
            cached(context, one),
        ]
        return [await model.ask(ask()) for model in asked]

    assert [(reply.text, reply.cached) for reply in run(work)] == [
        ("one", False),
        ("two", False),
        ("two", False),
        ("one", True),
    ]


def test_the_reply_that_was_first_stays(context: Context) -> None:
    for number in range(2):
        calls.put(context.database, "k", Reply(f"text {number}\x00\u2028", "length", 1, 2, 0.5, "m"), context.now())
    assert calls.get(context.database, "k") == Reply("text 0\x00\u2028", "length", 1, 2, 0.5, "m", True)


def test_a_reply_that_cannot_be_kept_is_used_all_the_same(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    with context.database.write() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON model_call BEGIN SELECT raise(ABORT, 'disk full'); END")
        )
    model = ScriptedModel(lambda _: "fine")

    async def work() -> Reply | Failure:
        return await cached(context, model).ask(ask())

    outcome = run(work)
    assert isinstance(outcome, Reply)
    assert outcome.text == "fine"
    assert "could not be kept" in caplog.text


def test_the_question_is_not_kept(context: Context) -> None:
    async def work() -> None:
        await cached(context, ScriptedModel(lambda _: "fine")).ask(ask("my secret diary"))

    run(work)
    with context.database.write() as connection:
        connection.exec_driver_sql("INSERT INTO fact VALUES ('a', 'b')")
    content = b"".join(file.read_bytes() for file in context.settings.data.glob("subtext.db*"))
    assert b"fine" in content
    assert b"diary" not in content


def test_a_stream_comes_from_the_cache_where_it_can(context: Context) -> None:
    model = ScriptedModel(lambda _: "a longer reply")

    async def work() -> None:
        keeper: Any = cached(context, model)
        assert await pieces(keeper, ask()) == (["a lon", "ger r", "eply"], [])
        assert calls.size(context.database).replies == 0
        await keeper.ask(ask())
        assert await pieces(keeper, ask()) == (["a longer reply"], [])

    run(work)
    assert len(model.asked) == 2
