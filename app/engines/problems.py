"""What can go wrong with one request, as a sentence, and whether asking again may help. Every sentence is our own.

A library's exception texts can hold headers, addresses and bodies; none is passed on. What the server itself said is quoted in
short, after the key is taken out.
"""

import math
from email.utils import parsedate_to_datetime
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httpx2
import openai
from openai import APIConnectionError, APIStatusError, APITimeoutError

from app.engines.endpoint import Endpoint
from app.engines.scrubbing import quoted
from app.engines.transport import TooLarge
from core.ports import FailureKind

CALL_ERRORS = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, OSError, TooLarge)
"""Everything that a request is known to raise; anything else is a bug and not caught."""


class Problem(NamedTuple):
    """One request without a reply. `again`: another attempt may help; `wait_s`: how long the server asks to wait first."""

    kind: FailureKind
    reason: str
    again: bool
    wait_s: float | None = None


class Cause(NamedTuple):
    """What a sentence about a failed request needs: the endpoint, the key that must not show, and the time (epoch seconds)."""

    endpoint: Endpoint
    key: str
    now: float

    @property
    def where(self) -> str:
        """The server as a person knows it."""
        return urlsplit(self.endpoint.base_url).netloc

    def said(self, text: object) -> str:
        """The end of a sentence with the server's own words, if there are any."""
        words = quoted(text, self.key) if isinstance(text, str) else ""
        return f': "{words}".' if words else "."


def explain(error: Exception, cause: Cause) -> Problem:
    """The problem behind an exception of a request."""
    match error:
        case TooLarge():
            return too_large(cause)
        case APIStatusError():
            return _status(error, cause)
        case APITimeoutError() | TimeoutError() | httpx2.TimeoutException():
            return timed_out(cause)
        case APIConnectionError() | httpx2.TransportError() | OSError():
            return _connection(error, cause)
        case _:
            return malformed(cause, "")


def timed_out(cause: Cause) -> Problem:
    """No complete reply within the limit."""
    reason = f"{cause.where} did not answer within {cause.endpoint.timeout_s} seconds."
    return Problem("timeout", reason, again=True)


def too_large(cause: Cause) -> Problem:
    """The reply went on beyond the limit."""
    limit = f"{cause.endpoint.max_reply_chars:,}"
    return Problem(
        "too_large", f"{cause.where} sent more than a reply of {limit} characters takes; it was cut off.", again=False
    )


def malformed(cause: Cause, said: object) -> Problem:
    """The answer is no chat reply."""
    return Problem("malformed", f"{cause.where} sent something that is not a chat reply{cause.said(said)}", again=True)


def empty(cause: Cause, finish: str | None) -> Problem:
    """The reply holds no text."""
    why = {
        "length": "; its length ran out before any text, so allow more tokens",
        "content_filter": "; its content filter stopped it",
    }
    return Problem("empty", f"{cause.where} sent a reply without text{why.get(finish or '', '')}.", again=True)


def broke_off(cause: Cause) -> Problem:
    """The stream ended before the reply did."""
    return Problem("unreachable", f"{cause.where} closed the connection in the middle of a reply.", again=True)


def wrong_model(cause: Cause, answered: str) -> Problem:
    """Another model answered."""
    name = quoted(answered, cause.key)
    asked = cause.endpoint.model
    return Problem("wrong_model", f'{cause.where} was asked for {asked} but "{name}" answered.', again=False)


def closed() -> Problem:
    """The model was closed while it worked."""
    return Problem("cancelled", "The model was closed before it answered.", again=False)


def bad_key(variable: str, why: str) -> Problem:
    """The key cannot be used."""
    return Problem("refused", f"The key cannot be used: the environment variable {variable} {why}.", again=False)


def _connection(error: Exception, cause: Cause) -> Problem:
    below = error.__cause__ if isinstance(error, APIConnectionError) else error
    if isinstance(below, httpx2.ConnectError | ConnectionRefusedError):
        reason = f"{cause.where} cannot be reached. Is the server running, and is its address right?"
    elif isinstance(below, httpx2.UnsupportedProtocol | httpx2.LocalProtocolError):
        return Problem("refused", f"{cause.where} cannot be asked this way; look at its address.", again=False)
    else:
        reason = f"{cause.where} closed the connection before its reply was complete."
    return Problem("unreachable", reason, again=True)


def _status(error: APIStatusError, cause: Cause) -> Problem:
    code, said, where = error.status_code, cause.said(_message(error.body)), cause.where
    wait_s = retry_after(error.response.headers.get("retry-after", ""), cause.now)
    match code:
        case 429:
            return Problem("busy", f"{where} takes no more requests for now (429){said}", True, wait_s)
        case 408:
            return Problem("timeout", f"{where} gave up waiting (408){said}", True, wait_s)
        case 401 | 403:
            variable = cause.endpoint.key_variable
            key = f"the key in {variable}" if variable else "a call without a key"
            return Problem("refused", f"{where} refused {key} ({code}){said}", False)
        case 404:
            return Problem(
                "refused", f"{where} has no such address or no model {cause.endpoint.model} (404){said}", False
            )
        case _ if code >= 500:
            return Problem("server", f"{where} failed ({code}){said}", True, wait_s)
        case _ if code >= 400:
            return Problem("refused", f"{where} refused the request ({code}){said}", False)
        case _:
            return Problem("refused", f"{where} points to another address ({code}); set that address instead.", False)


def _message(body: object) -> object:
    """The sentence in an error body: OpenAI's {"message": ...}, FastAPI's {"detail": ...}, or the text itself."""
    if not isinstance(body, dict):
        return body
    found = cast("dict[object, object]", body)
    return found.get("message") or found.get("detail") or found.get("error")


def retry_after(text: str, now: float) -> float | None:
    """Seconds >= 0 of a Retry-After header: a number of seconds or a date; None when it is neither. RFC 9110, 10.2.3."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError, OSError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
