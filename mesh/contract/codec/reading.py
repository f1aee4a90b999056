"""The generator of decoders.

Two functions come of a struct. The first expects what writers normally send: the fields in the order of their ids,
read with one `unpack_from` for a whole run of fixed-width fields, header bytes included. Where the bytes differ
(another order, a field missing inside a run, one that the contract does not know, a wrong type) it consumes nothing and
hands its position and the values so far to the second, a loop over field headers, generated when first needed.

One rule: `o` passes nothing that has not been checked, and every declared size is compared with the bytes left
(`n - o`) before anything is made of it.

Names in generated code: `d` the bytes, `o` the offset, `n` the end, `at` the field being read, `v_NAME` a field's value
(None: not seen yet), `l` lengths and sizes, `e` and `k` the wire types of elements and keys.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from mesh.contract.codec import checks, skip
from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.literal import literal
from mesh.contract.codec.shape import Shape, bounded, bounds, one_arm
from mesh.contract.codec.source import Source
from mesh.contract.codec.types import MAX_DEPTH, Slot
from mesh.contract.codec.values import Head, Values

_RUNTIME: dict[str, Any] = {
    "PROBLEMS": checks.READ_PROBLEMS,
    "CodecError": CodecError,
    "as_bytes": checks.as_bytes,
    "bad_bool": checks.bad_bool,
    "bad_enum": checks.bad_enum,
    "check_enums": checks.check_enums,
    "located": checks.located,
    "missing": checks.missing,
    "negative_id": skip.negative_id,
    "no_match": checks.no_match,
    "not_one_arm": checks.not_one_arm,
    "out_of_bounds": checks.out_of_bounds,
    "skip": skip.skip,
    "too_deep": checks.too_deep,
    "too_long": checks.too_long,
    "too_many": skip.too_many,
    "too_short": skip.too_short,
    "trailing": skip.trailing,
    "twice": checks.twice,
    "unfit": skip.unfit,
    "unfit_items": skip.unfit_items,
    "unknown_in_result": skip.unknown_in_result,
    "unpack_bools": checks.unpack_bools,
    "unpack_from": struct.unpack_from,
}


def reader(shape: Shape) -> Callable[..., Any]:
    """`f(d, o, n, depth) -> (value, offset behind it)`."""
    source = Source(_RUNTIME)
    with source.block(f"def read_{shape.name}(d, o, n, depth):"):
        with source.block(f"if depth > {MAX_DEPTH}:"):
            source.add("raise too_deep()")
        _expected_order(source, shape, whole=False)
    return source.function(f"read_{shape.name}")


def whole_reader(shape: Shape) -> Callable[[bytes], Any]:
    """`f(d) -> value`: the bytes hold the value and nothing else; errors start with the shape's root."""
    source = Source(_RUNTIME)
    with source.block(f"def decode_{shape.name}(d):"):
        with source.block("try:"):
            with source.block("if type(d) is not bytes:"):
                source.add("d = as_bytes(d)")
            source.add_all("o = 0", "n = len(d)", "depth = 1")
            _expected_order(source, shape, whole=True)
        with source.block("except CodecError as e:"):
            source.add_all(f"e.under({source.bind('root', shape.root)})", "raise")
    return source.function(f"decode_{shape.name}")


def _expected_order(source: Source, shape: Shape, whole: bool) -> None:
    values = Values(source, shape.codecs)
    source.add(f"{''.join(f'{slot.var} = ' for slot in shape.slots)}at = None")
    with source.block("try:"):
        for group in _groups(shape):
            if group[0].expected and not shape.union:
                _run(source, values, group)
            else:
                _maybes(source, values, group)
        source.add_all("at = None", "more = d[o]")
    with source.block("except PROBLEMS as e:"):
        source.add("raise located(e, at) from None")
    with source.block("if more:"):
        rest = source.later("rest", shape.name, lambda: _rest(shape))
        _leave(source, f"{rest}(d, o, n, depth, {shape.vars})", whole)
    _finish(source, shape, whole)


def _rest(shape: Shape) -> Callable[..., Any]:
    """`f(d, o, n, depth, values so far) -> (value, offset behind it)`: fields in any order."""
    source = Source(_RUNTIME)
    with source.block(f"def rest_{shape.name}(d, o, n, depth, {shape.vars}):"):
        source.add("at = None")
        with source.block("try:"):
            _any_order(source, shape)
        with source.block("except PROBLEMS as e:"):
            source.add("raise located(e, at) from None")
        _finish(source, shape, whole=False)
    return source.function(f"rest_{shape.name}")


def _groups(shape: Shape) -> list[list[Slot]]:
    """The fields in runs that are read alike: a run of expected ones ends with the first of no fixed width."""
    groups: list[list[Slot]] = []
    joinable = False
    for slot in shape.slots:
        maybe = shape.union or not slot.expected
        if groups and ((maybe and _is_maybe(groups[-1], shape)) or (joinable and not maybe)):
            groups[-1].append(slot)
        else:
            groups.append([slot])
        joinable = not maybe and slot.type.letter is not None
    return groups


def _is_maybe(group: list[Slot], shape: Shape) -> bool:
    return shape.union or not group[0].expected


