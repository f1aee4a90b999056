"""What the codec costs: `python -m bench.codec` prints microseconds of one decode and one encode as JSON.

The struct is that of the echo: a string of 20 bytes, an i64 and three strings of 8 bytes, 83 bytes in all. One rule:
the process's own CPU time and the best of many short runs, because a shared machine only ever adds to the cost.
"""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable
from typing import Any

from mesh.contract.codec import codec_of
from mesh.contract.loader import load_texts

IDL = "struct Echo { 1: string text, 2: i64 number, 3: list<string> words }"
SIZE = 83

_RUNS = 60
_CALLS = 5_000  # of one run: 5 to 10 ms, short enough to fit between the neighbours' time slices


def best_us(function: Callable[[Any], object], argument: Any) -> float:
    """Microseconds of one call in the best run, the call itself included."""
    names = {"function": function, "argument": argument}
    timer = timeit.Timer("function(argument)", timer=time.process_time, globals=names)
    return min(timer.repeat(_RUNS, _CALLS)) / _CALLS * 1e6


def figures() -> dict[str, float]:
    echo: Any = load_texts({"echo.thrift": IDL}, "echo.thrift").structs["Echo"]
    codec = codec_of(echo)
    value = echo("x" * 20, 123_456_789, ["abcdefgh"] * 3)
    data = codec.encode(value)
    assert len(data) == SIZE
    assert codec.decode(data) == value
    return {"decode_us": best_us(codec.decode, data), "encode_us": best_us(codec.encode, value)}


if __name__ == "__main__":
    print(json.dumps({key: round(value, 3) for key, value in figures().items()}))
