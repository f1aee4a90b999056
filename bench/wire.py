"""`python -m bench.wire`: what mesh.wire costs per message, in nanoseconds, as JSON on stdout.

One rule: bytes are prepared outside the measured loop; what is timed is what a server or a client does for each call.

The call is that of the other benchmarks: 83 bytes of Thrift in a frame of about 180. `receive` and `respond` are a
server's share, `send_call` and `response` a client's; `_x8` means eight frames in one read or write, per frame;
`general_` is the reader that the fast path (mesh/wire/quick.py) stands beside.
"""

from __future__ import annotations

import json
import time

from mesh.wire import Checksum, Connection, Identity, Limits, encode_transport_headers

_HEADERS = encode_transport_headers({"as": "thrift", "cn": "bench", "re": "n"})
_TRACING = bytes(7) + b"\x01" + bytes(16) + b"\x00"
_BODY = bytes(83)
_NO_HEADERS = b"\x00\x00"
_BATCH = 200
_REPEATS = 40


class _Round:
    """One client and one server, fresh, and a batch of calls through both."""

    def __init__(self, checksum: Checksum, per_read: int, general: bool) -> None:
        limits = Limits(calls_inbound=2 * _BATCH, calls_outbound=2 * _BATCH)
        self.client = Connection(True, Identity("0.0.0.0:0", "bench"), limits)
        self.server = Connection(False, Identity("127.0.0.1:1", "bench"), limits)
        self.client.start(0.0)
        self.server.start(0.0)
        self.server.receive(self.client.data_to_send(), 0.0)
        self.client.receive(self.server.data_to_send(), 0.0)
        if general:
            for connection in (self.client, self.server):
                connection._quick.usable = False
        self._checksum = checksum
        self._per_read = per_read
        self._ids: list[int] = []
        self._calls: list[bytes] = []
        self._answers: list[bytes] = []

    def send_call(self) -> None:
        for _ in range(_BATCH // self._per_read):
            for _ in range(self._per_read):
                id = self.client.send_call(
                    now=1.0, ttl_ms=1000, tracing=_TRACING, service="interop", headers=_HEADERS, arg1=b"Echo::echo",
                    arg2=_NO_HEADERS, arg3=_BODY, checksum=self._checksum,
                )  # fmt: skip
                self._ids.append(id)
            self._calls.append(self.client.data_to_send())

    def receive(self) -> None:
        for data in self._calls:
            self.server.receive(data, 1.0)

    def respond(self) -> None:
        for start in range(0, _BATCH, self._per_read):
            for id in self._ids[start : start + self._per_read]:
                self.server.respond(id, ok=True, arg2=_NO_HEADERS, arg3=_BODY)
            self._answers.append(self.server.data_to_send())

    def response(self) -> None:
        for data in self._answers:
            self.client.receive(data, 1.0)


def measure(checksum: Checksum = Checksum.CRC32C, per_read: int = 1, general: bool = False) -> dict[str, float]:
    """Nanoseconds per message for the four steps of a call, with `per_read` frames in one read.

    The quickest of the repeats counts: what is above it is the machine's other work.
    """
    costs: dict[str, float] = {}
    for _ in range(_REPEATS):
        round = _Round(checksum, per_read, general)
        for step in (round.send_call, round.receive, round.respond, round.response):
            start = time.perf_counter_ns()
            step()
            cost = (time.perf_counter_ns() - start) / _BATCH
            costs[step.__name__] = min(costs.get(step.__name__, cost), cost)
        if round.client.outbound_in_flight or round.server.inbound_in_flight:
            raise AssertionError("a call got no answer")
    return costs


def main() -> None:
    result: dict[str, float] = {}
    for suffix, costs in (
        ("", measure()),
        ("_x8", measure(per_read=8)),
        ("_crc32", measure(Checksum.CRC32)),
        ("_unsummed", measure(Checksum.NONE)),
        ("_general", measure(general=True)),
    ):
        for name, cost in costs.items():
            result[f"{name}{suffix}_ns"] = round(cost)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
