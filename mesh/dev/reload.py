"""The whole of `mesh dev`: edits become reloads, and every service goes on serving until its new process can.

One rule: an edit is looked at once, told once, and goes to the services that it concerns and to no other. What each
does with it is its `follower`'s affair.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from mesh.cluster import Change, Cluster, State
from mesh.cluster.plan import Source
from mesh.config import ConfigError
from mesh.contract.problem import Finding, Level
from mesh.dev import check
from mesh.dev.events import Event, Events
from mesh.dev.follower import Follower
from mesh.dev.plans import Plans
from mesh.dev.tree import Files, Tree
from mesh.dev.uses import Uses
from mesh.dev.watch import Edit, edits

MESH = Path(__file__).resolve().parents[1]  # mesh itself, where a checkout of it is the project


class Reloader:
    """Follows the source of `cluster`, and the plan in `source`. `tell` is called on the loop with every event.

    Make it before the cluster starts, so that no edit falls in between. Raises TooManyFiles.
    """

    def __init__(
        self,
        cluster: Cluster,
        source: Source,
        tell: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._directory = cluster.directory
        self._tell = tell
        self._clock = clock
        self._events = Events(cluster.directory)
        self._plans = Plans(source, cluster.config)
        self._follow_plan()
        self._files: Files = self._tree.look()
        self._uses.update(self._files)
        self._faults: check.Faults = {}
        self._followers = {
            service: Follower(service, cluster, self._events, tell, clock, self._ours)
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
        self._check([path for path in self._files if path.suffix == ".thrift"])

    async def run(self) -> None:
        """Until cancelled."""
        unsubscribe = self._cluster.subscribe(self._on_change)
        try:
            look = lambda: self._tree.look()  # noqa: E731  # another tree, once the plan names other files
            async for edit in edits(look, self._files, complain=self._complain, clock=self._clock):
                await self._edited(edit)
        finally:
            unsubscribe()
            for follower in self._followers.values():
                await follower.close()

    async def _edited(self, edit: Edit) -> None:
        self._files = edit.files
        # A service that came into the plan since the start runs from the next `mesh dev` on.
        concerned = self._uses.touched(edit.paths, edit.files)
        touched = {service: files for service, files in concerned.items() if service in self._followers}
        if edit.paths & self._plans.files:
            touched |= self._replanned(edit.paths & self._plans.files, touched)
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

    def _follow_plan(self) -> None:
        self._uses = Uses(self._plans.config, self._directory)
        self._tree = Tree(self._directory, self._uses.named | self._plans.files)

    def _replanned(self, paths: frozenset[Path], touched: Mapping[str, frozenset[Path]]) -> dict[str, frozenset[Path]]:
        """The services that the plan starts otherwise from now on, with the files that they are touched by."""
        try:
            services, stale = self._plans.read()
        except ConfigError as error:
            where = [Finding(str(sorted(paths)[0]), 0, Level.ERROR, str(error))]
            self._tell(self._events.broken(list(self._followers), where, serving=True))
            return {}
        self._follow_plan()
        self._uses.update(self._files)
        if stale:
            self._tell(self._events.note(stale))
        for service in services:
            self._followers[service].config = self._plans.config
        return {service: paths | touched.get(service, frozenset()) for service in services}

    def _check(self, paths: Collection[Path]) -> list[Path]:
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
