"""`/docs`: every method of the running service, for people, and a form that calls it.

One rule: the form calls for whoever sits in front of this page, and for nobody else's page. A call needs JSON (which no
foreign form can send), this page's own origin, an address and no name as the host (a name can be pointed at 127.0.0.1
by anybody), and the token that only this page can read.
"""

from __future__ import annotations

import enum
import hmac
import html
import importlib.resources
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mesh.admin.pages import HTML, Answer, Route, json_answer
from mesh.contract.jsonform.body import BodyError, parse

MAX_REQUEST_BYTES = 1024 * 1024  # what a person pastes into a form
MAX_ANSWER_BYTES = 2 * 1024 * 1024  # a page that shows more freezes
MAX_CALLS = 4  # at a time: a person waits for one
MAX_TIMEOUT_MS = 60_000.0  # nobody looks at a page for longer
TOKEN_HEADER = "X-Mesh-Token"
CALL_PATH = "/docs/call"

_KEYS: dict[str, type | tuple[type, ...]] = {
    "service": str,
    "method": str,
    "body": dict,
    "timeout_ms": (int, float),
    "headers": dict,
}


class DocsCalls(enum.StrEnum):
    """Whether `/docs` has a form that calls. `auto`: where the admin side listens on loopback."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Asked:
    """One call as the form asks for it."""

    service: str  # as it is registered
    method: str  # `Pricing::quote`
    body: dict[str, Any]
    timeout_ms: float | None
    headers: dict[str, str]


class CannotCall(Exception):
    """What was asked for makes no call; the text says why."""


@dataclass(frozen=True, slots=True)
class DocsSource:
    """What the page shows and how it calls; the node fills it in. `call` raises CannotCall."""

    describe: Callable[[], dict[str, Any]]
    call: Callable[[Asked], Awaitable[dict[str, Any]]]
    calls: DocsCalls = DocsCalls.AUTO


class Docs:
    """The pages and the form of one process."""

    def __init__(self, source: DocsSource, *, loopback: bool) -> None:
        self._source = source
        self._under_way = 0
        self._token = secrets.token_urlsafe(32)
        self.why_off = _why_off(source.calls, loopback)

    def routes(self) -> tuple[Route, ...]:
        guarded = not self.why_off
        return (
            Route("/docs", "the methods served, with a form that calls them", self._page, by_address=guarded),
            Route("/docs.json", "the same for programs", self._json),
            Route("/docs/docs.css", "how /docs looks", lambda: _asset("docs.css", "text/css; charset=utf-8")),
            Route("/docs/docs.js", "what /docs does", lambda: _asset("docs.js", "text/javascript; charset=utf-8")),
        )

    def _page(self) -> Answer:
        text = _text("docs.html").replace("{{token}}", "" if self.why_off else html.escape(self._token))
        return Answer(text.encode(), HTML)

    def _json(self) -> Answer:
        limits = {"max_timeout_ms": MAX_TIMEOUT_MS, "max_request_bytes": MAX_REQUEST_BYTES}
        form = {"on": not self.why_off, "why_off": self.why_off, **limits}
        return json_answer({**self._source.describe(), "form": form})

    def refusal(self, headers: Mapping[str, str], host: str) -> tuple[int, str] | None:
        """Status and reason when a request may not call; `host` is its Host header. The body was not read yet."""
        if self.why_off:
            return 403, self.why_off
        if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "send application/json"
        if headers.get("Origin") not in (None, f"http://{host}", f"https://{host}"):
            return 403, f"another page's origin: {headers['Origin'][:100]}"
        if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return 403, f"asked by another site ({headers['Sec-Fetch-Site'][:20]})"
        if not hmac.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            return 403, f"the header {TOKEN_HEADER} must be the token of this process's /docs; reload the page"
        return None

    async def answer(self, data: bytes) -> Answer:
        """The call that `data` asks for. Only for requests that `refusal` let pass."""
        if self._under_way >= MAX_CALLS:
            return problem(429, f"{MAX_CALLS} calls of this page are under way; wait for one")
        self._under_way += 1
        try:
            made = json_answer(await self._source.call(read(data)))
        except CannotCall as error:
            return problem(400, str(error))
        finally:
            self._under_way -= 1
        if len(made.body) > MAX_ANSWER_BYTES:
            return problem(502, f"the answer has {len(made.body)} bytes of JSON, the page shows {MAX_ANSWER_BYTES}")
        return made


def problem(status: int, reason: str) -> Answer:
    """Why there was no call."""
    return json_answer({"problem": reason}, status)


def read(data: bytes) -> Asked:
    """What the form sent. Raises CannotCall."""
    try:
        given = parse(data.decode())
    except (UnicodeDecodeError, BodyError) as error:
        raise CannotCall(f"the request: {error}") from None
    if not isinstance(given, dict):
        raise CannotCall("the request: expected an object")
    for key, value in given.items():
        if key not in _KEYS or not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise CannotCall(f"the request: {key!r} is unknown, or {json.dumps(value)[:60]} does not fit it")
    if "service" not in given or "method" not in given:
        raise CannotCall("the request: service and method are needed")
    timeout_ms = given.get("timeout_ms")
    if timeout_ms is not None and not 1 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise CannotCall(f"timeout_ms: expected from 1 to {MAX_TIMEOUT_MS:.0f} milliseconds, got {timeout_ms}")
    headers = given.get("headers", {})
    if not all(isinstance(value, str) for value in headers.values()):
        raise CannotCall("headers: keys and values are text")
    return Asked(given["service"], given["method"], given.get("body", {}), timeout_ms, headers)


def _why_off(calls: DocsCalls, loopback: bool) -> str:
    """Empty when the form is on."""
    if calls is DocsCalls.OFF:
        return 'calls from this page are off: docs_calls = "off" (MESH_DOCS_CALLS)'
    if calls is DocsCalls.AUTO and not loopback:
        return (
            'calls from this page are off where the admin side listens for others; docs_calls = "on" (MESH_DOCS_CALLS)'
        )
    return ""


def _text(name: str) -> str:
    return (importlib.resources.files("mesh.admin") / "static" / name).read_text("utf-8")


def _asset(name: str, content_type: str) -> Answer:
    return Answer(_text(name).encode(), content_type)
