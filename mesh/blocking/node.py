"""The node that scripts and workers use: made anywhere, started by its first call, shared by all threads.

One rule: a process never uses what another one started. After a fork the child's first call starts afresh.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar, cast

from prometheus_client import generate_latest

from mesh import node as nodes
from mesh.blocking import forks, places
from mesh.blocking.client import BlockingMethod
from mesh.blocking.thread import LoopThread
from mesh.contract import service_of
from mesh.contract.model import Service
from mesh.contract.typing import ServiceOf
from mesh.net import split_address
from mesh.node.calling import Protocol

B = TypeVar("B")
P = ParamSpec("P")
R = TypeVar("R")

# Calls under way at a time: fifty threads' worth of twenty submitted calls each. Above it callers wait for their turn.
MAX_CALLS = 1000
SERVER_SETTINGS = ("listen", "admin", "advertise")


class Node:
    """A `mesh.Node` for code that blocks: it calls, and serves nothing.

    Thread-safe and fork-safe. `with` closes it at the end of the block; without, it closes when the process exits.
    `name` is the caller's name; `registry` a URL (or MESH_REGISTRY). `settings` are those of `mesh.Node`. Nothing is
    started before the first call. Raises ValueError for settings that are wrong.
    """

    def __init__(self, name: str, *, registry: str | None = None, max_calls: int = MAX_CALLS, **settings: Any) -> None:
        if registry is not None and not isinstance(registry, str):
            raise TypeError(f"registry= of a blocking node is a URL, got {type(registry).__name__}")
        useless = [key for key in SERVER_SETTINGS if settings.get(key) is not None]
        if useless:
            raise TypeError(f"a blocking node serves nothing, so it has no {', '.join(useless)}; see mesh.Node")
        if max_calls < 1:
            raise ValueError(f"max_calls must be at least 1, got {max_calls}")
        self.name = name
        self._make = functools.partial(nodes.Node, name, registry=registry, **settings)
        self._make()  # says now what is wrong with the settings, and not in the first request
        self._max_calls = max_calls
        self._thread: LoopThread | None = None
        self._closed = False
        forks.watch(self)

    def client(
        self,
        contract: type[ServiceOf[Any, Any, B]],
        *,
        service: str | None = None,
        peers: Iterable[str] | None = None,
        protocol: Protocol = "tchannel",
    ) -> B:
        """A client of `contract`, found in the registry under its name or `service`, or at fixed `peers`.

        `protocol` as for `mesh.Node.client`. To be made once and kept; every thread may use it. Raises ValueError for a
        peer that is no address.
        """
        self._check_open()
        found = contract if isinstance(contract, Service) else service_of(contract)
        addresses = [peers] if isinstance(peers, str) else None if peers is None else list(peers)
        for address in addresses or ():
            split_address(address)
        made: tuple[LoopThread, Any] | None = None

        def find(name: str) -> tuple[LoopThread, Callable[..., Any]]:
            there = made
            if there is None or there[0] is not self._thread:
                there = make()
            return there[0], getattr(there[1], name)

        def make() -> tuple[LoopThread, Any]:
            nonlocal made
            with forks.quiet:
                thread = self._started()
                if made is None or made[0] is not thread:
                    where: dict[str, Any] = {"service": service, "peers": addresses, "protocol": protocol}
                    made = thread, thread.ask(lambda: thread.node.client(contract, **where))
                return made

        target = service or found.registry_name
        methods = {method.name: BlockingMethod(method, target, find) for method in found.methods.values()}
        return cast(B, nodes.Client(found, target, methods))

    def submit(self, method: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Begins `method(*args)` of a client, and gives its future at once: for calls side by side.

        It waits only while `max_calls` are under way. Cancelling the future cancels the call.
        """
        if not isinstance(method, BlockingMethod):
            raise TypeError(
                f"submit takes a method of a blocking client, as in submit(prices.quote, ...); got {method!r}"
            )
        return method.submit(args, kwargs)

    def metrics(self) -> bytes:
        """What this process's calls count, in Prometheus' text form (UTF-8)."""
        with forks.quiet:
            thread = self._started()
        return thread.ask(lambda: generate_latest(thread.node.metrics))

    def _started(self) -> LoopThread:
        """This process's thread, started if it has none yet. To be called in `forks.quiet`."""
        self._check_open()
        if self._thread is None:
            refusal = places.patched()
            if refusal is not None:
                raise RuntimeError(refusal)
            thread = LoopThread(self._make, self._max_calls)
            thread.start()
            self._thread = thread
        return self._thread

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError(f"the blocking node {self.name!r} is closed; make another one")

    # -- its end

    def close(self) -> None:
        """Ends its connections and its thread. Calls under way fail with Cancelled; safe to call again."""
        with forks.quiet:
            thread, self._thread, self._closed = self._thread, None, True
        if thread is not None:
            thread.stop()
            thread.join()

    def fork_begins(self) -> None:
        """In the parent, before a fork."""
        if self._thread is not None:
            self._thread.fork_begins()

    def forked(self) -> None:
        """In a forked child: the thread, if there was one, stayed with the parent."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.leave_to_parent()

    def __enter__(self) -> Node:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        thread = getattr(self, "_thread", None)
        if thread is not None:
            warnings.warn(f"{self!r} was dropped without close()", ResourceWarning, source=self, stacklevel=2)
            thread.stop()  # and no wait: this may be any thread, even that one

    def __repr__(self) -> str:
        state = "closed" if self._closed else "started" if self._thread is not None else "not started"
        return f"<mesh.blocking.Node {self.name!r}, {state}>"
