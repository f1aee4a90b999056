"""The measurement: rounds in which every server has its turn, ratios within a round, medians over rounds.

One rule: two figures are only divided when they were measured within seconds of one another, on the same core, with the
other servers idle.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import build, frames
from bench.process import SERVER_CORE, Server, client, python, server

ROUNDS = 7  # short and many: on a shared machine a median over more turns beats longer ones
_WARM_S = 0.3
_SECONDS = 0.8
_GRPC_SECONDS = 1.5  # a fortieth of the floor's calls: longer, to count enough of them
_SHAPES = {"64x1": ("64", "1"), "8x8": ("8", "8")}

Progress = Callable[[str], None]


def load(target: Server, shape: str, *more: str) -> dict[str, Any]:
    """The C load generator against `target`; `shape` is a key of `_SHAPES`."""
    connections, in_flight = _SHAPES[shape]
    command: list[str | Path] = [
        build.LOAD,
        *("--port", str(target.port), "--pid", str(target.pid), "--request", build.CALL),
        *("--connections", connections, "--in-flight", in_flight),
        *("--warm", str(_WARM_S), "--seconds", str(_SECONDS), *more),
    ]
    return client(command)


def one_round(floor: Server, ours: Server, grpc: Server) -> dict[str, float]:
    """One turn for everybody; flat figures."""
    figures: dict[str, float] = {}
    for shape in _SHAPES:
        bottom = load(floor, shape, "--echo")
        top = load(ours, shape, "--hello", str(build.INIT))
        figures[f"floor_{shape}_us"] = bottom["server_us"]
        figures[f"server_{shape}_us"] = top["server_us"]
        figures[f"server_{shape}_calls_per_s"] = top["calls_per_s"]
        figures[f"server_{shape}_p99_us"] = top["p99_us"]
        figures[f"server_{shape}_x_floor"] = top["server_us"] / bottom["server_us"]

    window = ("--port", str(grpc.port), "--pid", str(grpc.pid), "--seconds", str(_GRPC_SECONDS))
    figures["grpc_aio_us"] = client(python("bench.grpc_client", *window))["server_us"]
    figures["grpc_aio_x_server"] = figures["grpc_aio_us"] / figures["server_64x1_us"]

    pair = client(python("bench.echo_client", "--port", str(ours.port), "--pid", str(ours.pid)))
    figures["client_us"] = pair["client_us"]
    figures["pair_calls_per_s"] = pair["calls_per_s"]
    return figures


def measure(rounds: int, progress: Progress) -> dict[str, float]:
    """Everything, as flat figures. `progress` is told what happens."""
    with ExitStack() as servers:
        floor = servers.enter_context(server("floor", [build.FLOOR]))
        ours = servers.enter_context(server("thriftmesh", python("bench.echo_server")))
        grpc = servers.enter_context(server("grpc.aio", python("bench.grpc_server")))
        frames.verify("127.0.0.1", ours.port)
        turns = []
        for number in range(1, rounds + 1):
            turns.append(one_round(floor, ours, grpc))
            progress(f"round {number}/{rounds}: " + _summary(turns[-1]))
    measured = {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
    progress("codec")
    codec = client(python("bench.codec"), core=SERVER_CORE)
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
