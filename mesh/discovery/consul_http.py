"""py-consul's HTTP side, on Tornado's client.

One rule: every request has its own deadline, and whoever stops waiting for it also ends its connection; otherwise the
long polls of closed watches would use up the client's places one by one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Any

from consul import exceptions
from consul.base import HTTPClient, Response
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.iostream import IOStream
from tornado.netutil import Resolver
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient

from mesh.discovery.answer import Answer, read_headers
from mesh.discovery.registry import RegistryError, RegistryRefused

MAX_CONNECTIONS = 512  # one per watch and a few for the rest; Tornado's 10 would be gone with the tenth watch
MAX_BODY_BYTES = 16 * 1024 * 1024  # 20,000 instances of one service; more is no answer but an accident
MAX_HEADER_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 2.0  # the agent is on this machine or in this rack
REQUEST_TIMEOUT_S = 5.0  # what does not block; without a leader 1.8 hangs 5-7 s, which is as good as no answer
SLACK_S = 5.0  # on top of what a blocking query may take by agreement
CLOSE_TIMEOUT_S = 1.0

Params = Sequence[tuple[str, Any]] | None
Callback = Callable[[Response], Any]


def deadline_s(params: Params) -> float:
    """How long a request may take: a blocking query its wait, the sixteenth that Consul adds as jitter, and slack.

    `wait` is text like "30s". A query without index does not block, whatever its wait.
    """
    given = dict(params or ())
    wait = str(given.get("wait", ""))
    if not given.get("index") or not wait.endswith("s"):
        return REQUEST_TIMEOUT_S
    seconds = float(wait[:-1])
    return seconds + seconds / 16 + SLACK_S


class _Exchange:
    """One request's connection, so that it can be ended from outside."""

    def __init__(self) -> None:
        self._stream: IOStream | None = None
        self._abandoned = False

    def connected(self, stream: IOStream) -> None:
        self._stream = stream
        if self._abandoned:
            stream.close()

    def abandon(self) -> None:
        self._abandoned = True
        if self._stream is not None:
            self._stream.close()


_exchange: contextvars.ContextVar[_Exchange | None] = contextvars.ContextVar("consul_exchange", default=None)


class _Connector(TCPClient):
    """Tells the request's `_Exchange` which stream it got."""

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        stream = await super().connect(*args, **kwargs)
        exchange = _exchange.get()
        if exchange is not None:
            exchange.connected(stream)
        return stream


