"""What a connection costs that nobody uses: `python -m bench.idle --port PORT --pid PID` opens some and looks.

One rule: the server's resident memory before and after, with every handshake finished and the sockets open; the
kernel's own buffers are not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

from bench import frames

CONNECTIONS = 2_000  # enough that an arena more or less of the allocator is noise
_SETTLE_S = 0.5


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _open(port: int, count: int, open_sockets: ExitStack) -> None:
    hello = frames.init_request()
    for _ in range(count):
        connection = open_sockets.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        connection.sendall(hello)
        assert connection.recv(4096)[2] == 0x02, "no init answer"


def measure(port: int, pid: int, count: int) -> float:
    """Bytes of each of `count` connections."""
    with ExitStack() as first:
        _open(port, count // 10, first)  # tables grow in steps and the allocator takes arenas: not this one's cost
        time.sleep(_SETTLE_S)
        before = resident_bytes(pid)
        with ExitStack() as rest:
            _open(port, count, rest)
            time.sleep(_SETTLE_S)
            return (resident_bytes(pid) - before) / count


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    told = parser.parse_args()
    print(json.dumps({"bytes_each": round(measure(told.port, told.pid, told.connections))}))
