"""The guard in front of everything: who may call what from where, and the headers every answer carries.

Pure ASGI, because a streaming answer must pass through unbuffered. Gradio on its own reflects any Origin with credentials
and serves more endpoints than this page uses; both end here.
"""

import ipaddress
import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
_OPEN = re.compile(
    r"/|/data|/trees|/studies|/rate|/api/[\w./-]*|/ui/[\w./-]*|/(assets|static|svelte|cdn)/[\w./+@-]*|/theme\.css|/favicon\.ico"
    r"|/gradio_api/(startup-events|app_id|heartbeat/[\w-]+)/?"
)
"""The addresses that the pages use. Everything else that Gradio would serve is closed."""


class Guard:
    """ASGI middleware. `local` is True when the server listens on a loopback address only."""

    def __init__(self, app: ASGIApp, local: bool) -> None:
        self.app = app
        self.local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on, with our headers on the answer."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope["method"], scope["path"], Headers(scope=scope))
        if refusal:
            status, text = refusal
            await JSONResponse({"error": text}, status_code=status)(scope, receive, _with_headers(send))
        else:
            await self.app(scope, receive, _with_headers(send))

    def refusal(self, method: str, path: str, headers: Headers) -> tuple[int, str] | None:
        """Status and sentence of a request that is refused; None when it may pass."""
        host = headers.get("host", "")
        if self.local and not is_loopback(host):
            return 403, "This server answers only under a local address such as 127.0.0.1."
        if not _OPEN.fullmatch(path):
            return 404, "There is nothing at this address."
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        from_elsewhere = site not in ("same-origin", "none") and (
            method not in ("GET", "HEAD") or path.startswith("/api/")
        )
        if from_elsewhere or (origin is not None and origin.split("://")[-1] != host):
            return 403, "Requests from another site are refused."
        return None


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
