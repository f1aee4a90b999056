"""Connections to other nodes: one multiplexed link per address, dialled once however many calls wait for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextvars import Context

from mesh.net.link import Link
from mesh.net.network import Network

CONNECT_S = 5.0  # a dial with its handshake; what takes longer on a data centre's network is down


class Peers:
    """Links by `host:port`. `make` makes the dialling end of a link, not yet connected; `connected` hears of each that
    stands, before the calls that wait for it."""

    def __init__(
        self,
        network: Network,
        make: Callable[[], Link],
        ssl: ssl.SSLContext | None = None,
        *,
        connected: Callable[[str, Link], None] = lambda address, link: None,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._network = network
        self._make = make
        self._ssl = ssl
        self._connected = connected
        self._connect_s = connect_s
        self._links: dict[str, Link] = {}
        self._dialling: dict[str, asyncio.Task[Link]] = {}
        self._shaking: set[str] = set()  # connected, waiting for the other side's handshake

    def ready(self, address: str) -> Link | None:
        """The link to `address`, if there is one (it may be draining)."""
        link = self._links.get(address)
        return None if link is not None and link.gone.done() else link

    async def connect(self, address: str) -> Link:
        """The link to `address`, dialled if need be. Raises OSError with a reason.

        A caller that gives up leaves the dialling to the others that wait for it.
        """
        link = self.ready(address)
        if link is not None:
            return link
        task = self._dialling.get(address)
        if task is None:
            task = self._dialling[address] = asyncio.create_task(
                # A context of its own: the connection outlives the call that happens to need it first.
                self._dial(address),
                name=f"dial {address}",
                context=Context(),
            )
            task.add_done_callback(lambda done: self._dialled(address, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if task.cancelled() and (caller is None or not caller.cancelling()):
                raise ConnectionError("this node is stopping") from None
            raise

    async def _dial(self, address: str) -> Link:
        try:
            async with asyncio.timeout(self._connect_s):
                link = await self._network.dial(address, self._make, self._ssl)
                assert isinstance(link, Link)
                self._shaking.add(address)
                try:
                    await link.ready
                except BaseException:
                    link.close("the handshake failed")
                    raise
        except TimeoutError:
            raise ConnectionError(f"{self.waits_for(address)} within {self._connect_s:g} s") from None
        finally:
            self._shaking.discard(address)
        if link.gone.done():
            raise ConnectionError(link.gone.result())
        self._links[address] = link
        link.gone.add_done_callback(lambda _: self._forget(address, link))
        self._connected(address, link)
        return link

    def waits_for(self, address: str) -> str:
        """What has not happened yet while `address` is being dialled."""
        return "connected, but no TChannel handshake" if address in self._shaking else "no connection"

    def _dialled(self, address: str, task: asyncio.Task[Link]) -> None:
        self._dialling.pop(address, None)
        if not task.cancelled():
            task.exception()  # seen; those who waited got it too

    def _forget(self, address: str, link: Link) -> None:
        if self._links.get(address) is link:
            del self._links[address]

    def describe(self) -> list[dict[str, object]]:
        """For /debug/peers."""
        told: list[dict[str, object]] = [
            {"address": address, "state": "draining" if link.draining else "connected", "calls": link.calls_waiting}
            for address, link in sorted(self._links.items())
        ]
        told += [{"address": address, "state": "dialling", "calls": 0} for address in sorted(self._dialling)]
        return told

    async def close(self, reason: str) -> None:
        """Ends every link; calls that wait on them fail."""
        dialling = list(self._dialling.values())
        for task in dialling:
            task.cancel()
        await asyncio.gather(*dialling, return_exceptions=True)
        for link in list(self._links.values()):
            link.close(reason)
