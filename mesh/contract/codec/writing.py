"""The generator of encoders.

Two functions come of a struct. The first holds for objects whose fields, except `optional` ones, are all there and of
exactly the contract's types; it packs a whole run of fixed-width parts, field headers included, in one call. Everything
else (a field left None, a subclass, an int for a double) goes to the second, field by field, which also finds the place
of what `struct` and the UTF-8 codec refuse. It is generated when first needed.

One rule: the first hands over to the second either before any nested struct is written, or for an error. Otherwise a
chain of nested structs would be written twice at each of its levels.

Names in generated code: `x` the object, `v_NAME` a field's value, `p` the parts of the message, `at` the field being
written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.contract.codec import checks
from mesh.contract.codec.errors import CodecError
from mesh.contract.codec.parts import Parts
from mesh.contract.codec.shape import Shape, bounded, bounds, one_arm
from mesh.contract.codec.source import Source
from mesh.contract.codec.types import MAX_DEPTH, Slot

_RUNTIME: dict[str, Any] = {
    "LENGTHS": checks.LENGTHS,
    "PLACED": checks.PLACED,
    "PROBLEMS": checks.WRITE_PROBLEMS,
    "UNPLACED": checks.UNPLACED,
    "CodecError": CodecError,
    "absent": checks.absent,
    "as_bool": checks.as_bool,
    "as_bytes": checks.as_bytes,
    "as_double": checks.as_double,
    "as_int": checks.as_int,
    "as_list": checks.as_list,
    "as_map": checks.as_map,
    "as_set": checks.as_set,
    "as_struct": checks.as_struct,
    "as_text": checks.as_text,
    "bad_enum": checks.bad_enum,
    "length_of": checks.length_of,
    "located": checks.located,
    "no_match": checks.no_match,
    "not_one_arm": checks.not_one_arm,
    "out_of_bounds": checks.out_of_bounds,
    "out_of_range": checks.out_of_range,
    "pack_bools": checks.pack_bools,
    "pack_doubles": checks.pack_doubles,
    "pack_enums": checks.pack_enums,
    "pack_ints": checks.pack_ints,
    "place": checks.place,
    "too_deep": checks.too_deep,
    "too_long": checks.too_long,
    "unwritable": checks.unwritable,
    "wrong_count": checks.wrong_count,
}


def writer(shape: Shape) -> Callable[..., bytes]:
    """`f(x, depth) -> bytes` for an object of the shape's class."""
    source = Source(_RUNTIME)
    with source.block(f"def write_{shape.name}(x, depth):"):
        with source.block(f"if depth > {MAX_DEPTH}:"):
            source.add("raise too_deep()")
        _body(source, shape)
    return source.function(f"write_{shape.name}")


def whole_writer(shape: Shape) -> Callable[[Any], bytes]:
    """`f(x) -> bytes` of a whole message; errors start with the shape's root."""
    source = Source(_RUNTIME)
    with source.block(f"def encode_{shape.name}(x):"):
        source.add("depth = 1")
        with source.block("try:"):
            _check_whole(source, shape)
            _body(source, shape)
        with source.block("except CodecError as e:"):
            source.add_all(f"e.under({source.bind('root', shape.root)})", "raise")
    return source.function(f"encode_{shape.name}")


def _check_whole(source: Source, shape: Shape) -> None:
    if shape.cls is not None:
        cls = source.bind("cls", shape.cls)
        with source.block(f"if type(x) is not {cls}:"):
            source.add(f"as_struct(x, {cls})")
    elif not shape.bare:
        with source.block(f"if len(x) != {len(shape.order)}:"):
            source.add(f"raise wrong_count({len(shape.order)}, len(x))")


def _body(source: Source, shape: Shape) -> None:
    source.add("at = None")
    careful = source.later("careful", shape.name, lambda: _careful(shape))
    with source.block("try:"):
        _load(source, shape)
        if not shape.union:
            _exact(source, shape)
    with source.block("except PLACED as e:"):
        source.add("raise located(e, at) from None")
    with source.block("except UNPLACED:"):
        source.add("pass")
    source.add(f"return {careful}(depth, {shape.vars})")


def _load(source: Source, shape: Shape) -> None:
    if shape.bare:
        source.add(f"{shape.vars.rstrip(', ') or '_'} = x")
    elif shape.cls is not None:
        for slot in shape.slots:
            source.add(f"{slot.var} = x.{slot.name}")
    elif shape.order:
        source.add(f"{''.join(f'v_{name}, ' for name in shape.order)} = x")


def _exact(source: Source, shape: Shape) -> None:
    """Objects whose expected fields are all there, each of exactly its type."""
    tests = [f"type({slot.var}) is {_exact_type(source, slot)}" for slot in shape.slots if slot.expected]
    with source.block(f"if {' and '.join(tests) or 'True'}:"):
        parts = Parts(source, shape.codecs)
        for slot in shape.slots:
            if slot.expected:
                _field(source, parts, slot, exact=True)
            else:
                _maybe(source, parts, slot)
        parts.constant(b"\x00")
        source.add(f"return {parts.joined()}")


def _exact_type(source: Source, slot: Slot) -> str:
    name = Parts.exact_type(slot.type)
    return source.bind("cls", slot.type.cls) if name is None else name


def _maybe(source: Source, parts: Parts, slot: Slot) -> None:
    """A field that may be None, or of a type that has to be looked at."""
    parts.flush()
    with source.block(f"if {slot.var} is not None:"):
        _field(source, parts, slot, exact=False)
        parts.flush()
    if slot.field.required:
        with source.block("else:"):
            source.add_all(f"at = {slot.name!r}", "raise absent()")


def _field(source: Source, parts: Parts, slot: Slot, exact: bool) -> None:
    """Checks a field's value and adds its header and parts; `exact` says that the type has been tested."""
    simple = slot.type.args == () and slot.type.cls is None
    if not exact or not simple or bounded(slot):
        source.add(f"at = {slot.name!r}")
    if not exact:
        parts.convert(slot.type, slot.var)
    bounds(source, slot, slot.var)
    parts.constant(slot.header)
    parts.value(slot.type, slot.var)


def _careful(shape: Shape) -> Callable[..., bytes]:
    """`f(depth, values) -> bytes`: field by field, and every error with its place."""
    source = Source(_RUNTIME)
    with source.block(f"def careful_{shape.name}(depth, {shape.vars}):"):
        one_arm(source, shape)
        source.add_all("p = []", "at = None")
        with source.block("try:"):
            parts = Parts(source, shape.codecs, started=True)
            for slot in shape.slots:
                _maybe(source, parts, slot)
        with source.block("except PROBLEMS as e:"):
            source.add("raise unwritable(e, at) from None")
        source.add_all(r"p.append(b'\x00')", "return b''.join(p)")
    return source.function(f"careful_{shape.name}")
