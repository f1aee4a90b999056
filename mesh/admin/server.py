"""The admin side's HTTP server: a few pages for people, Prometheus and the registry's health check.

One rule: it must answer when the rest is in trouble, so it shares nothing with the RPC side but the loop, and a page
that fails takes no other page with it.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import ipaddress
import logging
import os
import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import Application, RequestHandler, stream_request_body

from mesh.admin.docs import CALL_PATH, MAX_REQUEST_BYTES, Docs, DocsSource, problem
from mesh.admin.pages import AdminSources, Answer, Route, index, standard_routes, text_answer

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64  # Prometheus, the registry's check and some people; more would be a leak at the other end
MAX_HEADER_BYTES = 16 * 1024  # a browser's cookies for localhost can be long; nothing else is
MAX_BODY_BYTES = 4 * 1024  # every page but the one that calls is a GET
READ_TIMEOUT_S = 5.0  # for a request's body; who cannot send 4 KiB in it is not there any more
IDLE_TIMEOUT_S = 90.0  # longer than Prometheus' usual 60 s between scrapes, so that its connection is kept
PAGE_TIMEOUT_S = 5.0  # registries' checks give up after about as long
CLOSE_TIMEOUT_S = 1.0  # for connections to end; the process is about to


class Remote(enum.StrEnum):
    """What other machines may see where the admin side listens on more than loopback."""

    HEALTH = "health"  # the pages that a registry's check and Prometheus need
    ALL = "all"


class Admin:
    """`async with Admin("127.0.0.1:0", sources) as admin`; `admin.address` is where it listens (`HOST:PORT`).

    `routes` are further pages; `remote` says which of them other machines see; `docs` is what /docs shows. Raises
    ValueError for two pages under one path, OSError when it cannot listen.
    """

    def __init__(
        self,
        listen: str,
        sources: AdminSources,
        *,
        routes: tuple[Route, ...] = (),
        remote: Remote = Remote.HEALTH,
        docs: DocsSource | None = None,
    ) -> None:
        self._listen = listen
        self._docs_source = docs
        self.docs: Docs | None = None
        self._sources = sources
        self._remote = remote
        self._on_loopback = True
        self._routes: dict[str, Route] = {}
        for route in (*standard_routes(sources), *routes):
            self.add(route)
        self._server: _Server | None = None
        self.address = ""

    def add(self, route: Route) -> None:
        """One more page, also while it runs."""
        if route.path in self._routes or route.path == "/":
            raise ValueError(f"the admin side has a page {route.path} already")
        if not route.path.startswith("/"):
            raise ValueError(f"an admin page's path starts with a slash, got {route.path!r}")
        self._routes[route.path] = route

    async def __aenter__(self) -> Admin:
        listener = _bind(self._listen)
        self.address = _address(listener)
        self._on_loopback = ipaddress.ip_address(listener.getsockname()[0]).is_loopback
        if self._docs_source is not None:
            self.docs = Docs(self._docs_source, loopback=self._on_loopback)
            for route in self.docs.routes():
                self.add(route)
        application = Application(
            [(f"({CALL_PATH})", _CallHandler, {"admin": self}), (r"(/.*)", _Handler, {"admin": self})],
            log_function=lambda handler: None,
        )
        self._server = _Server(
            application,
            max_header_size=MAX_HEADER_BYTES,
            max_body_size=MAX_BODY_BYTES,
            body_timeout=READ_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
        )
        self._server.add_socket(listener)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is None:
            return
        server, self._server = self._server, None
        server.stop()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await server.close_all_connections()
        except TimeoutError:
            log.warning("admin connections did not end within %.0f ms", CLOSE_TIMEOUT_S * 1000)

    def refusal(self, path: str, request: HTTPServerRequest) -> str:
        """Why whoever sent this request does not get this page; empty when he does."""
        route = self._routes.get(path)
        by_address = path == CALL_PATH or (route is not None and route.by_address)
        if not self._on_loopback:
            if not by_address and (self._remote is Remote.ALL or (route is not None and route.public)):
                return ""
            if self._remote is not Remote.ALL and not _from_this_machine(request):
                return f'{path} is for this machine only; admin_remote = "all" (MESH_ADMIN_REMOTE) opens it to others\n'
        return (
            "" if _is_local_name(request.host_name) else "ask the admin side by its address, 127.0.0.1 or localhost\n"
        )

    async def answer(self, path: str) -> Answer:
        """The page under `path`; 404 when there is none, 500 when it failed."""
        if path == "/":
            return index(self._sources.health().name, tuple(self._routes.values()))
        route = self._routes.get(path)
        if route is None:
            known = "\n".join(self._routes)
            return _with_status(404, f"no page {path}; there are:\n{known}\n")
        async with asyncio.timeout(PAGE_TIMEOUT_S):
            made = route.page()
            return await made if inspect.isawaitable(made) else made


class _Server(HTTPServer):
    """Tornado's server with a limit on connections."""

    _open: int

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self._open = 0

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        if self._open >= MAX_CONNECTIONS:
            log.warning("admin connection from %s refused: %d are open", address, self._open)
            stream.close()
            return
        self._open += 1
        super().handle_stream(stream, address)

    def on_close(self, server_conn: object) -> None:
        self._open -= 1
        super().on_close(server_conn)


