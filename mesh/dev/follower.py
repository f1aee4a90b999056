"""One service under `mesh dev`: which changes it has not taken over yet, and the reload that is under way.

One rule: one reload at a time, always of the newest text, and nothing of what serves is touched before the new process
can.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path

from mesh.cluster import Change, Cluster, ClusterConfig, Instance, ReplaceError, State
from mesh.cluster.journal import text_of
from mesh.cluster.output import TAIL_LINES
from mesh.dev import failure
from mesh.dev.events import Event, Events

MAX_OUTPUT_BYTES = 64 * 1024  # of a new process' output, from the end: the longest stacks are a tenth of it

# From the moment that the new process has the place until no caller calls the old one: it leaves the registry at once,
# and settles for 500 ms (`settle_ms`), in which the slowest of registries has told everybody.
SETTLE_S = 0.6
# A start that takes longer is told of, as nobody would know what they wait for: ten times the usual one.
PATIENCE_S = 5.0
# For a new process that is given up to end by itself. It has no calls yet; one that hears no SIGTERM (blocked at its
# start, or at a breakpoint there) would keep the next one waiting for its whole drain time.
UNBORN_S = 2.0
WAITING = "it is waited for, and an edit begins again; mesh logs -f shows what it prints"


class Follower:
    """Takes over the changes of one service.

    An edit that comes while a new process is starting ends that one and begins again; one that comes later waits for
    nobody. `tell` gets the events, `ours` says which files are the project's.
    """

    def __init__(
        self,
        service: str,
        cluster: Cluster,
        events: Events,
        tell: Callable[[Event], None],
        clock: Callable[[], float],
        ours: Callable[[Path], bool],
    ) -> None:
        self._service = service
        self.config: ClusterConfig | None = None  # another plan than the one that its instances were made by
        self._cluster = cluster
        self._events = events
        self._tell = tell
        self._clock = clock
        self._ours = ours
        self._behind: set[Path] = set()  # changed since what serves now was started
        self._seen = 0.0
        self._reload: asyncio.Task[None] | None = None
        self._queued = False  # a reload waits for its turn
        self._replacing = False  # a new process is not ready yet, so that it may be given up
        self._log_begun = 0
        self._background: set[asyncio.Task[object]] = set()  # old processes that drain, and news of them

    @property
    def serving(self) -> bool:
        return all(one.pid for one in self._instances())

    def hold(self, paths: Iterable[Path]) -> None:
        """Changes that cannot be taken over yet."""
        self._behind |= set(paths)

    def reload(self, paths: Iterable[Path], seen: float, places: asyncio.Semaphore) -> None:
        """Takes over what changed; `seen` is when that was noticed."""
        self._behind |= set(paths)
        self._seen = seen
        if self._queued:
            return  # it begins with the newest text
        before = self._reload
        if before is not None and self._replacing:
            before.cancel()
        self._queued = True
        self._reload = asyncio.create_task(self._run(before, places), name=f"reload {self._service}")

    def gave_up(self, change: Change) -> None:
        """An instance that crashed again and again without an edit; those of a reload are told there."""
        if not self._replacing:
            self._failed(change.detail, change.tail, self._log(change.id), 0)

    async def close(self) -> None:
        tasks = [task for task in (self._reload, *self._background) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _instances(self) -> list[Instance]:
        return [one for one in self._cluster.instances if one.service == self._service]

    async def _run(self, before: asyncio.Task[None] | None, places: asyncio.Semaphore) -> None:
        if before is not None:
            await asyncio.wait([before])  # it is ending: cancelled, or done but for its last steps
        async with places:
            self._queued = False
            if not self._instances():  # scaled to none: whatever comes later starts with the newest text
                self._behind.clear()
                return
            paths, seen = sorted(self._behind), self._seen
            self._tell(self._events.reloading(self._service, paths))
            await self._cluster.until(lambda: not self._trials(), None)  # `mesh restart` in another terminal
            self._replacing = True
            try:
                ended = [await self._replace(one) for one in self._instances()]
            except ReplaceError as error:
                self._failed(error.reason, error.tail, error.log, self._log_begun)
                return
            finally:
                self._replacing = False
        self._behind -= set(paths)
        if self.config is not None:
            self._cluster.follow(self._service, self.config)
        self._in_background(self._announce(paths, seen, self._clock() - seen, ended))

    async def _replace(self, old: Instance) -> asyncio.Task[object]:
        """Returns once the new process has the place; the task ends with the old one, when its calls have."""
        self._log_begun = _size(self._log(old.id))
        work: asyncio.Task[object] = asyncio.create_task(self._cluster.replace_instance(old.id, config=self.config))
        placed = asyncio.create_task(self._cluster.until(lambda: self._cluster.instance(old.id) is not old, None))
        try:
            done, _ = await asyncio.wait((work, placed), timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self._tell(
                    self._events.note(f"{old.id}: the new process is not ready after {PATIENCE_S:g} s; {WAITING}")
                )
                await asyncio.wait((work, placed), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if self._cluster.instance(old.id) is old:
                await self._give_up(work)
            raise
        finally:
            placed.cancel()
        if work.done():
            work.result()
        self._in_background(work)
        return work

    async def _give_up(self, work: asyncio.Task[object]) -> None:
        """Ends the new process before it has the place."""
        unborn = [one for one in self._trials() if one.state is not State.READY]
        work.cancel()
        await asyncio.wait([work], timeout=UNBORN_S)
        for one in unborn if not work.done() else ():
            one.kill_at_once()
        await asyncio.wait([work])

    def _trials(self) -> list[Instance]:
        """New processes that are not in anybody's place yet."""
        return [one for one in self._cluster.beside if one.trial and one.service == self._service]

    async def _announce(
        self, paths: Sequence[Path], seen: float, live_s: float, ended: Sequence[asyncio.Task[object]]
    ) -> None:
        """Tells of the reload when it holds for every call: when no caller goes to the old process any more."""
        if ended:
            await asyncio.wait(ended, timeout=SETTLE_S)
        pid = next((one.pid for one in self._instances()), 0)
        self._tell(self._events.reloaded(self._service, pid, live_s, self._clock() - seen, paths))

    def _in_background(self, work: asyncio.Task[object] | Coroutine[object, object, None]) -> None:
        task: asyncio.Task[object] = work if isinstance(work, asyncio.Task) else asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._tell(self._events.note(f"{self._service}: {task.exception()}"))

    def _log(self, id: str) -> Path:
        return self._cluster.logs / f"{id}.log"

    def _failed(self, reason: str, tail: Sequence[str], log: Path, begun: int) -> None:
        output = tail if len(tail) < TAIL_LINES or not begun else _since(log, begun)
        found = failure.read(output, self._ours, reason)
        self._tell(
            self._events.failed(self._service, found.file, found.line, found.reason, found.lines, serving=self.serving)
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _since(path: Path, begun: int) -> list[str]:
    """The lines of a log from byte `begun` on; the last of them where they are many."""
    try:
        with path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(begun if begun <= end else 0, end - MAX_OUTPUT_BYTES))
            return [text_of(line) for line in log.read(MAX_OUTPUT_BYTES).splitlines()]
    except OSError:
        return []
