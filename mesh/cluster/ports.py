"""TCP ports for instances, and the listening sockets that several processes share.

One rule: ports come from below the ephemeral range (Linux 32768-60999, macOS 49152-65535), so that no outgoing
connection of any program takes one while its instance restarts. Against another dev cluster on the machine, which
looks for ports in the same moment, a port is reserved with a UDP socket at a fixed distance: it is in nobody's way,
only one process can hold it, and the kernel drops it with its holder. Should somebody else take a port between the
look and the bind, the instance dies before it was ready, and such a one gets new ports.
"""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 26_383
RESERVED_BY = 6_384  # TCP port 20000 is reserved by UDP port 26384: the ranges lie side by side below 32768
TRIES = 200  # with a tenth of the range taken, 200 misses in a row have a chance of 1e-200
BACKLOG = 1024  # connections wait here while every instance of a gateway restarts


class Ports:
    """Gives out free ports of `host`, none twice while it is in use here or in another cluster of this machine."""

    def __init__(self, rng: random.Random, host: str = HOST) -> None:
        self._rng = rng
        self._host = host
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._reserved: dict[int, socket.socket] = {}

    def take(self) -> int:
        """Raises OSError when no free port is found."""
        for _ in range(TRIES):
            port = self._rng.randint(LOWEST, HIGHEST)
            reservation = _reserve(port)
            if reservation is None:
                continue
            if self._is_free(port):
                self._reserved[port] = reservation
                return port
            reservation.close()
        raise OSError(f"no free TCP port found between {LOWEST} and {HIGHEST} on {self._host} in {TRIES} tries")

    def give_back(self, *ports: int) -> None:
        for port in ports:
            self._reserved.pop(port).close()

    def close(self) -> None:
        """Gives back everything."""
        self.give_back(*tuple(self._reserved))

    def listen(self) -> socket.socket:
        """A listening socket for children to inherit."""
        for _ in range(TRIES):
            port = self.take()
            shared = socket.socket(self._family, socket.SOCK_STREAM)
            try:
                shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                shared.bind((self._host, port))
                shared.listen(BACKLOG)
            except OSError:  # taken since it was looked at
                shared.close()
                self.give_back(port)
                continue
            shared.setblocking(False)
            return shared
        raise OSError(f"no port on {self._host} could be bound in {TRIES} tries")

    def _is_free(self, port: int) -> bool:
        with socket.socket(self._family, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((self._host, port))  # without SO_REUSEADDR: a port in TIME_WAIT counts as taken
            except OSError:
                return False
        return True


def _reserve(port: int) -> socket.socket | None:
    reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reservation.bind((HOST, port + RESERVED_BY))
    except OSError:
        reservation.close()
        return None
    return reservation
