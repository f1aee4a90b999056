"""The part of the encoders' generator that turns one value into the parts of a message.

One rule: fixed-width parts wait until something of another kind must come behind them, so that neighbours, also those
of neighbouring fields, share one `pack`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.contract.codec.shape import Codecs
from mesh.contract.codec.source import Source
from mesh.contract.codec.types import BOOL, DOUBLE, LIST, MAP, SET, STRUCT, Type, range_of
from mesh.contract.codec.values import known_values

_IN_PLACE = 3  # as for decoders: CPython allows twenty nested blocks in a function


class Parts:
    """Adds to `source` what appends values to `p`. `started` says that `p` exists already."""

    def __init__(self, source: Source, codecs: Codecs, started: bool = False, level: int = 0) -> None:
        self._source = source
        self._codecs = codecs
        self._started = started
        self._level = level
        self._fixed: list[tuple[str, str] | bytes] = []  # the fixed-width parts that wait
        self._waiting: list[str] = []  # expressions of bytes that come before them
        self._lengths: set[str] = set()  # locals that hold a length: never negative, mostly short

    @staticmethod
    def exact_type(type: Type) -> str | None:
        """The one Python type that needs no conversion, by name; None: the struct's class."""
        if type.code == STRUCT:
            return None
        if type.letter is not None:
            return {BOOL: "bool", DOUBLE: "float"}.get(type.code, "int")
        containers = {LIST: "list", SET: "set", MAP: "dict"}
        return containers.get(type.code) or ("bytes" if type.binary else "str")

    def convert(self, type: Type, var: str) -> None:
        """Adds the test of `var`'s type and range; what means the same is converted, the rest is an error."""
        source, exact = self._source, self.exact_type(type)
        cls = source.bind("cls", type.cls) if exact is None else exact
        words = {"bool": "bool", "float": "double", "int": "int", "bytes": "bytes", "str": "text"}
        with source.block(f"if type({var}) is not {cls}:"):
            if exact is None:
                source.add(f"as_struct({var}, {cls})")
            elif exact in words:
                source.add(f"{var} = as_{words[exact]}({var})")
            else:
                container = {"dict": "map"}.get(exact, exact)
                source.add(f"as_{container}({var}, {source.bind('kind', type.name)})")
        if exact == "int" and not type.is_enum:
            low, high = range_of(type.letter or "")
            with source.block(f"if not {low} <= {var} <= {high}:"):
                source.add(f"raise out_of_range({type.letter!r})")

    def fixed(self, letter: str, expression: str) -> None:
        """A part of fixed width, packed by struct's `letter`."""
        self._fixed.append((letter, expression))

    def constant(self, part: bytes) -> None:
        """A part that is known now: a field's header, the stop byte."""
        if self._fixed and isinstance(self._fixed[-1], bytes):
            part = self._fixed.pop() + part  # type: ignore[operator]
        self._fixed.append(part)

    def raw(self, expression: str) -> None:
        """A part that is bytes already."""
        self._pack()
        self._waiting.append(expression)

    def _pack(self) -> None:
        if not self._fixed:
            return
        first = self._fixed[0]
        if len(self._fixed) > 1:
            letters = "".join(f"{len(part)}s" if isinstance(part, bytes) else part[0] for part in self._fixed)
            values = ", ".join(repr(part) if isinstance(part, bytes) else part[1] for part in self._fixed)
            self._waiting.append(f"{self._source.packer(letters)}({values})")
        elif isinstance(first, bytes):
            self._waiting.append(repr(first))
        elif first[0] == "i" and first[1] in self._lengths:
            self._waiting.append(f"LENGTHS[{first[1]}] if {first[1]} < 256 else length_of({first[1]})")
        else:
            self._waiting.append(f"{self._source.packer(first[0])}({first[1]})")
        self._fixed = []

    def flush(self) -> None:
        """Adds the lines that put everything waiting into `p`."""
        self._pack()
        if not self._started:
            self._source.add(f"p = [{', '.join(self._waiting)}]")
            self._started = True
        else:
            for part in self._waiting:
                self._source.add(f"p.append({part})")
        self._waiting = []

    def joined(self) -> str:
        """The expression of the whole message."""
        if self._started:
            self.flush()
            return "b''.join(p)"
        self._pack()
        if len(self._waiting) == 1:
            return self._waiting[0]
        return f"b''.join(({', '.join(self._waiting)}))"

    def value(self, type: Type, var: str) -> None:
        """Adds the parts of `var`, whose type has been tested."""
        if type.letter is not None:
            self._scalar(type, var)
        elif type.code == STRUCT:
            cls = type.cls
            write = self._source.later(f"write_{type.name}", cls, lambda: self._codecs.writer(cls))
            self._made(f"{write}({var}, depth + 1)")
        elif type.code == MAP:
            self._map(type, var)
        elif type.code in (LIST, SET):
            self._items(type, var)
        else:
            self._text(type, var)

    def _made(self, expression: str) -> None:
        """A part from a call that may fail: made at once, while `at` names its field."""
        made = self._source.fresh("q")
        self._source.add(f"{made} = {expression}")
        self.raw(made)

    def _scalar(self, type: Type, var: str) -> None:
        if type.is_enum:
            known = self._known(type)
            with self._source.block(f"if {var} not in {known}:"):
                self._source.add(f"raise bad_enum({self._source.bind('enum', type.cls)}, {var})")
        self.fixed(type.letter or "", var)

    def _text(self, type: Type, var: str) -> None:
        source, size = self._source, self._source.fresh("n")
        held = var
        if not type.binary:
            held = source.fresh("s")
            source.add(f"{held} = {var}.encode()")
        source.add(f"{size} = len({held})")
        self._lengths.add(size)
        self.fixed("i", size)
        self.raw(held)

    def _items(self, type: Type, var: str) -> None:
        (item,) = type.args
        self.constant(bytes((item.code,)))
        self.fixed("i", f"len({var})")
        if item.is_enum:
            self._made(f"pack_enums({var}, {self._source.bind('enum', item.cls)}, {self._known(item)})")
        elif item.code == BOOL:
            self._made(f"pack_bools({var})")
        elif item.code == DOUBLE:
            self._made(f"pack_doubles({var})")
        elif item.letter is not None:
            self._made(f"pack_ints({var}, {item.letter!r})")
        else:
            self.flush()
            self._each(type, var)

    def _map(self, type: Type, var: str) -> None:
        key, value = type.args
        self.constant(bytes((key.code, value.code)))
        self.fixed("i", f"len({var})")
        self.flush()
        self._each(type, var)

    def _each(self, type: Type, var: str) -> None:
        """The loop over a container's elements, in place or, too deep inside others, in a function of its own."""
        if self._level < _IN_PLACE:
            self._loop(type, var)
            return
        names, codecs = self._source.names, self._codecs

        def make() -> Callable[..., Any]:
            source = Source(names)
            with source.block("def write_items(x, p, depth):"):
                Parts(source, codecs, started=True)._loop(type, "x")
            return source.function("write_items")

        self._source.add(f"{self._source.later('write_items', type, make)}({var}, p, depth)")

    def _loop(self, type: Type, var: str) -> None:
        source = self._source
        first = source.fresh("y")
        names = [first] if type.code != MAP else [first, source.fresh("z")]
        items = var if type.code != MAP else f"{var}.items()"
        self._level += 1
        with source.block("try:"), source.block(f"for {', '.join(names)} in {items}:"):
            for name, item in zip(names, type.args, strict=True):
                self.convert(item, name)
                self.value(item, name)
            self.flush()
        self._level -= 1
        with source.block("except PROBLEMS as e:"):
            word = ", 'entry '" if type.code == MAP else ""
            source.add(f"raise unwritable(e, place({var}, {first}{word})) from None")

    def _known(self, type: Type) -> str:
        return self._source.bind(f"values_of_{type.name}", known_values(type.cls))
