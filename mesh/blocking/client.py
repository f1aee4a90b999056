"""A client whose methods block: the contract's methods, with the contract's parameter names.

One rule: it belongs to its node, not to a process. The asynchronous client that does the work is made on the first
call in each process.
"""

from __future__ import annotations

from asyncio import _get_running_loop
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from mesh.blocking.call import Call
from mesh.blocking.places import inside_a_loop
from mesh.blocking.thread import LoopThread
from mesh.contract.model import Method
from mesh.node.deprecated import WARN

Find = Callable[[str], tuple[LoopThread, Callable[..., Any]]]


class CallFuture(Future[Any]):
    """What comes of a submitted call. Who waits without a timeout of its own waits no longer than the call's thread."""

    wait_for: Callable[[], None]

    def result(self, timeout: float | None = None) -> Any:
        if timeout is None and not self.done():
            self.wait_for()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if timeout is None and not self.done():
            self.wait_for()
        return super().exception(timeout)


class BlockingMethod:
    """One method of a client. `find(name)` gives the present process's thread and the asynchronous method there."""

    __slots__ = ("__name__", "_find", "_method", "_service")

    def __init__(self, method: Method, service: str, find: Find) -> None:
        self._method = method
        self._service = service
        self._find = find
        self.__name__ = method.name

    def __call__(self, *args: Any, **named: Any) -> Any:
        thread, call = self._call(args, named)
        return thread.run(call)

    def submit(self, args: tuple[Any, ...], named: Mapping[str, Any]) -> Future[Any]:
        """Begins the call and does not wait for it. Cancelling the future cancels the call."""
        future = CallFuture()
        thread, call = self._call(args, named, future)
        future.wait_for = lambda: thread.wait(call)
        thread.post(call)
        future.add_done_callback(lambda done: thread.give_up(call) if done.cancelled() else None)
        return future

    def _call(
        self, args: tuple[Any, ...], named: Mapping[str, Any], future: Future[Any] | None = None
    ) -> tuple[LoopThread, Call]:
        if _get_running_loop() is not None:
            refusal = inside_a_loop(f"{self._service} {self._method.wire_name}")
            if refusal is not None:
                raise RuntimeError(refusal)
        thread, function = self._find(self._method.name)
        warn = getattr(function, WARN, None)
        if warn is not None:  # here, so that the warning names who called, and not the loop's thread
            warn(args, named)
            function = vars(function)["__wrapped__"]
        return thread, Call(self._method, self._service, function, copy_context(), args, named, future)

    def __repr__(self) -> str:
        return f"<blocking {self._method.wire_name} of {self._service}>"
