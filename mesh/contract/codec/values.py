"""The part of the decoders' generator that reads one value of a type: its head, then its body.

One rule: a head is only numbers (a scalar, a length, a size with the wire types of its elements), so that a struct's
generator can read several of them, field headers included, in one `unpack_from`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mesh.contract.codec.shape import Codecs
from mesh.contract.codec.source import Source
from mesh.contract.codec.types import LIST, MAP, MIN_SIZE, SET, STRUCT, WIDTH, Type

# Containers inside containers that are read in place. Each takes two of the twenty nested blocks that CPython allows
# in a function; what lies deeper gets a function of its own.
_IN_PLACE = 3


@dataclass(frozen=True, slots=True)
class Head:
    """struct's letters, and a local name for each."""

    format: str
    names: tuple[str, ...]

    @property
    def width(self) -> int:
        return sum(WIDTH[letter] for letter in self.format)


class Values:
    """Adds to `source` what reads values at `o`, and gives the expression of each."""

    def __init__(self, source: Source, codecs: Codecs, level: int = 0) -> None:
        self._source = source
        self._codecs = codecs
        self._level = level

    def head(self, type: Type, var: str) -> Head:
        """The head of a value of `type`; that of a scalar is the value itself and goes into `var`."""
        fresh = self._source.fresh
        if type.letter is not None:
            return Head(type.letter, (var,))
        if type.code == STRUCT:
            return Head("", ())
        if type.code == MAP:
            return Head("BBI", (fresh("k"), fresh("e"), fresh("l")))
        if type.code in (LIST, SET):
            return Head("BI", (fresh("e"), fresh("l")))
        return Head("I", (fresh("l"),))

    def read_head(self, head: Head, start: str, skipped: int) -> None:
        """Reads `head` at `start` and moves `o` behind it, over `skipped` bytes before it as well."""
        if head.format:
            targets = ", ".join(head.names) + ("," if len(head.names) == 1 else "")
            self._source.add(f"{targets} = {self._source.unpacker(head.format)}(d, {start})")
        if skipped + head.width:
            self._source.add(f"o += {skipped + head.width}")

    def read(self, type: Type, hashed: bool = False) -> str:
        """Reads a whole value; `hashed` if it goes into a set or becomes a key, which lists and sets cannot."""
        head = self.head(type, self._source.fresh("x"))
        self.read_head(head, "o", 0)
        return self.body(type, head, hashed)

    def body(self, type: Type, head: Head, hashed: bool = False) -> str:
        """Reads what follows `head`, checks the value and gives its expression."""
        if type.letter is not None:
            return self._scalar(type, head.names[0])
        if type.code == STRUCT:
            return self._struct(type)
        if type.code == MAP:
            return self._map(type, head)
        if type.code in (LIST, SET):
            return self._items(type, head, hashed)
        return self._text(type, head.names[0])

    def _scalar(self, type: Type, var: str) -> str:
        source = self._source
        if type.letter == "B":
            with source.block(f"if {var} > 1:"):
                source.add(f"raise bad_bool({var})")
            return f"{var} == 1"
        if type.is_enum:
            with source.block(f"if {var} not in {_known(source, type)}:"):
                source.add(f"raise bad_enum({source.bind('enum', type.cls)}, {var})")
        return var

    def _struct(self, type: Type) -> str:
        cls, value = type.cls, self._source.fresh("x")
        read = self._source.later(f"read_{type.name}", cls, lambda: self._codecs.reader(cls))
        self._source.add(f"{value}, o = {read}(d, o, n, depth + 1)")
        return value

    def _text(self, type: Type, length: str) -> str:
        source = self._source
        source.add_all("s = o", f"o += {length}")
        with source.block("if o > n:"):
            source.add(f"raise too_short({length}, n - s)")
        return "d[s:o]" if type.binary else "d[s:o].decode()"

    def _items(self, type: Type, head: Head, hashed: bool) -> str:
        source, (item,) = self._source, type.args
        code, size = head.names
        self._checked_size(type, size, f"{code} != {item.code}", (code,))
        if item.letter is not None:
            values = self._batch(item, size)
        elif self._level >= _IN_PLACE:
            values = self._elsewhere(item, size, type.code == SET or hashed)
        else:
            values = self._loop(item, size, type.code == SET or hashed)
        if type.code == LIST:
            return f"tuple({values})" if hashed else values
        made = source.fresh("x")
        source.add(f"{made} = {'frozenset' if hashed else 'set'}({values})")
        with source.block(f"if len({made}) != {size}:"):
            source.add("raise twice('element')")
        return made

    def _checked_size(self, type: Type, size: str, unfit: str, codes: tuple[str, ...]) -> None:
        """The element types must be the contract's, also of nothing; the size must fit into the bytes left."""
        source = self._source
        with source.block(f"if {unfit}:"):
            source.add(f"raise unfit_items({source.bind('kind', type.name)}, {', '.join(codes)})")
        least = sum(MIN_SIZE[item.code] for item in type.args)
        with source.block(f"if {size} > n - o:" if least == 1 else f"if {size} * {least} > n - o:"):
            source.add(f"raise too_many({size}, n - o)")

    def _batch(self, item: Type, size: str) -> str:
        """Elements of fixed width in one go."""
        source, values = self._source, self._source.fresh("x")
        if item.letter == "B":
            source.add_all(f"{values} = unpack_bools(d[o:o + {size}])", f"o += {size}")
            return values
        source.add(f"{values} = list(unpack_from(f'>{{{size}}}{item.letter}', d, o))")
        source.add(f"o += {size} * {WIDTH[item.letter or '']}")
        if item.is_enum:
            source.add(f"check_enums({values}, {source.bind('enum', item.cls)}, {_known(source, item)})")
        return values

    def _loop(self, item: Type, size: str, hashed: bool) -> str:
        source, values = self._source, self._source.fresh("x")
        source.add(f"{values} = []")
        self._level += 1
        with source.block("try:"), source.block(f"for _ in range({size}):"):
            source.add(f"{values}.append({self.read(item, hashed)})")
        self._level -= 1
        with source.block("except PROBLEMS as e:"):
            source.add(f"raise located(e, f'[{{len({values})}}]') from None")
        return values

    def _elsewhere(self, item: Type, size: str, hashed: bool) -> str:
        """The loop of `_loop` in a function of its own."""
        values, runtime, codecs = self._source.fresh("x"), self._source.names, self._codecs

        def make() -> Callable[..., Any]:
            source = Source(runtime)
            with source.block("def read_items(d, o, n, depth, l):"):
                source.add(f"return {Values(source, codecs)._loop(item, 'l', hashed)}, o")
            return source.function("read_items")

        read = self._source.later("read_items", (item, hashed), make)
        self._source.add(f"{values}, o = {read}(d, o, n, depth, {size})")
        return values

    def _map(self, type: Type, head: Head) -> str:
        source, (key, value) = self._source, type.args
        key_code, code, size = head.names
        self._checked_size(type, size, f"{key_code} != {key.code} or {code} != {value.code}", (key_code, code))
        values, found = source.fresh("x"), source.fresh("y")
        source.add(f"{values} = {{}}")
        self._level += 1
        with source.block("try:"), source.block(f"for _ in range({size}):"):
            source.add(f"{found} = {self.read(key, hashed=True)}")
            source.add(f"{values}[{found}] = {self.read(value)}")
        self._level -= 1
        with source.block("except PROBLEMS as e:"):
            source.add(f"raise located(e, f'[entry {{len({values})}}]') from None")
        with source.block(f"if len({values}) != {size}:"):
            source.add("raise twice('key')")
        return values


def _known(source: Source, type: Type) -> str:
    return source.bind(f"values_of_{type.name}", known_values(type.cls))


def known_values(cls: Any) -> frozenset[int]:
    """The numbers of thriftpy2's enum class."""
    return frozenset(cls._VALUES_TO_NAMES)
