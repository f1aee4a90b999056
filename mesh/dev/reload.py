"""The whole of `mesh dev`: edits become reloads, and every service goes on serving until its new process can.

One rule: for each service one reload at a time, always of the newest text. An edit that comes while a new process is
starting ends that one and begins again; one that comes later waits for nobody.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path

from mesh.cluster import Change, Cluster, Instance, ReplaceError, State
from mesh.cluster.journal import text_of
from mesh.cluster.output import TAIL_LINES
from mesh.contract.problem import Finding, Level
from mesh.dev import check, failure
from mesh.dev.events import Event, Events
from mesh.dev.tree import Files, Tree
from mesh.dev.uses import Uses
from mesh.dev.watch import Edit, edits

MESH = Path(__file__).resolve().parents[1]  # mesh itself, where a checkout of it is the project
MAX_OUTPUT_BYTES = 64 * 1024  # of a new process' output, from the end: the longest stacks are a tenth of it

# From the moment that the new process has the place until no caller calls the old one: it leaves the registry at once,
# and settles for 500 ms (`settle_ms`), in which the slowest of registries has told everybody.
SETTLE_S = 0.6


class Reloader:
    """Follows the source of `cluster`. `tell` is called on the loop with every event.

    Make it before the cluster starts, so that no edit falls in between. Raises TooManyFiles.
    """

    def __init__(
        self, cluster: Cluster, tell: Callable[[Event], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cluster = cluster
        self._directory = cluster.directory
        self._tell = tell
        self._clock = clock
        self._events = Events(cluster.directory)
        self._uses = Uses(cluster.config, cluster.directory)
        self._tree = Tree(cluster.directory, self._uses.named)
        self._files: Files = self._tree.look()
        self._uses.update(self._files)
        self._faults: check.Faults = {}
        self._followers = {
            service: _Follower(service, cluster, self._events, tell, clock, self._ours)
            for service in cluster.config.services
        }
        # A start is a second of a processor's work. More at once than there are processors makes all of them late.
        self._places = asyncio.Semaphore(os.cpu_count() or 1)

    @property
    def watched(self) -> int:
        """How many files are looked at."""
        return len(self._files)

    def rebuild_stubs(self) -> None:
        """For contracts that changed while nobody watched."""
        self._check(self._files)

    async def run(self) -> None:
        """Until cancelled."""
        unsubscribe = self._cluster.subscribe(self._on_change)
        try:
            async for edit in edits(self._tree.look, self._files, complain=self._complain, clock=self._clock):
                await self._edited(edit)
        finally:
            unsubscribe()
            for follower in self._followers.values():
                await follower.close()

    async def _edited(self, edit: Edit) -> None:
        self._files = edit.files
        touched = self._uses.touched(edit.paths, edit.files)
        self._tell(self._events.changed(edit.paths, sorted(touched)))
        check.forget_compiled(edit.paths)
        written = await asyncio.to_thread(self._check, edit.paths)
        if written:
            self._tell(self._events.stubs(written))
        broken: dict[tuple[Finding, ...], list[str]] = {}
        for service in sorted(touched, key=lambda name: self._distance(name, touched[name])):
            follower = self._followers[service]
            findings = self._findings(service)
            if findings:
                follower.hold(touched[service])
                broken.setdefault(findings, []).append(service)
            else:
                follower.reload(touched[service], edit.seen, self._places)
        for findings, services in broken.items():
            serving = all(self._followers[service].serving for service in services)
            self._tell(self._events.broken(services, findings, serving=serving))

    def _check(self, paths: Iterable[Path]) -> list[Path]:
        """Notes the faults of `paths`; returns the stubs that were rebuilt."""
        used = frozenset().union(*self._uses.known.values())
        folders = {path.parent for path in used if path.suffix == ".thrift"}
        contracts = {path: stamp for path, stamp in self._files.items() if path.parent in folders}
        written, faults = check.contracts((path for path in paths if path.parent in folders), contracts)
        faults |= check.programs(path for path in paths if path in used)
        self._faults = {
            path: found for path, found in {**self._faults, **faults}.items() if found and path in self._files
        }
        return written

    def _findings(self, service: str) -> tuple[Finding, ...]:
        """What keeps `service` from starting, as far as the text tells."""
        used = self._uses.known[service]
        found = {one: None for path, findings in self._faults.items() if path in used for one in findings}
        return tuple(sorted(one for one in found if one.level is Level.ERROR))

    def _distance(self, service: str, paths: Iterable[Path]) -> tuple[bool, str]:
        """Whose own file was changed goes first: of a contract that all share, the one that serves it."""
        return not any(service in (*path.relative_to(self._directory).parts, path.stem)
                       for path in paths if path.is_relative_to(self._directory)), service  # fmt: skip

    def _ours(self, path: Path) -> bool:
        """Whether a person would look for the fault of a service there."""
        return path.is_relative_to(self._directory) and path in self._files and not path.is_relative_to(MESH)

    def _on_change(self, change: Change) -> None:
        follower = self._followers.get(change.service)
        if follower is not None and change.state is State.FAILED:
            follower.gave_up(change)

    def _complain(self, text: str) -> None:
        self._tell(self._events.note(text))


class _Follower:
    """One service: which changes it has not taken over yet, and the reload that is under way."""

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
        self._cluster = cluster
        self._events = events
        self._tell = tell
        self._clock = clock
        self._ours = ours
        self._behind: set[Path] = set()  # changed since what serves now was started
        self._seen = 0.0
        self._reload: asyncio.Task[None] | None = None
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
        before = self._reload
        if before is not None and self._replacing:
            before.cancel()
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
            paths, seen = sorted(self._behind), self._seen
            self._tell(self._events.reloading(self._service, paths))
            self._replacing = True
            try:
                ended = [await self._replace(one) for one in self._instances()]
            except ReplaceError as error:
                self._failed(error.reason, error.tail, error.log, self._log_begun)
                return
            finally:
                self._replacing = False
        self._behind -= set(paths)
        self._in_background(self._announce(paths, seen, self._clock() - seen, ended))

    async def _replace(self, old: Instance) -> asyncio.Task[object]:
        """Returns once the new process has the place; the task ends with the old one, when its calls have."""
        self._log_begun = _size(self._log(old.id))
        work: asyncio.Task[object] = asyncio.create_task(self._cluster.replace_instance(old.id))
        placed = asyncio.create_task(self._cluster.until(lambda: self._cluster.instance(old.id) is not old, None))
        try:
            await asyncio.wait((work, placed), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if self._cluster.instance(old.id) is old:
                work.cancel()
            await asyncio.wait([work])
            raise
        finally:
            placed.cancel()
        if work.done():
            work.result()
        self._in_background(work)
        return work

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
