"""Is an instance ready? A question asked from outside, the same for every language.

One rule: a probe answers within `PROBE_S` and never raises; what it says is for the person who waits.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping

from tornado.httpclient import AsyncHTTPClient, HTTPError, HTTPResponse
from tornado.netutil import Resolver

Probe = Callable[[], Awaitable[str]]  # "" when ready, else why not
PROBE_S = 1.0  # on loopback an answer takes a millisecond; a process that needs a second is not ready
MAX_BODY = 16 * 1024 * 1024  # of /metrics; a node with every label in use writes a few hundred kilobytes
REGISTERED = "registered:"  # how a node's checks of its registrations are called (mesh.node.presence)
_SHOWN = 200  # characters of somebody else's answer that are shown


class Literal(Resolver):
    """Addresses here are numbers. Tornado's own resolver asks the system for them too, in a thread that a busy machine
    runs when it likes."""

    async def resolve(
        self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[tuple[int, tuple[str, int]]]:
        return [(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))]


def new_http_client() -> AsyncHTTPClient:
    """A client of its own: Tornado's shared one queues at ten requests."""
    return AsyncHTTPClient(force_instance=True, max_clients=256, max_body_size=MAX_BODY, resolver=Literal())


async def fetch(http: AsyncHTTPClient, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body; status 0 and the reason as the body when there was no answer."""
    given = dict(headers or {})
    asked = http.fetch(url, raise_error=False, headers=given, connect_timeout=PROBE_S, request_timeout=PROBE_S)
    asked.add_done_callback(_seen)
    try:
        # Shielded: Tornado logs an error for a request whose asker was cancelled; left alone it ends within PROBE_S.
        answer = await asyncio.shield(asked)
    except (OSError, HTTPError) as error:
        return 0, str(error).encode()
    if answer.code == 599:  # Tornado's own code for "none came"
        return 0, str(answer.error).encode()
    return answer.code, answer.body


def _seen(asked: asyncio.Future[HTTPResponse]) -> None:
    """Takes note of how it ended, so that nobody complains when the asker has gone."""
    if not asked.cancelled():
        asked.exception()


def health(http: AsyncHTTPClient, admin: str) -> Probe:
    """GET /health: status 200 and `{"ready": true}`."""

    async def probe() -> str:
        code, body = await fetch(http, f"http://{admin}/health")
        if code == 0:
            return f"no answer from http://{admin}/health: {body.decode('utf-8', 'replace')[:_SHOWN]}"
        try:
            answer = json.loads(body)
        except ValueError:
            return f"http://{admin}/health answers {code} and no JSON"
        if code == 200 and isinstance(answer, dict) and answer.get("ready") is True:
            return ""
        return f"http://{admin}/health answers {code}: {json.dumps(answer)[:_SHOWN]}"

    return probe


async def unregistered(http: AsyncHTTPClient, admin: str) -> str:
    """Why a ready node cannot be found by callers yet: its own word in /health. Empty for one that says nothing of it.

    A node is ready without its registry, so that an outage of that keeps nobody away who has an old list; but a new
    process whom no list has cannot take over from another.
    """
    _, body = await fetch(http, f"http://{admin}/health")
    try:
        checks = json.loads(body)["checks"]
        missing = [f"{name}: {check['detail']}" for name, check in checks.items() if not check["ok"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""  # another program's /health
    return "; ".join(text for text in missing if text.startswith(REGISTERED))[:_SHOWN]


def tcp(host: str, port: int) -> Probe:
    """A connection is accepted."""

    async def probe() -> str:
        try:
            async with asyncio.timeout(PROBE_S):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError) as error:
            return f"{host}:{port} accepts no connection: {error or 'timeout'}"
        writer.close()
        return ""

    return probe


def consul(http: AsyncHTTPClient, url: str, leader: str) -> Probe:
    """The agent has a leader, so that it takes registrations; and that is `leader`, so that it is ours."""

    async def probe() -> str:
        code, body = await fetch(http, f"{url}/v1/status/leader")
        if code == 200 and body.strip() == json.dumps(leader).encode():
            return ""
        return f"{url} has no leader yet: {body[:_SHOWN]!r}" if code else f"no answer from {url}"

    return probe
