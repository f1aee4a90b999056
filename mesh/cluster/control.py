"""The control socket of a running cluster: other terminals' way in.

One rule: a client can hurt nobody but itself. Garbage, silence, a reader who does not read and a hundred connections
cost bounded time and memory, and the cluster goes on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mesh.cluster import protocol
from mesh.cluster.protocol import ProtocolError, Request
from mesh.cluster.rundir import ClusterError
from mesh.config import ConfigError

log = logging.getLogger(__name__)

CONNECTIONS = 32  # at a time; a person has a few terminals, a script a few more
MOST = 4 * CONNECTIONS  # these are told that there is no place; more are cut
MAX_UNREAD = 1024 * 1024  # bytes of answers that wait for their reader
NO, USAGE, INTERNAL = 1, 2, 70  # exit codes of the command that asked (mesh.cli.exits)

Handler = Callable[[Request, "Asker"], Awaitable[dict[str, Any]]]


class Asker:
    """Whoever asked: told how it goes on, and `gone` when nobody listens any more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gone = asyncio.Event()
        self._reader = reader
        self._writer = writer

    def say(self, line: str) -> None:
        """A line of progress."""
        self.send({"progress": line})

    def send(self, message: dict[str, Any]) -> None:
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() > MAX_UNREAD:
            self.gone.set()
            transport.abort()
            return
        self._writer.write(protocol.encode(message))

    async def watch(self) -> None:
        """Until the other side has closed, or says more than the one request."""
        try:
            await self._reader.read(1)
        except OSError:
            pass
        self.gone.set()


class Control:
    """`async with Control(run, answer):` serves the socket in the run directory `run` (see `protocol`).

    `answer(request, asker)` gives the result. ClusterError, LookupError and ValueError of its are told to the asker.
    """

    def __init__(self, run: Path, answer: Handler) -> None:
        self._run = run
        self._answer = answer
        self._path: Path | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Control:
        self._path = protocol.socket_path(self._run)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=_bound(self._path), limit=protocol.MAX_REQUEST
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        assert self._path is not None
        self._server.close()
        self._closing = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # for a connection that was accepted in this very turn
        self._path.unlink(missing_ok=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing or len(self._tasks) >= MOST:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._connection(reader, writer), name="control connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asker = Asker(reader, writer)
        try:
            asker.send(await self._served(reader, asker, full=len(self._tasks) > CONNECTIONS))
        except OSError:
            pass  # the other side has gone
        finally:
            await _closed(writer)

    async def _served(self, reader: asyncio.StreamReader, asker: Asker, *, full: bool) -> dict[str, Any]:
        try:
            asked = await _request(reader)
        except ProtocolError as error:
            return {"error": f"the cluster cannot understand this: {error}", "code": USAGE}
        if full:  # said after the question: an answer that comes before it is lost with the connection
            return {"error": f"{CONNECTIONS} commands talk to this cluster already; try again", "code": NO}
        watching = asyncio.create_task(asker.watch())
        try:
            return {"result": await self._answer(asked, asker)}
        except (ClusterError, TimeoutError) as error:
            return {"error": str(error), "code": NO}
        except (ConfigError, LookupError, ValueError) as error:
            return {"error": str(error.args[0] if error.args else error), "code": USAGE}
        except asyncio.CancelledError:
            asker.send({"error": "the cluster stops", "code": NO})
            raise
        except Exception as error:
            log.exception("the command %s failed", asked.command)
            return {"error": f"{type(error).__name__}: {error}; the supervisor's log has the stack", "code": INTERNAL}
        finally:
            watching.cancel()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Closes it once the last answer is out, or when that takes too long."""
    writer.close()
    try:
        async with asyncio.timeout(protocol.ANSWERING_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> Request:
    try:
        async with asyncio.timeout(protocol.REQUEST_S):
            return protocol.request(await reader.readline())
    except TimeoutError:
        raise ProtocolError(f"no request within {protocol.REQUEST_S:g} s") from None
    except ValueError:  # StreamReader's word for a line that is longer than its limit
        raise ProtocolError(f"a request of more than {protocol.MAX_REQUEST} bytes") from None


def _bound(path: Path) -> socket.socket:
    """A listening socket that only its owner can open; one that a killed supervisor left is replaced."""
    path.unlink(missing_ok=True)  # we hold the lock of the run directory: it is nobody's
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # not a chmod afterwards: in between anybody could open it
    try:
        listening.bind(str(path))
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.setblocking(False)
    return listening
