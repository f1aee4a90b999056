"""The measurement: rounds in which every server has its turn, ratios within a round, medians over rounds.

One rule: two figures are only divided when they were measured within seconds of one another, on the same core, with the
other servers idle.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from bench import build, frames, scenarios
from bench.process import SERVER_CORE, Server, client, python, server

ROUNDS = 7  # short and many: on a shared machine a median over more turns beats longer ones
_WARM_S = 0.3
_SECONDS = 0.8
_GRPC_SECONDS = 1.5  # a fortieth of the floor's calls: longer, to count enough of them
_SHAPES = {"64x1": ("64", "1"), "8x8": ("8", "8")}

Progress = Callable[[str], None]


def load_for(target: Server, shape: str, seconds: float) -> dict[str, Any]:
    """The C load generator against a TChannel server of ours, for longer than a measurement takes."""
    return load(target, shape, "--hello", str(build.INIT), "--seconds", str(seconds))


def load(target: Server, shape: str, *more: str, request: Path = build.CALL) -> dict[str, Any]:
    """The C load generator against `target`; `shape` is a key of `_SHAPES`, `request` the file of its call."""
    connections, in_flight = _SHAPES[shape]
    command: list[str | Path] = [
        build.LOAD,
        *("--port", str(target.port), "--pid", str(target.pid), "--request", request),
        *("--connections", connections, "--in-flight", in_flight),
        *("--warm", str(_WARM_S), "--seconds", str(_SECONDS), *more),
    ]
    return client(command)


class Servers(NamedTuple):
    """Everybody that has a turn. The thriftpy2 ones are driven over framed Thrift, as our own framed port is."""

    floor: Server
    ours: Server
    grpc: Server
    thriftpy2_asyncio: Server
    thriftpy2_threaded: Server


def one_round(servers: Servers) -> dict[str, float]:
    """One turn for everybody; flat figures."""
    figures = _tchannel(servers.floor, servers.ours)
    figures |= _peers(servers, figures)

    pair = client(python("bench.echo_client", *_watching(servers.ours)))
    figures["client_us"] = pair["client_us"]
    figures["pair_calls_per_s"] = pair["calls_per_s"]
    for name in scenarios.NAMES:
        told = client(python("bench.scenarios", name, *_watching(servers.ours)))
        figures[f"{name}_server_us"] = told["server_us"]
        figures[f"{name}_client_us"] = told["client_us"]
    return figures


def _watching(target: Server) -> tuple[str, ...]:
    return ("--port", str(target.port), "--pid", str(target.pid))


def _tchannel(floor: Server, ours: Server) -> dict[str, float]:
    figures: dict[str, float] = {}
    for shape in _SHAPES:
        bottom = load(floor, shape, "--echo")
        top = load(ours, shape, "--hello", str(build.INIT))
        figures[f"floor_{shape}_us"] = bottom["server_us"]
        figures[f"server_{shape}_us"] = top["server_us"]
        figures[f"server_{shape}_calls_per_s"] = top["calls_per_s"]
        figures[f"server_{shape}_p99_us"] = top["p99_us"]
        figures[f"server_{shape}_x_floor"] = top["server_us"] / bottom["server_us"]
    half = figures["server_64x1_calls_per_s"] / 2
    calm = load(ours, "64x1", "--hello", str(build.INIT), "--rate", f"{half:.0f}")
    figures["half_load_p99_us"] = calm["p99_us"]
    return figures


def _peers(servers: Servers, measured: Mapping[str, float]) -> dict[str, float]:
    window = (*_watching(servers.grpc), "--seconds", str(_GRPC_SECONDS))
    figures = {"grpc_aio_us": client(python("bench.grpc_client", *window))["server_us"]}
    framed = {
        "framed": servers.ours,
        "thriftpy2_asyncio": servers.thriftpy2_asyncio,
        "thriftpy2_threaded": servers.thriftpy2_threaded,
    }
    for name, target in framed.items():
        figures[f"{name}_us"] = load(target, "64x1", "--framed", request=build.FRAMED_CALL)["server_us"]
        figures[f"{name}_x_floor"] = figures[f"{name}_us"] / measured["floor_64x1_us"]
    figures["grpc_aio_x_server"] = figures["grpc_aio_us"] / measured["server_64x1_us"]
    figures["thriftpy2_asyncio_x_server"] = figures["thriftpy2_asyncio_us"] / measured["server_64x1_us"]
    figures["thriftpy2_threaded_x_server"] = figures["thriftpy2_threaded_us"] / measured["server_64x1_us"]
    return figures


def measure(rounds: int, progress: Progress) -> dict[str, float]:
    """Everything, as flat figures. `progress` is told what happens."""
    with ExitStack() as running:
        servers = Servers(
            floor=running.enter_context(server("floor", [build.FLOOR])),
            ours=running.enter_context(server("thriftmesh", python("bench.echo_server"))),
            grpc=running.enter_context(server("grpc.aio", python("bench.grpc_server"))),
            thriftpy2_asyncio=running.enter_context(
                server("thriftpy2 asyncio", python("bench.thriftpy_server", "--kind", "asyncio"))
            ),
            thriftpy2_threaded=running.enter_context(
                server("thriftpy2 threaded", python("bench.thriftpy_server", "--kind", "threaded"))
            ),
        )
        frames.verify("127.0.0.1", servers.ours.port)
        turns = []
        for number in range(1, rounds + 1):
            turns.append(one_round(servers))
            progress(f"round {number}/{rounds}: " + _summary(turns[-1]))
    with server("thriftmesh, idle", python("bench.echo_server")) as fresh:
        idle = client(python("bench.idle", *_watching(fresh)))
    measured = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    progress("codec")
    codec = client(python("bench.codec"), core=SERVER_CORE)
    measured["idle_connection_bytes"] = idle["bytes_each"]
    return measured | {f"codec_{name}_us": codec[f"{name}_us"] for name in ("decode", "encode")}


def _summary(turn: dict[str, float]) -> str:
    return ", ".join(
        f"{name} {turn[key]:.2f}"
        for name, key in (
            ("64x1", "server_64x1_x_floor"),
            ("8x8", "server_8x8_x_floor"),
            ("grpc.aio", "grpc_aio_x_server"),
            ("client us", "client_us"),
        )
    )
