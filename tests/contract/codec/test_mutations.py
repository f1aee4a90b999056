"""Valid messages, changed: what comes out is a value that Apache Thrift decodes alike, or a CodecError.

`THRIFTMESH_SOAK_CASES` says how many in a soak.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable
from typing import Any

import pytest

from mesh.contract.codec import CodecError, codec_of
from tests.contract.codec import apache, samples
from tests.contract.codec.apache import plain, type_of
from tests.contract.codec.everything import types

_BYTES = (0, 1, 2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16, 17, 0x7F, 0x80, 0xFF)
_SIZES = (0, 1, 2, 3, 5, 100, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_GROWTH_LIMIT_KB = 64 * 1024  # of the whole process: no message here has even 1 KiB


def mutate(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """One to three changes of the kinds that bugs, versions and attackers make."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(changed) + 1)
        span = rng.randrange(1, 12)
        kind = rng.randrange(9)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.choice(_BYTES)
        elif kind == 2:
            changed[at : at + 4] = rng.choice(_SIZES).to_bytes(4)
        elif kind == 3:
            del changed[at : at + span]
        elif kind == 4:
            changed[at:at] = rng.randbytes(span)
        elif kind == 5:
            changed[at:at] = changed[at : at + span * 3]
        elif kind == 6:
            piece = rng.randrange(len(other))
            changed[at:at] = other[piece : piece + span * 3]
        elif kind == 7:
            del changed[at:]
        else:  # an unknown field where a header may stand
            changed[at:at] = bytes((rng.choice(_BYTES), 0x20, rng.randrange(256))) + bytes(rng.randrange(9))
    return bytes(changed)


def attack(cases: int, seed: int) -> dict[str, int]:
    """Runs `cases` mutations; raises AssertionError with the bytes of the first that is wrongly accepted."""
    rng = random.Random(seed)
    seeds = [(type(value), codec_of(type(value)).encode(value)) for value in samples.every()]
    seeds.append((types.Old, codec_of(types.New).encode(samples.new())))  # most of it unknown
    accepted = 0
    for _ in range(cases):
        cls, data = rng.choice(seeds)
        mutated = mutate(rng, data, rng.choice(seeds)[1])
        try:
            value = codec_of(cls).decode(mutated)
        except CodecError:
            continue
        accepted += 1
        _judge(cls, mutated, value)
    return {"cases": cases, "accepted": accepted}


def _judge(cls: Any, mutated: bytes, value: Any) -> None:
    kind = type_of(cls)
    ours = plain(kind, value)
    assert plain(kind, codec_of(cls).decode(codec_of(cls).encode(value))) == ours, mutated.hex()
    for fast in (False, True):
        try:
            theirs = apache.decode(cls, mutated, fast)
        except Exception as error:
            raise AssertionError(f"Apache (fast={fast}) refuses {cls.__name__} {mutated.hex()}: {error!r}") from error
        assert plain(kind, theirs) == ours, f"Apache (fast={fast}) decodes otherwise: {cls.__name__} {mutated.hex()}"


def test_mutations_are_refused_or_decoded_as_apache_does() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = attack(2_000, seed)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < _GROWTH_LIMIT_KB
    assert counts["accepted"] > 50, "a test in which nothing is accepted judges nothing"
    assert counts["accepted"] < 1_500


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_mutations(soak_record: Callable[..., None]) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = attack(int(os.environ.get("THRIFTMESH_SOAK_CASES", "100000")), seed)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    soak_record(seed=seed, growth_kb=growth, **counts)
    assert growth < _GROWTH_LIMIT_KB
