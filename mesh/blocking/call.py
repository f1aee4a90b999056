"""One call on its way from a thread that waits to the loop that runs it, and back.

One rule: a call ends once, on the loop's thread (or, when that thread is over, in whoever finds it so).
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextvars import Context
from typing import Any, Protocol

from mesh.contract.model import Method
from mesh.errors import Cancelled


class Cancellable(Protocol):
    """What runs a call: a task."""

    def cancel(self) -> object: ...


class Call:
    """A method, its arguments, the context they were given in, and what came of it.

    `ended` is a lock that is held until the call has ended: a tenth of a Future's price. `started` (seconds of the
    monotonic clock) and `time_s` say until when the call is expected to end.
    """

    __slots__ = (
        "args", "context", "ended", "error", "function", "future", "given_up", "method", "named", "service", "started",
        "task", "time_s", "value",
    )  # fmt: skip

    def __init__(
        self,
        method: Method,
        service: str,
        function: Callable[..., Coroutine[Any, Any, Any]],
        context: Context,
        args: tuple[Any, ...],
        named: Mapping[str, Any],
        future: Future[Any] | None = None,
    ) -> None:
        self.method = method
        self.service = service
        self.function = function
        self.context = context
        self.args = args
        self.named = named
        self.future = future
        self.ended = allocate_lock()
        self.ended.acquire()
        self.value: Any = None
        self.error: BaseException | None = None
        self.given_up = False
        self.started = 0.0
        self.time_s = 0.0
        self.task: Cancellable | None = None

    def cancelled(self, reason: str) -> Cancelled:
        """The error of a call that this process itself ended."""
        return Cancelled(reason, service=self.service, method=self.method.wire_name)

    def end(self) -> None:
        """Wakes whoever waits."""
        self.task = None
        self.ended.release()
        future = self.future
        if future is None or not future.set_running_or_notify_cancel():
            return
        error = self._take_error()
        if error is None:
            future.set_result(self.value)
        else:
            future.set_exception(error)

    def result(self) -> Any:
        """What the method returned. Raises what it raised."""
        error = self._take_error()
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error, self  # as above: this frame is in the traceback, too

    def _take_error(self) -> BaseException | None:
        """The error, held here no longer: its traceback has frames that hold this call, and a ring stays in memory."""
        error, self.error = self.error, None
        return error