# A browser takes nothing from elsewhere into these pages, gives them nothing else to do, and shows them in no frame.
_PROTECTION = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


class _Handler(RequestHandler):
    SUPPORTED_METHODS = ("GET", "HEAD")

    def initialize(self, admin: Admin) -> None:
        self._admin = admin

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        for name, value in _PROTECTION.items():
            self.set_header(name, value)

    async def get(self, path: str) -> None:
        if refusal := self._admin.refusal(path, self.request):
            self._send(_with_status(403, refusal))
            return
        try:
            answer = await self._admin.answer(path)
        except TimeoutError:
            answer = _with_status(503, f"{path} took longer than {PAGE_TIMEOUT_S:.0f} s\n")
        except Exception as error:
            log.exception("the admin page %s failed", path)
            answer = _with_status(500, f"{path} failed: {type(error).__name__}; the log has the stack\n")
        self._send(answer)

    head = get

    def _send(self, answer: Answer) -> None:
        self.set_status(answer.status)
        self.set_header("Content-Type", answer.content_type)
        self.finish(answer.body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("the admin side only answers GET\n" if status_code == 405 else f"{status_code}\n")


@stream_request_body  # so that who may not call is refused before the body, which may be larger here, is read
class _CallHandler(_Handler):
    SUPPORTED_METHODS = ("POST",)  # type: ignore[assignment]

    def prepare(self) -> None:
        self._data = bytearray()
        self._under_way: asyncio.Future[Answer] | None = None
        docs, request = self._admin.docs, self.request
        if docs is None:
            refused: Answer | None = problem(404, "no page here calls")
        elif reason := self._admin.refusal(CALL_PATH, request):
            refused = problem(403, reason.strip())
        else:
            found = docs.refusal(request.headers, request.host)
            refused = problem(*found) if found else None
        if refused is not None:
            self.set_header("Connection", "close")  # what is still to come of the body is not waited for
            self._send(refused)
            return
        assert request.connection is not None
        request.connection.set_max_body_size(MAX_REQUEST_BYTES)  # type: ignore[attr-defined]

    def data_received(self, chunk: bytes) -> None:
        self._data += chunk

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self._send(problem(status_code, "POST only" if status_code == 405 else "it failed; the log has more"))

    def on_connection_close(self) -> None:
        """Whoever asked is gone, so the call is given up, and its callee hears of it."""
        if self._under_way is not None:
            self._under_way.cancel()

    async def post(self, path: str) -> None:
        assert self._admin.docs is not None
        self._under_way = asyncio.ensure_future(self._admin.docs.answer(bytes(self._data)))
        try:
            answer = await self._under_way
        except asyncio.CancelledError:
            return
        except Exception as error:
            log.exception("a call from /docs failed")
            answer = problem(500, f"{type(error).__name__}; the log has the stack")
        self._send(answer)


def _with_status(status: int, text: str) -> Answer:
    made = text_answer(text)
    return Answer(made.body, made.content_type, status)


def _from_this_machine(request: HTTPServerRequest) -> bool:
    """Whether both ends of the connection have the same address, or loopback ones."""
    stream: IOStream | None = getattr(request.connection, "stream", None)
    if stream is None or stream.socket is None:
        return False
    try:
        near, far = (ipaddress.ip_address(end[0].partition("%")[0]) for end in _ends(stream.socket))
    except OSError:  # it has hung up
        return False
    return near == far or far.is_loopback


def _ends(connected: socket.socket) -> tuple[tuple[str, int], tuple[str, int]]:
    return connected.getsockname()[:2], connected.getpeername()[:2]


def _is_local_name(host: str) -> bool:
    """An address or `localhost`. A web page can point a name of its own at 127.0.0.1 (DNS rebinding) and read along."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _bind(listen: str) -> socket.socket:
    """One listening socket. (Tornado's `bind_sockets` leaves it open when the port is taken.)"""
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise ValueError(f"admin: expected HOST:PORT, got {listen!r}")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        listener = socket.create_server(
            (bare, int(port)), family=socket.AF_INET6 if ":" in bare else socket.AF_INET, backlog=MAX_CONNECTIONS
        )
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise OSError(error.errno, f"the admin side cannot listen on {listen}: {reason}") from None
    listener.setblocking(False)
    return listener


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
