"""The verdict held against the codec: where nothing is `wire`, whatever the one side sends the other can read."""

from __future__ import annotations

import copy
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thriftpy2.thrift import TType

from mesh.contract import CodecError, ContractError, load_texts
from mesh.contract.compare import Pairing, compare
from mesh.contract.jsonform.spec import args_class, result_spec
from mesh.contract.model import Contract, Field, Method, Service
from mesh.contract.typespec import Spec, spec_of
from tests.contract.breaking.mutations import MUTATIONS, random_file

MAX_DEPTH = 4  # of structs inside structs, where they may be left out
VALUES = 6  # for each method and direction


class Endless(Exception):
    pass


def _value(spec: Spec, field: Field | None, rng: random.Random, depth: int) -> Any:
    """Any value that the contract allows. Raises Endless for a type that requires itself, which has none."""
    if depth > 2 * MAX_DEPTH:
        raise Endless
    kind, what = spec if isinstance(spec, tuple) else (spec, None)
    if kind == TType.STRUCT:
        return _struct(what, rng, depth + 1)
    if kind == TType.LIST:
        return [_value(what, None, rng, depth) for _ in range(rng.randint(0, 2))]
    if kind == TType.MAP:
        return {rng.choice("ab"): _value(what[1], None, rng, depth) for _ in range(rng.randint(0, 2))}
    if what is not None:
        return rng.choice(list(what._VALUES_TO_NAMES))
    if kind == TType.BOOL:
        return rng.random() < 0.5
    if kind in (TType.STRING, TType.BINARY):
        return rng.choice(("", "text")) if kind == TType.STRING else rng.choice((b"", b"\xff\x00"))
    if kind == TType.DOUBLE:
        return rng.choice((0.0, -1.5, 1e300))
    high = 100 if field is None or field.max is None else int(field.max)
    return rng.choice((-1, 0, high, min(high, 10)))


def _struct(cls: Any, rng: random.Random, depth: int) -> Any:
    values = {}
    for field in cls.__mesh_fields__:
        if field.required or (depth < MAX_DEPTH and rng.random() < 0.6):
            values[field.name] = _value(spec_of(cls.thrift_spec[field.id]), field, rng, depth)
    return cls(**values)


def _arguments(service: Service, method: Method, rng: random.Random) -> tuple[Any, ...]:
    specs: Any = args_class(service, method).thrift_spec  # type: ignore[attr-defined]
    return tuple(
        _value(spec_of(specs[field.id]), field, rng, 0) if field.required or rng.random() < 0.7 else None
        for field in method.parameters
    )


def _unreadable(caller: Contract, server: Contract, rng: random.Random) -> list[str]:
    """What a caller and a server with these contracts refuse of each other."""
    found = []
    services = caller.services["S"], server.services["S"]
    for name, asks in services[0].methods.items():
        serves = services[1].methods.get(name)
        if serves is None:
            found.append(f"{name} is not there")
            continue
        for _ in range(VALUES):
            try:
                serves.codec.decode_args(asks.codec.encode_args(_arguments(services[0], asks, rng)))
            except CodecError as error:
                found.append(f"request: {error}")
            spec = result_spec(services[1], serves)
            result = None if spec is None else _value(spec, None, rng, 0)
            try:
                asks.codec.decode_result(serves.codec.encode_result(result))
            except CodecError as error:
                found.append(f"answer: {error}")
    return found


def _loaded(text: str) -> Contract:
    return load_texts({"a.thrift": text}, "a.thrift")


def disagreement(seed: int) -> str:
    """Empty when the verdicts on one random pair and what the codec does fit together."""
    rng = random.Random(seed)
    before = random_file(rng)
    after = copy.deepcopy(before)
    for _ in range(rng.randint(1, 2)):
        rng.choice(MUTATIONS)(after, rng)
    try:
        old, new = _loaded(before.text()), _loaded(after.text())
    except ContractError:  # two mutations that gave two things one name
        return ""
    for pairing, caller, server in ((Pairing.SERVER, old, new), (Pairing.CALLER, new, old)):
        try:
            refused = _unreadable(caller, server, rng)
        except Endless:
            return ""
        wire = [str(change) for change in compare(old, new, pairing=pairing) if change.level == "wire"]
        if refused and not wire:
            return f"{pairing}: {refused[0]}\n{before.text()}\n--\n{after.text()}"
    return ""


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_what_is_refused_was_called_wire(seed: int) -> None:
    assert disagreement(seed) == ""