class ConsulHttp(HTTPClient):  # type: ignore[misc]  # py-consul has no types
    """The adapter that `consul.base.Consul` is given. Every method is awaited and gives an `Answer`.

    Raises RegistryError when there is no (usable) answer, RegistryRefused for a 4xx. The token comes in as a header
    from py-consul; it is in no URL, and no error's text repeats a request.
    """

    def __init__(
        self, host: str, port: int, *, tls: bool = False, ca_file: str | None = None, resolver: Resolver | None = None
    ) -> None:
        super().__init__(f"[{host}]" if ":" in host else host, port, scheme="https" if tls else "http")
        self._ca_file = ca_file
        self._client = SimpleAsyncHTTPClient(
            force_instance=True,
            max_clients=MAX_CONNECTIONS,
            max_buffer_size=MAX_BODY_BYTES,
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            resolver=resolver,
        )
        self._client.tcp_client = _Connector(resolver=self._client.resolver)
        # Tornado's own queue would start a request in another request's context: nothing may ever stand in it.
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._under_way: dict[asyncio.Future[HTTPResponse], _Exchange] = {}

    async def get(
        self, callback: Callback, path: str, params: Params = None, headers: dict[str, str] | None = None, **_: Any
    ) -> Answer[Any]:
        return await self._request("GET", callback, path, params, headers)

    async def put(
        self,
        callback: Callback,
        path: str,
        params: Params = None,
        data: str | bytes = "",
        headers: dict[str, str] | None = None,
        **_: Any,
    ) -> Answer[Any]:
        return await self._request("PUT", callback, path, params, headers, data)

    async def post(
        self,
        callback: Callback,
        path: str,
        params: Params = None,
        data: str | bytes = "",
        headers: dict[str, str] | None = None,
        **_: Any,
    ) -> Answer[Any]:
        return await self._request("POST", callback, path, params, headers, data)

    async def delete(
        self,
        callback: Callback,
        path: str,
        params: Params = None,
        data: str | bytes = "",
        headers: dict[str, str] | None = None,
        **_: Any,
    ) -> Answer[Any]:
        return await self._request("DELETE", callback, path, params, headers)

    def abandon(self) -> None:
        """Ends every request under way: whoever waits gets a RegistryError at once."""
        for exchange in self._under_way.values():
            exchange.abandon()

    async def close(self) -> None:
        """Ends every request under way; waits a bounded time until their connections are gone."""
        self.abandon()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSE_TIMEOUT_S)
        self._client.close()

    async def _request(
        self,
        method: str,
        callback: Callback,
        path: str,
        params: Params,
        headers: dict[str, str] | None,
        data: str | bytes = "",
    ) -> Answer[Any]:
        timeout_s = deadline_s(params)
        request = HTTPRequest(
            self.uri(path, list(params or ())),
            method=method,
            headers=headers or {},
            body=data if method in ("PUT", "POST") else None,
            connect_timeout=CONNECT_TIMEOUT_S,
            request_timeout=timeout_s,
            ca_certs=self._ca_file,
            follow_redirects=False,  # Tornado would carry the token to wherever the answer points
        )
        try:
            async with asyncio.timeout(timeout_s), self._places:
                response = await self._fetch(request)
        except HTTPTimeoutError as error:
            raise RegistryError(f"no answer within {timeout_s:.1f} s ({str(error).lower()})") from None
        except TimeoutError:
            raise RegistryError(f"no answer within {timeout_s:.1f} s") from None
        except (HTTPClientError, OSError) as error:
            raise RegistryError(_reason(error)) from None
        return _interpret(response, callback)

    async def _fetch(self, request: HTTPRequest) -> HTTPResponse:
        exchange = _Exchange()
        mark = _exchange.set(exchange)
        try:
            fetching = self._client.fetch(request, raise_error=False)
        finally:
            _exchange.reset(mark)
        self._under_way[fetching] = exchange
        fetching.add_done_callback(self._ended)
        try:
            # Shielded, because Tornado logs an error for the answer of a cancelled future.
            return await asyncio.shield(fetching)
        except asyncio.CancelledError:
            exchange.abandon()
            raise

    def _ended(self, fetching: asyncio.Future[HTTPResponse]) -> None:
        self._under_way.pop(fetching, None)
        if not fetching.cancelled():
            fetching.exception()  # marks it as seen: nobody may be waiting any more


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error) or type(error).__name__).lower()
    return (error.message or "").lower() if isinstance(error, HTTPClientError) else str(error)


def _interpret(response: HTTPResponse, callback: Callback) -> Answer[Any]:
    text = response.body.decode("utf-8", "replace")
    short = " ".join(text.split())[:200]
    if 300 <= response.code < 400:
        raise RegistryRefused(f"it redirects ({response.code}); name the agent itself in the registry's address")
    try:
        value = callback(Response(response.code, response.headers, text))
    except (exceptions.ACLPermissionDenied, exceptions.ACLDisabled):
        raise RegistryRefused(f"permission denied ({short}); check the ACL token") from None
    except (exceptions.BadRequest, exceptions.NotFound, exceptions.ClientError):
        raise RegistryRefused(f"{response.code} {short}") from None
    except (exceptions.ConsulException, RecursionError):
        what = f"answered {response.code}" if response.code >= 500 else "no answer of Consul's"
        raise RegistryError(f"{what}: {short}") from None
    return read_headers(response.headers, value)