def _run(source: Source, values: Values, group: list[Slot]) -> None:
    """One `unpack_from` for the headers and fixed-width parts of all fields of the group."""
    heads = [values.head(slot.type, slot.var) for slot in group]
    targets: list[str] = []
    format = ""
    tests = []
    for slot, head in zip(group, heads, strict=True):
        code, number = source.fresh("t"), source.fresh("i")
        targets += [code, number, *head.names]
        format += "Bh" + head.format
        tests.append(f"{code} == {slot.type.code} and {number} == {slot.id}")
    width = Head(format, ()).width
    with source.block(f"if n - o > {width}:"):
        source.add(f"{', '.join(targets)} = {source.unpacker(format)}(d, o)")
        with source.block(f"if {' and '.join(tests)}:"):
            source.add(f"o += {width}")
            for slot, head in zip(group, heads, strict=True):
                _value(source, values, slot, head)
        assigned = [slot.var for slot, head in zip(group, heads, strict=True) if slot.var in head.names]
        if assigned:
            with source.block("else:"):
                source.add(" = ".join([*assigned, "None"]))


def _maybes(source: Source, values: Values, group: list[Slot]) -> None:
    """Fields that are often left out: one look at the next header, compared with each."""
    source.add("h = d[o:o + 3]")
    for position, slot in enumerate(group):
        with source.block(f"if h == {slot.header!r}:"):
            head = values.head(slot.type, slot.var)
            source.add(f"at = {slot.name!r}")
            values.read_head(head, "o + 3", 3)
            _value(source, values, slot, head, named=True)
            if position + 1 < len(group):
                source.add("h = d[o:o + 3]")


def _value(source: Source, values: Values, slot: Slot, head: Head, named: bool = False) -> None:
    """Reads what follows the head of a field; `named` says that `at` is set already."""
    plain = slot.type.letter is not None and slot.type.letter != "B" and not slot.type.is_enum
    if not named and not (plain and not bounded(slot)):
        source.add(f"at = {slot.name!r}")
    value = values.body(slot.type, head)
    if value != slot.var:
        source.add(f"{slot.var} = {value}")
    bounds(source, slot, slot.var)


def _any_order(source: Source, shape: Shape) -> None:
    values = Values(source, shape.codecs)
    with source.block("while True:"):
        source.add_all("at = None", "t = d[o]")
        with source.block("if not t:"):
            source.add("break")
        source.add_all(f"i, = {source.unpacker('h')}(d, o + 1)", "o += 3")
        word = "if"
        for slot in shape.slots:
            with source.block(f"{word} i == {slot.id}:"):
                _known(source, values, slot)
            word = "elif"
        with source.block("else:" if shape.slots else "if True:"):
            _unknown(source, shape)


def _known(source: Source, values: Values, slot: Slot) -> None:
    """A field whose header has been read: its type is in `t`."""
    source.add(f"at = {slot.name!r}")
    with source.block(f"if t != {slot.type.code}:"):
        source.add(f"raise unfit({source.bind('kind', slot.type.name)}, t)")
    with source.block(f"if {slot.var} is not None:"):
        source.add("raise twice('field')")
    head = values.head(slot.type, slot.var)
    values.read_head(head, "o", 0)
    _value(source, values, slot, head, named=True)


def _unknown(source: Source, shape: Shape) -> None:
    if shape.closed:
        source.add("raise unknown_in_result(i)")
        return
    source.add("at = f'<unknown field {i}>'")
    with source.block("if i < 0:"):
        source.add("raise negative_id()")
    source.add("o = skip(d, o, n, t, depth)")


def _finish(source: Source, shape: Shape, whole: bool) -> None:
    """After the stop byte at `o`: what must be there, the defaults of what is not, and the value itself."""
    one_arm(source, shape)
    required = shape.required
    if required:
        with source.block(f"if {' or '.join(f'{slot.var} is None' for slot in required)}:"):
            variables = "".join(f"{slot.var}, " for slot in required)
            source.add(f"raise missing({tuple(slot.name for slot in required)!r}, ({variables}))")
    for slot in shape.slots:
        if slot.default is not None and not slot.field.required and not shape.union:
            with source.block(f"if {slot.var} is None:"):
                source.add(f"{slot.var} = {literal(source, slot.type, slot.default)}")
    _leave(source, f"{_made(source, shape)}, o + 1", whole)


def _made(source: Source, shape: Shape) -> str:
    if shape.bare:
        return shape.slots[0].var if shape.slots else "None"
    if shape.cls is None:
        return f"({''.join(f'v_{name}, ' for name in shape.order)})"
    new = source.bind("new", Exception.__new__ if issubclass(shape.cls, Exception) else object.__new__)
    source.add(f"x = {new}({source.bind('cls', shape.cls)})")
    for slot in shape.slots:
        source.add(f"x.{slot.name} = {slot.var}")
    return "x"


def _leave(source: Source, pair: str, whole: bool) -> None:
    """Returns `pair`, a value and the offset behind it; of a whole message only the value, when nothing follows."""
    if not whole:
        source.add(f"return {pair}")
        return
    source.add(f"v, o = {pair}")
    with source.block("if o != n:"):
        source.add("raise trailing(n - o)")
    source.add("return v")
