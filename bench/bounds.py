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


BOUNDS = (
    Bound("server_64x1_x_floor", 8.0, "server CPU per call / the C floor's, 64 connections x 1 in flight"),
    Bound("server_8x8_x_floor", 40.0, "the same, 8 connections x 8 in flight"),
    Bound("grpc_aio_x_server", 6.0, "grpc.aio's server CPU per call / ours, 64 x 1", at_least=True),
    Bound("codec_decode_us", 2.1, "decode of the 83 bytes"),
    Bound("codec_encode_us", 1.0, "encode of the same"),
    Bound("client_us", None, "our client's CPU per call with a deadline, one connection, 64 in flight"),
    Bound("pair_calls_per_s", None, "calls per second of that client and a server in Python"),
)


def table(measured: Mapping[str, float]) -> str:
    """One line per bound: value, bound, verdict."""
    lines = [f"{'':24} {'value':>10} {'bound':>9}   verdict"]
    for bound in BOUNDS:
        value = measured[bound.key]
        wanted = "" if bound.limit is None else f"{'>=' if bound.at_least else '<='} {bound.limit:g}"
        lines.append(f"{bound.key:24} {value:>10,.2f} {wanted:>9}   {_verdict(bound, value):<10} {bound.what}")
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
