"""10,000 short clients and 5,000,000 calls leave a server as it was: memory, descriptors, threads, tasks, series."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import build, frames
from bench.idle import resident_bytes
from bench.measure import load_for
from bench.process import Server, python, server

CLIENTS = 10_000
CALLS = 5_000_000
_STEP_S = 20.0
_WARM_S = 5.0  # tables, arenas and caches have their size by then
# The allocator's arenas come and go by megabytes; a leak of 10 bytes a call would be 50 MB.
_GROWTH_BYTES = 8 * 1024 * 1024


def state(target: Server) -> dict[str, int]:
    """What may not grow."""
    folder = Path(f"/proc/{target.pid}")
    with urllib.request.urlopen(f"http://{target.admin}/metrics", timeout=10) as answer:
        series = sum(1 for line in answer.read().splitlines() if not line.startswith(b"#"))
    with urllib.request.urlopen(f"http://{target.admin}/debug/stack", timeout=10) as answer:
        stack = answer.read().decode()
    return {
        "resident_bytes": resident_bytes(target.pid),
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": len(list((folder / "task").iterdir())),
        "tasks": int(stack.split(maxsplit=1)[0]),  # its first line counts them
        "series": series,
    }


def short_client(port: int, number: int) -> None:
    """Connects, shakes hands, calls once and goes: every third without a goodbye in the midst of its call."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(frames.init_request())
        assert connection.recv(4096)[2] == 0x02
        connection.sendall(frames.call())
        if number % 3:
            assert connection.recv(4096)[2] == 0x04


def main() -> int:
    build.build()
    with server("thriftmesh", python("bench.echo_server")) as target:
        for number in range(CLIENTS // 10):
            short_client(target.port, number)
        load_for(target, "8x8", _WARM_S)
        before = state(target)
        print(f"warm: {before}", flush=True)
        for number in range(CLIENTS):
            short_client(target.port, number)
            if number % 2_500 == 2_499:
                print(f"- {number + 1} short clients: {state(target)}", flush=True)
        calls = 0
        while calls < CALLS:
            calls += int(load_for(target, "8x8", _STEP_S)["calls"])
            print(f"- {calls} calls: {state(target)}", flush=True)
        after = state(target)
    grown = {key: after[key] - before[key] for key in before}
    bad = [key for key, more in grown.items() if more > (_GROWTH_BYTES if key == "resident_bytes" else 0)]
    print("everything stayed as it was" if not bad else f"GREW: {', '.join(f'{key} by {grown[key]}' for key in bad)}")
    print(json.dumps({"clients": CLIENTS, "calls": calls, **{f"{key}_grown": more for key, more in grown.items()}}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
