"""The thread that runs the loop with the node in it, and how other threads hand it calls.

One rule: it keeps deadlines, nobody else. A thread that waits looks, once its call's time is long up, only whether
the loop still turns; while it does, the node's own filters end the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from _thread import LockType, allocate_lock
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from mesh.blocking import forks
from mesh.blocking.call import Call
from mesh.call.context import current_or_none
from mesh.contract.model import Method
from mesh.errors import Busy, CallTimeout
from mesh.node import Node
from mesh.node.run import loop_factory

log = logging.getLogger("mesh.blocking")

T = TypeVar("T")

# From a call's deadline until its thread doubts that the loop turns, and then for the loop to prove it. The deadline
# itself is kept to some milliseconds; a process that computes on all cores gets its threads to run well within this.
GRACE_S = 0.5
START_S = 10.0  # a thread, a loop, a node, a client's codec: milliseconds; what takes longer than this hangs
LOOK_AGAIN_S = 0.05  # for a thread in line whose turn went to one that has given up
CLOSE_S = 5.0  # for connections to say goodbye
CLOSED = "the blocking node was closed while the call was under way"


class LoopThread:
    """A running node on a thread of its own, a daemon: what forgets to close it can still exit.

    Made by `start`; `max_calls` may be under way at a time.
    """

    def __init__(self, make: Callable[[], Node], max_calls: int) -> None:
        self._make = make
        self._max_calls = max_calls
        self._posted: deque[Call] = deque()
        self._running: set[Call] = set()
        self._in_line: deque[LockType] = deque()  # of threads that wait for room, locked
        self._ready: Future[Node] = Future()
        self._over: str | None = None  # why no call can begin any more
        self._closing = False
        self._descriptors: forks.Descriptors | None = None
        self.node: Node
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread = threading.Thread(target=self._main, name="mesh-blocking", daemon=True)

    # -- its life

    def start(self) -> None:
        """Returns once the node is open. Raises what kept it from opening."""
        self._thread.start()
        self._result(self._ready)

    def _main(self) -> None:
        over = CLOSED
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._serve())
        except BaseException as error:
            over = f"the thread of the blocking node ended: {error!r}"
            if self._ready.done():
                log.exception("the thread of the blocking node ended; its calls fail")
            else:
                self._ready.set_exception(error)
        finally:
            self._over = over
            for call in self._running:  # none, unless the thread broke
                self._refuse(call)
            self._running.clear()
            self._refuse_posted()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._make() as node:
            self.node = node
            self._ready.set_result(node)
            await self._stop.wait()
            # Before the node closes its connections: these calls end because of us, and the peers are told.
            self._closing = True
            for call in list(self._running):
                if call.task is not None:
                    call.task.cancel()

    def ask(self, function: Callable[[], T]) -> T:
        """`function()` on the loop's thread: quick things that are no calls."""
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except Exception as error:
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return self._result(answer)

    def _result(self, answer: Future[T]) -> T:
        try:
            return answer.result(START_S)
        except TimeoutError:
            if answer.done():
                raise
            stuck = f"the thread that runs this process's mesh has not answered for {START_S:g} s; {self._where()}"
            raise RuntimeError(stuck) from None

    def stop(self) -> None:
        """Asks the thread to end; from any thread, any number of times."""
        try:
            self._loop.call_soon_threadsafe(self._stop.set)
        except RuntimeError:
            pass  # it has ended

    def join(self) -> None:
        """Waits for its end, for a bounded time: a stuck one ends with the process."""
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_S)
            if self._thread.is_alive():
                log.warning("the thread of the blocking node did not end within %g s; %s", CLOSE_S, self._where())

    def fork_begins(self) -> None:
        """In the parent, before a fork."""
        self._descriptors = forks.Descriptors(self._loop)

    def leave_to_parent(self) -> None:
        """In a forked child: this thread is the parent's."""
        forks.keep(self)
        if self._descriptors is not None:
            self._descriptors.leave()

    # -- calls, from any thread

    def run(self, call: Call) -> Any:
        """Has the loop run `call`, and waits for what it gives. Raises what it raised, CallTimeout, Busy.

        Whatever interrupts the wait (KeyboardInterrupt, say) cancels the call, as far as to the peer.
        """
        try:
            self.post(call)
            self.wait(call)
        except BaseException:
            self.give_up(call)
            raise
        return call.result()

    def post(self, call: Call) -> None:
        """Hands `call` to the loop, as soon as there is room for one more. Raises Busy when there is none in time."""
        call.started = time.monotonic()
        call.time_s = _time_of(call.method, call.started)
        if self._is_full():
            self._wait_for_room(call)
        self._posted.append(call)
        try:
            self._loop.call_soon_threadsafe(self._begin_posted)
        except RuntimeError:
            self._refuse_posted()
        if self._over is not None:
            self._refuse_posted()

    def wait(self, call: Call) -> None:
        """Returns once `call` has ended. Raises CallTimeout when its time is long up and the loop does not turn."""
        left_s = call.started + call.time_s - time.monotonic()
        if not call.ended.acquire(timeout=max(0.0, left_s) + GRACE_S):
            self._watch(call)
        call.ended.release()  # for whoever else waits

    def _is_full(self) -> bool:
        # Looked at, not counted up and down: an exception out of a signal's handler can strike between any two steps
        # of a thread, and a count would keep what it struck. Threads that look at once may pass by one each.
        return len(self._running) + len(self._posted) >= self._max_calls

    def _wait_for_room(self, call: Call) -> None:
        until = call.started + call.time_s
        while self._is_full():
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise Busy(
                    f"{self._max_calls} calls of this process are under way, its limit (max_calls=)",
                    service=call.service,
                    method=call.method.wire_name,
                    elapsed_ms=call.time_s * 1000,
                )
            room = allocate_lock()
            room.acquire()
            self._in_line.append(room)
            room.acquire(timeout=min(left_s, LOOK_AGAIN_S))
            with contextlib.suppress(ValueError):  # taken out by a call that ended
                self._in_line.remove(room)

    def give_up(self, call: Call) -> None:
        """Nobody waits for `call` any more: it is cancelled."""
        call.given_up = True
        try:
            self._loop.call_soon_threadsafe(self._cancel, call)
        except RuntimeError:
            pass  # it has ended, and the call with it

    def _watch(self, call: Call) -> None:
        """The call's time is up and it has not ended. Returns when it has; raises CallTimeout if the loop is stuck."""
        while True:
            turned = allocate_lock()
            turned.acquire()
            try:
                self._loop.call_soon_threadsafe(turned.release)
            except RuntimeError:
                self._refuse_posted()
            if call.ended.acquire(timeout=GRACE_S):
                return
            if not turned.acquire(timeout=GRACE_S):
                raise CallTimeout(
                    f"the thread that runs this process's mesh does not turn; {self._where()}",
                    service=call.service,
                    method=call.method.wire_name,
                    elapsed_ms=(time.monotonic() - call.started) * 1000,
                    limit_ms=call.time_s * 1000,
                )

    def _where(self) -> str:
        """Which line holds up the loop's thread."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return "it has ended"
        at = traceback.extract_stack(frame, limit=1)[-1]
        return f"it stands in {at.name}() at {at.filename}:{at.lineno}"

    # -- calls, on the loop's thread

    def _begin_posted(self) -> None:
        while self._posted:
            call = self._posted.popleft()
            self._running.add(call)
            self._loop.create_task(self._carry_out(call), context=call.context)

    async def _carry_out(self, call: Call) -> None:
        # From here on it can be cancelled. Before, its task would end without ever coming here.
        call.task = asyncio.current_task(self._loop)
        try:
            if call.given_up or self._closing:
                raise asyncio.CancelledError
            call.value = await call.function(*call.args, **call.named)
        except asyncio.CancelledError:
            call.error = call.cancelled(CLOSED if self._closing else "its caller gave up")
        except BaseException as error:
            call.error = error
        self._running.discard(call)
        self._ended(call)

    def _ended(self, call: Call) -> None:
        if self._in_line:
            self._in_line.popleft().release()
        call.end()

    def _cancel(self, call: Call) -> None:
        if call.task is not None:
            call.task.cancel()

    def _refuse_posted(self) -> None:
        """The loop is over: ends what it will never see. Whoever pops a call ends it."""
        while True:
            try:
                call = self._posted.popleft()
            except IndexError:
                return
            self._refuse(call)

    def _refuse(self, call: Call) -> None:
        call.error = call.cancelled(self._over or CLOSED)
        self._ended(call)


def _time_of(method: Method, now: float) -> float:
    """Seconds until the call's deadline: the caller's own, else the contract's, within what a handler has left."""
    wait_s = method.policy.timeout_ms / 1000
    context = current_or_none()
    if context is not None:
        if context.asked is not None:
            wait_s = context.asked - now
        if context.deadline is not None:
            wait_s = min(wait_s, context.deadline - now)
    return max(wait_s, 0.0)
