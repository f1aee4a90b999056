"""`python -m bench.codec`: decoding and encoding the benchmark's struct, in microseconds, as JSON on standard output.

One rule: an absolute figure is the best of many short batches, since a shared machine only ever adds time.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from typing import Any

from bench import frames
from idl import interop
from mesh.contract.codec import codec_of

_BATCH = 200  # about half a millisecond: short enough to fall between two time slices
_BATCHES = 3000


def best_us(function: Callable[[Any], object], argument: Any) -> float:
    """Microseconds of one `function(argument)`."""
    best = float("inf")
    batch = range(_BATCH)
    for _ in range(_BATCHES):
        started = time.perf_counter_ns()
        for _ in batch:
            function(argument)
        best = min(best, time.perf_counter_ns() - started)
    return best / _BATCH / 1000


def main() -> None:
    codec = codec_of(interop.Sample)
    data = frames.sample()
    sample = codec.decode(data)
    assert codec.encode(sample) == data, "the codec does not give back the bytes that it read"
    assert (sample.text, sample.number, sample.items) == (frames.TEXT, frames.NUMBER, frames.ITEMS)
    gc.disable()  # its pauses belong to what the process holds, not to the codec
    print(json.dumps({"decode_us": best_us(codec.decode, data), "encode_us": best_us(codec.encode, sample)}))


if __name__ == "__main__":
    main()
