"""A server in the OpenAI chat-completions shape that misbehaves on demand, on a loopback port, in a thread of its own.

    with Misbehaving(["busy", "cut"]) as server:      # the first two requests fail in these ways, all others are answered
        endpoint = Endpoint(server.url, server.model)

`script` may also be a function of the request's index and body, such as `mixed(seed, {"error": 0.1, "hang": 0.02})`; `answer`
makes the text of a reply from the request. What was asked is in `seen`; `peak` is how many were open at once.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, Self, get_args

Fault = Literal[
    "ok",
    "slow",  # a right answer after `delay_s`
    "error",  # 500
    "unavailable",  # 503 with Retry-After
    "busy",  # 429 with Retry-After
    "refuse",  # 400
    "hang",  # accepts and says nothing
    "drip",  # a byte now and then, without end
    "close",  # closes before the reply
    "cut",  # closes in the middle of the reply
    "quiet_cut",  # ends a stream properly as HTTP, but before the reply is complete
    "empty",
    "half",  # half of the JSON, under its right length
    "not_json",
    "no_choice",
    "wrong_model",
    "huge",  # 10 MB of text
    "endless",
    "late_error",  # an error inside a successful answer
    "redirect",
    "echo_reply",  # the Authorization header stands in the reply
    "echo_error",  # ... in the body, the headers and the status line of a 500
    "echo_refusal",  # ... in a 401
    "echo_plain",  # ... in an error that is not JSON
    "echo_model",  # ... as the name of the model
    "echo_redirect",  # ... in the address of a redirect
    "echo_late",  # ... in an error inside a successful answer
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
Script = Sequence[Fault] | Callable[[int, dict[str, Any]], Fault]
HUGE = 10_000_000
LOREM = "All work and no play makes a dull reply. "


class Seen(NamedTuple):
    """One request."""

    headers: dict[str, str]
    body: dict[str, Any]


def mixed(seed: int, shares: Mapping[Fault, float]) -> Callable[[int, dict[str, Any]], Fault]:
    """A script that draws faults with these shares; the rest is answered. The n-th request with the same messages gets the
    same draw for the same seed, in whatever order requests arrive: how busy the machine is changes nothing."""
    lock, times = threading.Lock(), Counter[str]()
    faults, weights = [*shares, "ok"], [*shares.values(), max(0.0, 1 - sum(shares.values()))]

    def fault(_index: int, body: dict[str, Any]) -> Fault:
        asked = json.dumps(body["messages"], sort_keys=True)
        with lock:
            times[asked] += 1
            draw = random.Random(f"{seed} {times[asked]} {asked}")
        return draw.choices(faults, weights)[0]  # type: ignore[return-value]

    return fault


def repeat_last(body: dict[str, Any]) -> str:
    """The default answer: what the last message said, quoted."""
    return f"You said: {body['messages'][-1]['content']}"


class Misbehaving:
    """The server. A context manager; leaving it ends every connection, hanging ones too."""

    def __init__(
        self,
        script: Script = (),
        answer: Callable[[dict[str, Any]], str] = repeat_last,
        model: str = "test-model",
        retry_after: str = "7",
        delay_s: float = 0.05,
        finish: str = "stop",
    ) -> None:
        self.finish = finish
        self.model, self.retry_after, self.delay_s = model, retry_after, delay_s
        self.seen: list[Seen] = []
        self.active = self.peak = self.connections = 0
        self._script, self._answer = script, answer
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The base URL for a client."""
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _stop(self) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        index = len(self.seen)
        self.seen.append(Seen(headers, body))
        self.active += 1
        self.peak = max(self.peak, self.active)
        gone = asyncio.ensure_future(self._gone(reader))
        work = asyncio.ensure_future(self._answered(self._fault(index, body), headers, body, writer))
        try:
            await asyncio.wait([gone, work], return_when=asyncio.FIRST_COMPLETED)
            return work.done() and work.exception() is None and work.result()
        finally:
            self.active -= 1
            for task in (gone, work):
                task.cancel()
            await asyncio.wait([gone, work])

    @staticmethod
    async def _gone(reader: asyncio.StreamReader) -> None:
        """Returns once the client has closed its side, which a waiting answer would not notice."""
        while not reader.at_eof():
            await asyncio.sleep(0.005)

    def _fault(self, index: int, body: dict[str, Any]) -> Fault:
        if callable(self._script):
            return self._script(index, body)
        return self._script[index] if index < len(self._script) else "ok"

    async def _answered(
        self, fault: Fault, headers: dict[str, str], body: dict[str, Any], out: asyncio.StreamWriter
    ) -> bool:
        streamed, secret = bool(body.get("stream")), headers.get("authorization", "").removeprefix("Bearer ")
        match fault:
            case "hang":
                await asyncio.Event().wait()
            case "slow":
                await asyncio.sleep(self.delay_s)
            case "close":
                return False
            case "drip":
                out.write(_head("200 OK", {"content-type": _type(streamed), "content-length": "1000000"}))
                while True:
                    out.write(b" ")
                    await asyncio.sleep(0.01)
            case _:
                pass
        if found := self._refusal(fault, secret):
            status, more, content = found
            out.write(_head(status, {"content-length": str(len(content))} | more) + content)
            await out.drain()
            return True
        text = {"empty": "", "echo_reply": f"Your key is {secret}, is it not?"}.get(fault) if fault != "ok" else None
        text = self._answer(body) if text is None else text
        send = self._stream if streamed else self._whole
        return await send(fault, text, secret, out)

    def _refusal(self, fault: Fault, secret: str) -> tuple[str, dict[str, str], bytes] | None:
        """Status line, headers and body of an answer that is no reply."""
        kind, wait = {"content-type": "application/json"}, {"retry-after": self.retry_after}
        elsewhere = {"location": f"{self.url}/elsewhere?key={secret}", "set-cookie": f"a={secret}"}
        table: dict[str, tuple[str, dict[str, str], bytes]] = {
            "error": ("500 Internal Server Error", kind, _error("The device is out of memory")),
            "unavailable": ("503 Service Unavailable", kind | wait, _error("Starting up")),
            "busy": ("429 Too Many Requests", kind | wait, _error("Slow down")),
            "refuse": ("400 Bad Request", kind, _error("This model's context is 2048 tokens")),
            "not_json": ("200 OK", {"content-type": "text/html"}, b"<html><body>Welcome to nginx</body></html>"),
            "redirect": ("307 Temporary Redirect", {"location": f"{self.url}/elsewhere"}, b""),
            "echo_redirect": ("307 Temporary Redirect", elsewhere, b""),
            "echo_error": (f"500 {secret}", kind | {"x-request-id": secret, "set-cookie": f"a={secret}"}, _error(f"Key {secret} broke")),
            "echo_refusal": ("401 Unauthorized", kind, _error(f"Incorrect API key provided: {secret}." + " x" * 90 + secret)),
            "echo_plain": ("502 Bad Gateway", {"content-type": "text/plain"}, f"Authorization: Bearer {secret}".encode()),
        }  # fmt: skip
        return table.get(fault)

    async def _whole(self, fault: Fault, text: str, secret: str, out: asyncio.StreamWriter) -> bool:
        text = LOREM * (HUGE // len(LOREM)) if fault == "huge" else text
        content = self._document(fault, text, secret)
        if fault == "endless":
            out.write(_head("200 OK", {"content-type": "application/json", "transfer-encoding": "chunked"}))
            out.write(_chunk(content.split(b"You said")[0]))
            while True:
                out.write(_chunk(LOREM.encode() * 200))
                await out.drain()
        body = content[: len(content) // 2] if fault in ("half", "cut") else content
        length = len(content) if fault == "cut" else len(body)
        out.write(_head("200 OK", {"content-type": "application/json", "content-length": str(length)}) + body)
        await out.drain()
        return fault != "cut"

    def _document(self, fault: Fault, text: str, secret: str) -> bytes:
        model = {"wrong_model": "another-model", "echo_model": f"model-{secret}"}.get(fault, self.model)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": self.finish}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        whole = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
        if fault in ("late_error", "echo_late", "no_choice"):
            whole = {"id": "1", "choices": []} | ({"error": _late(fault, secret)} if fault != "no_choice" else {})
        return json.dumps(whole).encode()

    async def _stream(self, fault: Fault, text: str, secret: str, out: asyncio.StreamWriter) -> bool:
        out.write(_head("200 OK", {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
        for count, event in enumerate(self._events(fault, text, secret)):
            out.write(_chunk(b"data: " + event + b"\n\n"))
            await out.drain()
            if count == 2 and fault == "cut":
                return False
            if count == 2 and fault == "quiet_cut":
                break
        out.write(b"0\r\n\r\n")
        await out.drain()
        return True

    def _events(self, fault: Fault, text: str, secret: str) -> Iterator[bytes]:
        model = {"wrong_model": "another-model", "echo_model": f"model-{secret}"}.get(fault, self.model)

        def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return json.dumps({"id": "1", "model": model, "choices": [choice]} | more).encode()

        yield event({"role": "assistant"})
        for start in range(0, len(text), 4):
            yield event({"content": text[start : start + 4]})
            if fault in ("late_error", "echo_late") and start >= 4:
                yield json.dumps({"error": _late(fault, secret)}).encode()
            if fault == "half":
                yield event({"content": "and then"})[:30]
        while fault in ("huge", "endless"):
            yield event({"content": LOREM * 20})
        yield event({}, self.finish)
        yield json.dumps(
            {"model": model, "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}
        ).encode()
        yield b"[DONE]"


def _late(fault: Fault, secret: str) -> dict[str, str]:
    return {"message": f"The engine died holding {secret}" if fault == "echo_late" else "The engine died"}


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "made up"}}).encode()


def _type(streamed: bool) -> str:
    return "text/event-stream" if streamed else "application/json"


def _head(status: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"
