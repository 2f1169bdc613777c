"""The model client against a server that misbehaves: every fault, retries, waits, bounds, cancellation."""

import asyncio
import random
from contextlib import aclosing

import pytest

from app.engines.client import OpenAIModel
from app.engines.endpoint import Endpoint
from app.engines.problems import retry_after
from app.engines.wire_format import same_model
from core.ports import Cut, Failure, Reply
from tests.app.engines.conftest import Waits, ask, opened, pieces, run
from tests.misbehaving import Fault, Misbehaving, mixed


def test_a_right_answer() -> None:
    with Misbehaving() as server:

        async def work() -> Reply | Failure:
            async with opened(server, structured=True) as model:
                question = ask(
                    "Hi", seed=3, stop=("\n",), top_p=0.9, pattern="a|b", temperature=0.5, max_tokens=9, repeat=4
                )
                outcome = await model.ask(question)
                counts = model.tally.read()
                assert (counts.calls, counts.retries, counts.failures) == (1, 0, {})
                assert (counts.prompt_tokens, counts.completion_tokens) == (11, 7)
                return outcome

        outcome = run(work)
    assert isinstance(outcome, Reply)
    assert outcome._replace(seconds=0) == Reply("You said: Hi", "stop", 11, 7, 0, "test-model")
    assert outcome.seconds > 0
    assert server.seen[0].body == {
        "model": "test-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["\n"],
        "structured_outputs": {"regex": "a|b"},
    }


def test_a_text_with_half_a_character_is_sent() -> None:
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server) as model:
                assert isinstance(await model.ask(ask("a\ud800b ü🙂")), Reply)

        run(work)
    assert server.seen[0].body["messages"][1]["content"] == "a?b ü🙂"


def test_a_pattern_goes_only_to_a_server_that_takes_it() -> None:
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server) as model:
                await model.ask(ask(pattern="a|b"))

        run(work)
    assert set(server.seen[0].body) == {"model", "messages", "max_tokens", "temperature"}


RETRIED: list[tuple[Fault, str, str]] = [
    ("error", "server", "failed (500): \"The device is out of memory\"."),
    ("unavailable", "server", "failed (503): \"Starting up\"."),
    ("busy", "busy", "takes no more requests for now (429): \"Slow down\"."),
    ("hang", "timeout", "did not answer within 0.9 seconds."),
    ("drip", "timeout", "did not answer within 0.9 seconds."),
    ("close", "unreachable", "closed the connection before its reply was complete."),
    ("cut", "unreachable", "closed the connection before its reply was complete."),
    ("empty", "empty", "sent a reply without text."),
    ("half", "malformed", "sent something that is not a chat reply."),
    ("not_json", "malformed", "sent something that is not a chat reply."),
    ("no_choice", "malformed", "sent something that is not a chat reply."),
    ("late_error", "malformed", "not a chat reply: \"The engine died\"."),
]  # fmt: skip
FINAL: list[tuple[Fault, str, str]] = [
    ("refuse", "refused", "refused the request (400): \"This model's context is 2048 tokens\"."),
    ("echo_refusal", "refused", "refused a call without a key (401)"),
    ("redirect", "refused", "points to another address (307); set that address instead."),
    ("wrong_model", "wrong_model", "was asked for test-model but \"another-model\" answered."),
    ("huge", "too_large", "sent more than a reply of 100,000 characters takes; it was cut off."),
    ("endless", "too_large", "sent more than a reply of 100,000 characters takes; it was cut off."),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "sentence"), RETRIED)
def test_a_fault_that_passes_is_tried_again(fault: Fault, kind: str, sentence: str) -> None:
    waits, limit = Waits(), 0.9 if kind == "timeout" else 60  # a busy machine is no fault
    with Misbehaving([fault, "ok", fault, fault]) as server:

        async def work() -> tuple[Reply | Failure, Reply | Failure]:
            async with opened(server, waits, attempts=2, timeout_s=limit) as model:
                outcomes = await model.ask(ask()), await model.ask(ask())
                counts = model.tally.read()
                assert (counts.calls, counts.retries, counts.failures) == (2, 2, {kind: 1})
                return outcomes

        well, failed = run(work)
    assert isinstance(well, Reply)
    assert well.text == "You said: Hello"
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.attempts) == (kind, 2)
    assert sentence in failed.reason
    assert failed.reason.endswith(" It was tried 2 times.")
    assert len(server.seen) == 4
    assert len(waits.slept) == 2


