"""The registry without an agent: a peers file that is watched, and a folder beside it where processes enter themselves.

One rule: a file that cannot be read leaves what it said last; only a readable one changes anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mesh.call.clock import Clock
from mesh.discovery.feeds import FeedRuleWatch, FeedWatch, InstanceFeed, RuleFeed
from mesh.discovery.peers_file import Peers, parse_peers
from mesh.discovery.peers_folder import OwnEntry, PeersFolder
from mesh.discovery.registry import Instance, ParseRule, Registration, RegistryError, RuleWatch, Watch

LOOK_EVERY_S = 0.5  # a look is a stat and a short read per process; a person editing the file does not notice

log = logging.getLogger("mesh.discovery")


class FileRegistration:
    """`Registration` as an entry in the folder."""

    def __init__(self, folder: PeersFolder, instance: Instance) -> None:
        self._folder = folder
        self._instance = instance
        self._entry: OwnEntry | None = None
        self.withdrawn = False
        self.detail = "not registered yet"

    @property
    def registered(self) -> bool:
        return self._entry is not None

    def ensure(self) -> None:
        """Makes the entry if it is not there; never raises."""
        if self.withdrawn or (self._entry is not None and self._entry.there):
            return
        try:
            self._forget()
            self._entry = self._folder.enter(self._instance)
            self.detail = ""
        except OSError as error:
            detail = f"not registered: cannot write {error.filename}: {error.strerror}"
            if detail != self.detail:
                log.warning("%s is %s", self._instance.id, detail)
            self.detail = detail

    async def withdraw(self) -> None:
        self.withdrawn = True
        self.detail = "withdrawn"
        try:
            self._forget()
        except OSError as error:
            log.warning("the entry of %s stays until it is next looked at: %s", self._instance.id, error)

    def _forget(self) -> None:
        entry, self._entry = self._entry, None
        if entry is not None:
            entry.remove()


@dataclass(slots=True, eq=False)
class _Follower:
    update: Callable[[], None]
    end: Callable[[], None]


class FileRegistry:
    """`Registry` for `file://PATH`. Looks at the files only while somebody watches or is registered."""

    def __init__(self, url: str, path: Path, *, clock: Clock, zone: str | None = None) -> None:
        self.url = url
        self._path = path
        self._folder = PeersFolder(path.with_name(path.name + ".d"))
        self._clock = clock
        self._zone = zone
        self._peers = Peers()
        self._entered: tuple[Instance, ...] = ()
        self._stamp: tuple[int, ...] | None = None
        self._problem = ""
        self._followers: set[_Follower] = set()
        self._registrations: list[FileRegistration] = []
        self._looking: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> FileRegistry:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._closed = True
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        for registration in self._registrations:
            await registration.withdraw()
        for follower in self._followers:
            follower.end()
        self._followers.clear()

    async def register(self, instance: Instance, *, health_url: str | None = None) -> Registration:
        self._open()
        if instance.zone is None:
            instance = replace(instance, zone=self._zone)
        registration = FileRegistration(self._folder, instance)
        self._registrations = [one for one in self._registrations if not one.withdrawn] + [registration]
        registration.ensure()
        self._look()
        return registration

    def watch(self, service: str) -> Watch:
        self._open()
        # A process that left the folder is gone, and a line that left the file was taken out: nothing to suspect.
        feed = InstanceFeed(service, self._clock, suspect_s=0)
        follower = _Follower(lambda: feed.deliver(self._instances(service)), feed.close)
        self._add(follower)
        return FeedWatch(feed, lambda: self._drop(follower))

    def watch_rules(self, prefix: str, *, parse: ParseRule | None = None) -> RuleWatch:
        self._open()
        feed = RuleFeed(self._clock, parse)

        def update() -> None:
            feed.deliver({key: raw for key, raw in self._peers.rules.items() if key.startswith(prefix)})

        follower = _Follower(update, feed.close)
        self._add(follower)
        return FeedRuleWatch(feed, lambda: self._drop(follower))

    async def services(self) -> dict[str, tuple[Instance, ...]]:
        self._look()
        if self._problem:
            raise RegistryError(f"{self.url}: {self._problem}")
        names = {*self._peers.services, *(instance.service for instance in self._entered)}
        return {name: found for name in sorted(names) if (found := self._instances(name))}

    def _open(self) -> None:
        if self._closed:
            raise RegistryError(f"{self.url} is closed")
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name=f"look at {self._path}")

    def _add(self, follower: _Follower) -> None:
        self._look()
        self._followers.add(follower)
        follower.update()

    def _drop(self, follower: _Follower) -> None:
        self._followers.discard(follower)
        follower.end()

    async def _keep_looking(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            if self._followers or self._registrations:
                self._look()

    def _look(self) -> None:
        """On the loop, because it takes microseconds a process, less than handing it to a thread would."""
        for registration in self._registrations:
            registration.ensure()
        before = (self._peers, self._entered)
        self._read_file()
        try:
            self._entered = self._folder.entries()
        except OSError as error:
            self._report(f"cannot read {error.filename}: {error.strerror}")
        if (self._peers, self._entered) != before:
            for follower in list(self._followers):
                follower.update()

    def _read_file(self) -> None:
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                if stamp == self._stamp:
                    return
                self._peers = parse_peers(self._path, file.read())
            self._stamp = stamp
            self._report("")
        except FileNotFoundError:
            # An editor replaces a file by removing it first; and a folder of entries needs no file beside it.
            self._stamp = None
            self._report("the file is gone; what it said last stays in use" if self._peers != Peers() else "")
        except OSError as error:
            self._report(f"cannot read it: {error.strerror}")
        except ValueError as error:
            self._report(f"{error}")

    def _report(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning("%s: %s", self.url, problem)
        elif self._problem and not problem:
            log.info("%s can be read again", self.url)
        self._problem = problem

    def _instances(self, service: str) -> tuple[Instance, ...]:
        """A process's own entry says more than a line in the file with the same address."""
        entered = {instance.address: instance for instance in self._entered if instance.service == service}
        listed = {instance.address: instance for instance in self._peers.services.get(service, ())}
        return tuple((listed | entered).values())
