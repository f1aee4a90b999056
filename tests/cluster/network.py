"""A small network on this machine: hosts in namespaces of their own, joined by a bridge.

One rule: whatever was made is unmade, in whatever way the test ends. The processes of a host go with it, and a network
that an earlier run left behind (killed with SIGKILL) is found by its name and removed before the next one is made.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

PREFIX = "mt"  # names of interfaces have 15 characters at the most
CLONE_NEWNET = 0x40000000  # setns(2)
GET_S = 2.0
FOLDER = Path("/run/netns")  # where iproute2 keeps the names of namespaces


def why_not() -> str:
    """Why no network can be made here; empty when one can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root; `make test` as root has this test"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2's `ip`, which is not on the PATH"
    name = f"{PREFIX}{os.getpid()}try"
    tried = _ip("netns", "add", name)
    if tried.returncode:
        return f"this machine does not let root make network namespaces: {tried.stderr.strip()}"
    made = _ip("-n", name, "link", "add", "br0", "type", "bridge")
    _ip("netns", "del", name)
    return f"no bridge can be made in a network namespace: {made.stderr.strip()}" if made.returncode else ""


class Network:
    """`with Network("s1", "a") as network:`; host `a` then has the address `network.address("a")`."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self._id = f"{PREFIX}{os.getpid() % 0xFFFF:04x}{uuid.uuid4().hex[:3]}"
        self._hub = f"{self._id}-hub"

    def address(self, host: str) -> str:
        return f"10.77.0.{self.hosts.index(host) + 1}"

    def inside(self, host: str, *command: str) -> list[str]:
        """The command line that runs `command` on that host."""
        return ["ip", "netns", "exec", self._name(host), *command]

    def get(self, host: str, url: str) -> tuple[int, str]:
        """Status and body of an HTTP GET as made on that host; status 0 and the reason when nobody answers."""
        with ThreadPoolExecutor(1) as thread:  # a namespace is a thread's, and this one ends with it
            return thread.submit(self._get, host, url).result()

    def _get(self, host: str, url: str) -> tuple[int, str]:
        with (FOLDER / self._name(host)).open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns to {self._name(host)}")
        try:
            with urllib.request.urlopen(url, timeout=GET_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def __enter__(self) -> Network:
        remove_left_overs()
        try:
            self._make()
        except BaseException:
            self._unmake()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._unmake()

    def _make(self) -> None:
        self._do("netns", "add", self._hub)
        self._do("-n", self._hub, "link", "add", "br0", "type", "bridge")
        self._do("-n", self._hub, "link", "set", "br0", "up")
        for host in self.hosts:
            name, port = self._name(host), self._port(host)
            self._do("netns", "add", name)
            self._do("link", "add", port, "netns", self._hub, "type", "veth", "peer", "name", "eth0", "netns", name)
            self._do("-n", self._hub, "link", "set", port, "master", "br0", "up")
            self._do("-n", name, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self._do("-n", name, "link", "set", device, "up")

    def _unmake(self) -> None:
        for name in [*map(self._name, self.hosts), self._hub]:
            _remove(name)

    def _name(self, host: str) -> str:
        return f"{self._id}-{host}"

    def _port(self, host: str) -> str:
        return f"p-{host}"

    def _do(self, *arguments: str) -> None:
        done = _ip(*arguments)
        if done.returncode:
            pytest.fail(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def remove_left_overs() -> None:
    """Networks whose test's process is gone."""
    living = {f"{pid % 0xFFFF:04x}" for pid in psutil.pids()}
    for path in FOLDER.glob(f"{PREFIX}*-*"):
        if path.name[len(PREFIX) : len(PREFIX) + 4] not in living:
            _remove(path.name)


def _remove(name: str) -> None:
    for pid in _ip("netns", "pids", name).stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    _ip("netns", "del", name)


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20, check=False)