@pytest.mark.parametrize(("fault", "kind", "sentence"), FINAL)
def test_a_fault_that_stays_is_not_tried_again(fault: Fault, kind: str, sentence: str) -> None:
    waits = Waits()
    with Misbehaving([fault]) as server:

        async def work() -> Reply | Failure:
            async with opened(server, waits, attempts=5) as model:
                return await model.ask(ask())

        failed = run(work)
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.attempts, waits.slept, len(server.seen)) == (kind, 1, [], 1)
    assert sentence in failed.reason


def test_a_reply_over_the_limit_that_fits_the_wire() -> None:
    with Misbehaving(answer=lambda _: "x" * 1001) as server:

        async def work() -> None:
            async with opened(server, max_reply_chars=1001) as model:
                assert isinstance(await model.ask(ask()), Reply)
            async with opened(server, max_reply_chars=1000) as model:
                outcome = await model.ask(ask())
                texts, failures = await pieces(model, ask())
            assert isinstance(outcome, Failure)
            assert outcome.kind == failures[0].kind == "too_large"
            assert len("".join(texts)) <= 1000

        run(work)


def test_nobody_listens() -> None:
    with Misbehaving() as server:
        address = server.url

    async def work() -> Reply | Failure:
        async with OpenAIModel(Endpoint(address, "m", attempts=3), {}, clock=Waits().clock()) as model:
            return await model.ask(ask())

    failed = run(work)
    assert isinstance(failed, Failure)
    assert (failed.kind, failed.attempts) == ("unreachable", 3)
    assert "cannot be reached. Is the server running, and is its address right?" in failed.reason


def test_waits_grow_and_are_drawn_at_random() -> None:
    seen: list[list[float]] = []
    for _ in range(2):
        waits = Waits()
        with Misbehaving(["error"] * 9) as server:

            async def work(server: Misbehaving = server, waits: Waits = waits) -> None:
                async with opened(server, waits, attempts=9) as model:
                    await model.ask(ask())

            run(work)
        seen.append(waits.slept)
    rng = random.Random(1)
    assert seen[0] == seen[1] == [rng.uniform(0, min(60, 0.5 * 2**n)) for n in range(8)]


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7.5),
        ("0", 0, 0.5),
        ("0.25", 0.25, 0.75),
        ("86400", 60, 60.5),
        ("Tue, 14 Nov 2023 22:13:29 GMT", 9, 9.5),  # nine seconds after the clock of the test
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0, 0.5),
        ("soon", 0, 0.5),
        ("-5", 0, 0.5),
        ("nan", 0, 0.5),
        ("1e999", 0, 0.5),
        ("Tue, 99 Nov 2023 99:99:99 GMT", 0, 0.5),
    ],
)
def test_retry_after_is_honoured(header: str, low: float, high: float) -> None:
    waits = Waits()
    with Misbehaving(["busy"], retry_after=header) as server:

        async def work() -> Reply | Failure:
            async with opened(server, waits) as model:
                return await model.ask(ask())

        assert isinstance(run(work), Reply)
    (wait,) = waits.slept
    assert low <= wait <= high


def test_retry_after_is_read_or_left() -> None:
    assert retry_after("", 0) is None
    assert retry_after("inf", 0) is None
    assert retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10) == 50


def test_no_more_calls_at_once_than_allowed() -> None:
    with Misbehaving(lambda index, _: "error" if index % 5 == 0 else "slow", delay_s=0.02) as server:

        async def work() -> None:
            async with opened(server, max_concurrency=3) as model:
                outcomes = await asyncio.gather(*(model.ask(ask(str(number))) for number in range(30)))
                assert [one.text for one in outcomes if isinstance(one, Reply)] == [f"You said: {n}" for n in range(30)]

        run(work)
        assert server.peak == 3


def test_streams_count_too() -> None:
    with Misbehaving(["slow"] * 6, delay_s=0.02) as server:

        async def work() -> None:
            async with opened(server, max_concurrency=2) as model:
                await asyncio.gather(*(pieces(model, ask()) for _ in range(6)))

        run(work)
        assert server.peak == 2


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cancelled_call_leaves_nothing_open(streamed: bool) -> None:
    with Misbehaving(["hang"]) as server:

        async def work() -> None:
            async with opened(server, timeout_s=60, max_concurrency=1) as model:
                call = asyncio.create_task(pieces(model, ask()) if streamed else model.ask(ask()))  # type: ignore[arg-type]
                while not server.active:
                    await asyncio.sleep(0.005)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                while server.connections:
                    await asyncio.sleep(0.005)
                # The place in the queue is free again, and a cancelled call is no call.
                assert isinstance(await model.ask(ask()), Reply)
                assert model.tally.read().calls == 1

        run(work)


