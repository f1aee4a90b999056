"""What this toolkit promises about its own cost, and how a run is held against it.

One rule: a figure misses its bound only when it is worse by more than the noise of a shared machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Medians of alternating rounds still move by 5 to 10 % from run to run on two shared cores; a real regression of a
# call's path (a task more, a parse more) is 20 % and above.
NOISE = 0.15


@dataclass(frozen=True)
class Bound:
    """`limit` is the most that `key` may be, or the least when `at_least`."""

    key: str
    limit: float | None
    what: str
    at_least: bool = False

    def met(self, value: float) -> bool:
        if self.limit is None:
            return True
        return value >= self.limit if self.at_least else value <= self.limit

    def missed_beyond_noise(self, value: float) -> bool:
        if self.limit is None:
            return False
        return value < self.limit * (1 - NOISE) if self.at_least else value > self.limit * (1 + NOISE)


_X = "server CPU per call / the C floor's"
BOUNDS = (
    Bound("server_64x1_x_floor", 4.4, f"{_X}, 64 connections x 1 in flight"),
    Bound("server_8x8_x_floor", 22.0, "the same, 8 connections x 8 in flight"),
    Bound("half_load_p99_us", 300.0, "99th percentile at half of what 64 x 1 reaches, from each call's planned moment"),
    Bound("client_us", 12.0, "our client's CPU per call with a deadline, one connection, 64 in flight"),
    Bound("pair_calls_per_s", 45_000.0, "calls per second of that client and a server in Python", at_least=True),
    Bound("codec_decode_us", 2.1, "decode of the 83 bytes"),
    Bound("codec_encode_us", 1.0, "encode of the same"),
    Bound("idle_connection_bytes", 6_144.0, "the server's memory for a connection that nobody uses"),
    Bound("grpc_aio_x_server", 12.0, "grpc.aio's server CPU per call / ours, 64 x 1", at_least=True),
    Bound("thriftpy2_asyncio_x_server", None, "thriftpy2's asyncio server / ours, 64 x 1"),
    Bound("thriftpy2_threaded_x_server", None, "thriftpy2's threaded server with its Cython codec / ours, 64 x 1"),
    Bound("framed_x_floor", None, f"{_X}, over framed Thrift, 64 x 1"),
    *(
        Bound(f"{name}_{side}_us", None, f"{what}: {side}'s CPU per call, one connection, 64 in flight")
        for name, what in (
            ("echo", "the plain echo"),
            ("mix_20", "twenty methods in turn"),
            ("blob_100b", "100 bytes each way"),
            ("blob_2kb", "2,000 bytes each way"),
            ("blob_200kb", "200,000 bytes each way, 4 in flight"),
            ("headers", "eight headers each way"),
            ("suspends", "a handler that waits once"),
            ("declared", "a declared exception"),
        )
        for side in ("server", "client")
    ),
)


def table(measured: Mapping[str, float]) -> str:
    """One line per bound: value, bound, verdict."""
    lines = [f"{'':28} {'value':>10} {'bound':>9}   verdict"]
    for bound in BOUNDS:
        value = measured[bound.key]
        wanted = "" if bound.limit is None else f"{'>=' if bound.at_least else '<='} {bound.limit:g}"
        lines.append(f"{bound.key:28} {value:>10,.2f} {wanted:>9}   {_verdict(bound, value):<10} {bound.what}")
    return "\n".join(lines)


def _verdict(bound: Bound, value: float) -> str:
    if bound.limit is None:
        return "-"
    if bound.met(value):
        return "ok"
    return "MISSED" if bound.missed_beyond_noise(value) else "noise"


def missed(measured: Mapping[str, float]) -> list[str]:
    """The keys whose bounds are missed beyond noise."""
    return [bound.key for bound in BOUNDS if bound.missed_beyond_noise(measured[bound.key])]
