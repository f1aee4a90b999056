"""One Consul agent of our own, as a child process: for `mesh up` and for tests.

One rule: it listens on 127.0.0.1 only, on ports that nobody else has, and never outlives its parent.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

HOST = "127.0.0.1"
START_TIMEOUT_S = 20.0  # a leader stands after 0.2 s here; a machine full of tests takes seconds
STOP_TIMEOUT_S = 5.0  # a clean stop takes 50 ms; after this it is killed
START_ATTEMPTS = 3  # a port found free may be gone when the agent binds it
PORTS = (20_000, 30_000)  # below the kernel's range for outgoing connections, which would take them from under us
CONNECTIONS_PER_CLIENT = 8192  # default 200: a whole cluster on one address holds more long polls than that

_POLL_S = 0.02
_PROBE_TIMEOUT_S = 2.0
_PR_SET_PDEATHSIG = 1


class ConsulAgent:
    """A Consul server agent, alone in its own cluster.

    `dev` keeps everything in memory: a restart comes back empty. Otherwise state lives in `data_dir`. `http_port` 0
    takes a free one; all ports stay the same over restarts, so that clients find the agent again. `config` is merged
    into the agent's configuration file (readable by the owner only, so that a token may stand in it).

    The agent dies with the thread that started it: start it from the thread that lives longest, the main one.
    """

    def __init__(
        self,
        binary: Path,
        data_dir: Path,
        *,
        http_port: int = 0,
        name: str = "thriftmesh",
        dev: bool = True,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.log_file = data_dir / "consul.log"
        self._binary = binary
        self._data_dir = data_dir
        self._dev = dev
        self._config = dict(config or {})
        self._wanted_http_port = http_port
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http_port(self) -> int:
        """0 before the first start, unless one was asked for."""
        return self._ports.get("http", self._wanted_http_port)

    @property
    def url(self) -> str:
        """As `open_registry` takes it."""
        return f"consul://127.0.0.1:{self.http_port}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def __aenter__(self) -> ConsulAgent:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts the agent and returns once it has a leader and answers. Raises RuntimeError with the log's end."""
        if self.running:
            return
        self._data_dir.mkdir(parents=True, exist_ok=True)
        first_time = not self._ports
        for attempt in range(1, START_ATTEMPTS + 1):
            if first_time:
                self._ports = _free_ports(self._wanted_http_port)
            try:
                self._launch()
                await self._leader()
                return
            except BaseException as error:
                await self.stop()
                if not first_time or attempt == START_ATTEMPTS or not self._lost_a_port(error):
                    raise

    async def stop(self) -> None:
        """Ends the agent in order: asks, waits a bounded time, kills. May be started again."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)  # a stopped process would never read the next one
            process.terminate()
        try:
            give_up = time.monotonic() + STOP_TIMEOUT_S
            while process.poll() is None and time.monotonic() < give_up:  # noqa: ASYNC110  no loop owns the child
                await asyncio.sleep(_POLL_S)
        finally:
            process.kill()
            process.wait()  # bounded: SIGKILL is not a request

    def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _lost_a_port(self, error: BaseException) -> bool:
        """Whether somebody took one of the ports that were found free; another choice helps then."""
        text = str(error)
        ours = isinstance(error, RuntimeError) and "address already in use" in text
        return ours and not (self._wanted_http_port and f":{self._wanted_http_port}:" in text)

    def _launch(self) -> None:
        configuration = self._data_dir / "agent.json"
        write_settings(configuration, self._settings())
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "agent", *(["-dev"] if self._dev else []), "-config-file", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._data_dir,
                start_new_session=True,  # a Ctrl-C in the terminal is for the parent, which stops us in order
                preexec_fn=_die_with_parent(),
            )

    def _settings(self) -> dict[str, Any]:
        settings = agent_settings(self.name, self._ports)
        if not self._dev:
            settings |= {"server": True, "bootstrap_expect": 1, "data_dir": str(self._data_dir / "data")}
        return settings | self._config

    async def _leader(self) -> None:
        client = AsyncHTTPClient(force_instance=True)
        give_up = time.monotonic() + START_TIMEOUT_S
        try:
            while not await self._ready(client):
                if not self.running:
                    raise RuntimeError(f"the Consul agent ended at once: {self._log_end()}")
                if time.monotonic() > give_up:
                    raise RuntimeError(f"no Consul leader after {START_TIMEOUT_S:.0f} s: {self._log_end()}")
                await asyncio.sleep(_POLL_S)
        finally:
            client.close()

    async def _ready(self, client: AsyncHTTPClient) -> bool:
        try:
            leader = await client.fetch(f"{self.http_url}/v1/status/leader", request_timeout=_PROBE_TIMEOUT_S)
            # The server port tells our agent from another one that took the HTTP port first.
            if leader.body.strip() != f'"127.0.0.1:{self._ports["server"]}"'.encode():
                return False
            # A leader may still be reading its log. It answers a consistent read only after that; 403 and 404 will do.
            probe = await client.fetch(
                f"{self.http_url}/v1/kv/ready?consistent", request_timeout=_PROBE_TIMEOUT_S, raise_error=False
            )
            return probe.code < 500
        except (OSError, HTTPClientError):
            return False

    def _log_end(self) -> str:
        """The last thing that Consul itself announced ("==> ...") and what follows, in one line."""
        lines = [line.strip() for line in self.log_file.read_text("utf-8", errors="replace").splitlines()[-20:]]
        announced = [number for number, line in enumerate(lines) if line.startswith("==>")]
        end = lines[announced[-1] :] if announced else lines
        return " ".join(line for line in end[:5] if line) or "its log is empty"


def agent_settings(name: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """The configuration of an agent for this machine alone; `ports` are its `http`, `server` and `serf_lan`."""
    return {
        "node_name": name,
        "bind_addr": HOST,
        "client_addr": HOST,
        "ports": {**ports, "https": -1, "dns": -1, "grpc": -1, "serf_wan": -1},
        "log_level": "warn",
        "disable_update_check": True,  # it would call its vendor
        "connect": {"enabled": False},
        "limits": {"http_max_conns_per_client": CONNECTIONS_PER_CLIENT},
        # One server alone cannot be out-voted: the short election timers only make the start faster.
        "performance": {"raft_multiplier": 1},
    }


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Writes an agent's configuration file, readable by its owner only: a token may stand in it."""
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # a file that was there keeps its mode otherwise
        json.dump(settings, file, indent=1)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does between fork and exec so that the kernel kills it when the thread that forked is gone."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: afterwards only the call is safe
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return arrange


def _free_ports(http_port: int) -> dict[str, int]:
    """`http` as asked for or free, and the two that a server agent cannot do without."""
    ports = {"http": http_port or _free_port()}
    for name in ("serf_lan", "server"):
        port = _free_port()
        while port in ports.values():
            port = _free_port()
        ports[name] = port
    return ports


def _free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and UDP (gossip uses both). Random, so that two starters rarely meet."""
    for _ in range(200):
        port = random.SystemRandom().randrange(*PORTS)
        try:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            ):
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
                return port
        except OSError:
            continue
    raise RuntimeError(f"no free port between {PORTS[0]} and {PORTS[1]}")
