"""The wire of a model client: adds the key at the last moment, and lets through only so many bytes and the headers we read.

Knows HTTP and limits; knows nothing of chat. The key is in no object that outlives a request, and nothing the server sends
beside the body (redirects, cookies, a status phrase) reaches the log of the HTTP library.
"""

import logging
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

SENT_HEADERS = frozenset(
    {"host", "accept", "connection", "content-type", "content-length", "transfer-encoding", "user-agent"}
)
"""What a request says beside the key. The library would add the machine's system and whatever its own variables name."""

KEPT_HEADERS = ("content-type", "retry-after")
PER_CHARACTER = 12
"""Bytes that JSON may spend on one character (a pair of \\uXXXX)."""

PER_PIECE = 768
"""Bytes that a streamed piece of one character may cost with its envelope."""

ENVELOPE = 1 << 16
CONNECT_SECONDS = 10.0


class TooLarge(Exception):
    """A body went on beyond the limit and was cut off."""


class Wire(httpx2.AsyncBaseTransport):
    """A transport around another one. `key` is asked before each request; '' sends none. `limit` is the most bytes of a body."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, key: Callable[[], str], max_reply_chars: int) -> None:
        self._inner = inner
        self._key = key
        self._whole = ENVELOPE + PER_CHARACTER * max_reply_chars
        self._streamed = ENVELOPE + PER_PIECE * max_reply_chars

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its answer has a bounded body, which is never unpacked."""
        sent = [(name, value) for name, value in request.headers.items() if name in SENT_HEADERS]
        sent.append(("accept-encoding", "identity"))
        if key := self._key():
            sent.append(("authorization", f"Bearer {key}"))
        # A request of its own: the one the library made stays in its exceptions, without the key.
        own = httpx2.Request(
            request.method, request.url, headers=sent, stream=request.stream, extensions=request.extensions
        )
        answer = await self._inner.handle_async_request(own)
        headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
        streamed = headers.get("content-type", "").startswith("text/event-stream")
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        body = _Bounded(answer.stream, self._streamed if streamed else self._whole)
        return httpx2.Response(answer.status_code, headers=headers, stream=body)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, body: httpx2.AsyncByteStream, limit: int) -> None:
        self._body = body
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self._left -= len(chunk)
            if self._left < 0:
                raise TooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


def http_client(
    base_url: str, key: Callable[[], str], max_reply_chars: int, timeout_s: float, connections: int
) -> httpx2.AsyncClient:
    """An HTTP client for one server, through the environment's proxy where one is set. Follows no redirect, keeps no cookie."""
    # At its finest level the library below logs response headers, and a server may send anything in those.
    logging.getLogger("httpcore2").setLevel(logging.INFO)
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    proxy = _proxy(base_url)
    # Reading the certificates that are trusted takes 15 ms; nobody asks for one on the way to a plain address.
    certified = proxy is not None or urlsplit(base_url).scheme != "http"
    inner = httpx2.AsyncHTTPTransport(verify=certified, limits=limits, proxy=proxy)
    timeout = httpx2.Timeout(timeout_s, connect=min(CONNECT_SECONDS, timeout_s))
    wire = Wire(inner, key, max_reply_chars)
    return httpx2.AsyncClient(transport=wire, timeout=timeout, follow_redirects=False, trust_env=False)


def _proxy(base_url: str) -> str | None:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in ("localhost", "::1") or host.startswith("127.") or proxy_bypass(host):
        return None
    found = getproxies()
    return found.get(parts.scheme) or found.get("all")
