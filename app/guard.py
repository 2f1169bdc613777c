"""The guard in front of everything: who may call what from where, and the headers every answer carries.

Pure ASGI, because a streaming answer must pass through unbuffered. Gradio on its own reflects any Origin with credentials
and serves more endpoints than this page uses; both end here. Who may call what is decided by `app.auth`.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.auth import COOKIE, Who, may, needed
from app.context import Context

CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'none'",
        "form-action 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load and run; Gradio's components compile their templates, hence 'unsafe-eval'."""

_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
_PAGES = "|".join(
    (
        "respond|data|trees|checks|score|studies|build|critic|train|evaluate|simulate|verdicts",
        "attention|models|jobs|rollouts|rate|settings|people|sign-in|join",
    )
)
_OPEN = re.compile(
    rf"/|/({_PAGES})|/api/[\w./-]*|/ui/[\w./-]*|/(assets|static|svelte|cdn)/[\w./+@-]*|/theme\.css|/favicon\.ico"
    r"|/gradio_api/(startup-events|app_id|heartbeat/[\w-]+)/?"
)
"""The addresses that the pages use. Everything else that Gradio would serve is closed."""

MOST_BYTES = 16 << 20
"""Bytes of a request's body; it is in memory before anybody looks into it, also where nobody is signed in."""
TOO_LARGE = (
    f"This request has more than {MOST_BYTES >> 20} MiB. Send less at a time; files are imported on the Data page."
)
_FILES = re.compile(r"/api/(uploads|checks/import|evaluations/[0-9]{1,19}/people/import)")
"""Addresses that read a file piece by piece and have bounds of their own."""


class Guard:
    """ASGI middleware. `local` is True when the server listens on a loopback address only; `public` is the address under which
    others reach it, or ''; `identify` turns a session cookie, and whether the request came directly, into who is calling."""

    def __init__(self, app: ASGIApp, local: bool, public: str, identify: Callable[[str, bool], Who | None]) -> None:
        self.app = app
        self.local = local
        self.public = public
        self.public_host = public.partition("://")[2]
        self.identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on, with our headers on the answer. `request.state.who` is set where a role was asked for."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self.refusal(scope["method"], scope["path"], headers)
        if refusal:
            status, text = refusal
            await JSONResponse({"error": text}, status_code=status)(scope, receive, _with_headers(send))
            return
        stop = await self.stopped(scope, headers)
        taken = receive if _FILES.fullmatch(scope["path"]) else _bounded(receive)
        await (stop or self.app)(scope, taken, _with_headers(send))

    async def stopped(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to somebody who may not have this address; None when they may."""
        role = needed(scope["path"])
        if role is None:
            return None
        who = await run_in_threadpool(self.identify, session_cookie(headers), not forwarded(headers))
        scope.setdefault("state", {})["who"] = who
        page = not scope["path"].startswith("/api/")
        if who is None and page:
            wanted = scope["path"] + ("?" + scope["query_string"].decode("latin-1") if scope["query_string"] else "")
            return RedirectResponse(f"/sign-in?next={quote(wanted)}", status_code=303)
        if who is None:
            return JSONResponse({"error": "Sign in first."}, status_code=401)
        if not may(who, role):
            text = f"This is for people with the role {role}; yours is {who.role}. Ask an admin."
            return (
                RedirectResponse(front(who), status_code=303)
                if page
                else JSONResponse({"error": text}, status_code=403)
            )
        return None

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Status and sentence of a request that is refused; None when it may pass."""
        host = headers.get("host", "").lower()
        if self.local and not is_loopback(host) and not (self.public and host == self.public_host):
            return 403, "This server answers only under a local address such as 127.0.0.1."
        if not _OPEN.fullmatch(path):
            return 404, "There is nothing at this address."
        stated = headers.get("content-length", "")
        if stated.isdigit() and int(stated) > MOST_BYTES and not _FILES.fullmatch(path):
            return 413, TOO_LARGE
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        from_elsewhere = site not in ("same-origin", "none") and (
            method not in ("GET", "HEAD") or path.startswith("/api/")
        )
        if from_elsewhere or (origin is not None and not self._ours(origin, host)):
            return 403, "Requests from another site are refused."
        return None

    def _ours(self, origin: str, host: str) -> bool:
        """True for the origin of our own pages: the public address, also where a proxy rewrites Host, or the host asked for."""
        if self.public and origin == self.public:
            return True
        return origin.partition("://")[2] == host and host != self.public_host


def _bounded(receive: Receive) -> Receive:
    """The same body, broken off with status 413 where it has more than MOST_BYTES."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return counted


def front(who: Who) -> str:
    """Where somebody begins: the demo for whoever may see nothing else."""
    role = needed("/")
    return "/" if role is None or may(who, role) else "/respond"


def session_cookie(headers: Headers) -> str:
    """The session cookie of a request, or ''. Cookies of others beside it, however odd, do not hide it."""
    return cookie_parser("; ".join(headers.getlist("cookie"))).get(COOKIE, "")[:200]


def forwarded(headers: Headers) -> bool:
    """True for a request that says it came through a proxy."""
    return any(name in ("forwarded", "via", "x-real-ip") or name.startswith("x-forwarded-") for name in headers)


def may_be_single(context: Context) -> bool:
    """True where somebody without an account can be the single user: on this machine only, and shown to nobody else."""
    return is_loopback(context.settings.host) and not context.settings.public_url


def is_loopback(host: str) -> bool:
    """True for a host name or address (with or without a port) of this machine's loopback interface."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=_as_scope(message))
            for name, value in _HEADERS.items():
                headers[name] = value
            for name in ("access-control-allow-origin", "access-control-allow-credentials"):
                if name in headers:
                    del headers[name]
        await send(message)

    return wrapped


def _as_scope(message: Message) -> Any:
    message.setdefault("headers", [])
    return message
