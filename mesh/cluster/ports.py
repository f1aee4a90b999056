"""TCP ports for instances, and the listening sockets that several processes share.

One rule: ports come from below the ephemeral range (Linux 32768-60999, macOS 49152-65535), so that no outgoing
connection of any program takes one while its instance restarts. Two clusters may still choose the same one in the same
moment; then the loser dies before it was ready, and such an instance gets new ports.
"""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_767
TRIES = 200  # with a tenth of the range taken, 200 misses in a row have a chance of 1e-200
BACKLOG = 1024  # connections wait here while every instance of a gateway restarts


class Ports:
    """Gives out free loopback ports, none twice while it is in use here."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._out: set[int] = set()

    def take(self) -> int:
        """Raises OSError when no free port is found."""
        for _ in range(TRIES):
            port = self._rng.randint(LOWEST, HIGHEST)
            if port not in self._out and _is_free(port):
                self._out.add(port)
                return port
        raise OSError(f"no free TCP port found between {LOWEST} and {HIGHEST} on {HOST} in {TRIES} tries")

    def give_back(self, *ports: int) -> None:
        self._out.difference_update(ports)

    def listen(self) -> socket.socket:
        """A listening socket for children to inherit."""
        for _ in range(TRIES):
            shared = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            port = self.take()
            try:
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                shared.bind((HOST, port))
                shared.listen(BACKLOG)
            except OSError:
                shared.close()  # taken since it was looked at
                continue
            shared.setblocking(False)
            return shared
        raise OSError(f"no port on {HOST} could be bound in {TRIES} tries")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((HOST, port))  # without SO_REUSEADDR: a port in TIME_WAIT counts as taken
        except OSError:
            return False
    return True