def test_leaving_a_stream_early_closes_its_connection() -> None:
    with Misbehaving(["endless"]) as server:

        async def work() -> None:
            async with opened(server) as model:
                async with aclosing(model.stream(ask())) as stream:
                    assert await anext(stream) == "You "
                while server.connections:
                    await asyncio.sleep(0.005)

        run(work)


def test_a_closed_model_says_so() -> None:
    with Misbehaving(["hang"]) as server:

        async def work() -> None:
            async with opened(server) as model:
                call = asyncio.create_task(model.ask(ask()))
                while not server.active:
                    await asyncio.sleep(0.005)
                await model.aclose()
                outcomes = [await call, await model.ask(ask()), (await pieces(model, ask()))[1][0]]
            assert [one.kind for one in outcomes if isinstance(one, Failure)] == ["cancelled"] * 3
            assert [one.attempts for one in outcomes if isinstance(one, Failure)] == [1, 0, 0]

        run(work)
        assert len(server.seen) == 1


def test_a_stream() -> None:
    with Misbehaving() as server:

        async def work() -> None:
            async with opened(server) as model:
                assert await pieces(model, ask("one\u2028two")) == (["You ", "said", ": on", "e\u2028tw", "o"], [])
                counts = model.tally.read()
                assert (counts.calls, counts.prompt_tokens, counts.completion_tokens) == (1, 11, 7)

        run(work)
        assert server.seen[0].body["stream"] is True


def test_a_stream_at_its_longest_ends_with_a_cut() -> None:
    with Misbehaving(finish="length") as server:

        async def work() -> None:
            async with opened(server) as model, aclosing(model.stream(ask())) as stream:
                found = [piece async for piece in stream]
            assert found[-1] == Cut() and all(isinstance(piece, str) for piece in found[:-1])

        run(work)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("cut", "unreachable"), ("quiet_cut", "unreachable"), ("half", "malformed"), ("late_error", "server"), ("endless", "too_large")],
)  # fmt: skip
def test_a_stream_that_breaks_in_the_middle_ends_in_a_failure(fault: Fault, kind: str) -> None:
    with Misbehaving([fault] * 3) as server:

        async def work() -> None:
            async with opened(server) as model:
                texts, (failure,) = await pieces(model, ask())
                assert "".join(texts).startswith("You ")
                assert (failure.kind, failure.attempts) == (kind, 1)
                assert model.tally.read().failures == {kind: 1}

        run(work)
    assert len(server.seen) == 1, "what was shown cannot be taken back, so nothing is tried again"


@pytest.mark.parametrize("fault", ["error", "busy", "hang", "drip", "close", "not_json", "empty"])
def test_a_stream_that_fails_before_its_first_piece_is_tried_again(fault: Fault) -> None:
    waits, limit = Waits(), 0.9 if fault in ("hang", "drip") else 60
    with Misbehaving([fault, "ok", fault, fault]) as server:

        async def work() -> None:
            async with opened(server, waits, attempts=2, timeout_s=limit) as model:
                texts, failures = await pieces(model, ask())
                assert ("".join(texts), failures) == ("You said: Hello", [])
                texts, failures = await pieces(model, ask())
                assert (texts, [one.attempts for one in failures]) == ([], [2])

        run(work)
    assert (len(server.seen), len(waits.slept)) == (4, 2)


def test_a_mix_of_faults_under_load() -> None:
    shares: dict[Fault, float] = {"error": 0.1, "busy": 0.1, "close": 0.1, "cut": 0.1, "empty": 0.05, "half": 0.05}
    with Misbehaving(mixed(7, shares)) as server:

        async def work() -> None:
            async with opened(server, attempts=12) as model:
                outcomes = await asyncio.gather(*(model.ask(ask(str(number))) for number in range(120)))
                assert [one.text for one in outcomes if isinstance(one, Reply)] == [
                    f"You said: {n}" for n in range(120)
                ]
                counts = model.tally.read()
                assert counts.calls == 120
                assert counts.retries == len(server.seen) - 120 > 30

        run(work)


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True), ("gpt-4o-2024-08-06", "gpt-4o", True), ("Qwen/Qwen3-8B", "qwen3-8b", True),
        ("qwen3-8b", "/models/qwen3-8b.gguf", True), ("/data/runs/critic/", "/data/runs/critic", True), ("a", "", True),
        ("gpt-4", "gpt-4o", False), ("qwen3-8b", "qwen3-80b", False), ("judge", "policy", False), ("llama-3", "llama-3.1", True),
    ],
)  # fmt: skip
def test_names_that_may_mean_one_model(asked: str, answered: str, same: bool) -> None:
    assert same_model(asked, answered) is same
