"""Python source in the making: lines, the names that they use, and the function that comes of them.

One rule: a value never becomes text in generated code unless it is an int or a name; everything else is bound to a
name in the function's globals. The text is kept in `linecache`, so that tracebacks and debuggers show it.
"""

from __future__ import annotations

import builtins
import itertools
import linecache
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Any

_serial = itertools.count(1)  # file names of generated code must differ, or linecache would mix them up


_PLAIN = (str, frozenset)  # compared by value: no two of these are equal and yet behave differently


class Source:
    """The text of one function and the globals that it runs with."""

    def __init__(self, runtime: dict[str, Any], reserved: Iterable[str] = ()) -> None:
        self.names: dict[str, Any] = dict(runtime)
        self._reserved = frozenset(reserved)  # locals that come from a contract
        self._lines: list[str] = []
        self._depth = 0
        self._counts: dict[str, int] = {}
        self._later: dict[tuple[str, object], str] = {}

    def add(self, line: str) -> None:
        self._lines.append("    " * self._depth + line)

    def add_all(self, *lines: str) -> None:
        for line in lines:
            self.add(line)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """`head` and what is added inside, one step further in. A block with nothing in it says `pass`."""
        self.add(head)
        before = len(self._lines)
        self._depth += 1
        yield
        if len(self._lines) == before:
            self.add("pass")
        self._depth -= 1

    def fresh(self, stem: str) -> str:
        """A local name that nothing else in this function has."""
        self._counts[stem] = number = self._counts.get(stem, 0) + 1
        return f"{stem}{number}"

    def bind(self, stem: str, value: Any) -> str:
        """A global name for `value`; the same value gets the same name."""
        for name, bound in self.names.items():
            if name.startswith(stem) and (bound is value or (isinstance(value, _PLAIN) and bound == value)):
                return name
        name = stem
        for number in itertools.count(2):
            if not (name in self.names or name in self._reserved or hasattr(builtins, name)):
                break
            name = f"{stem}_{number}"
        self.names[name] = value
        return name

    def packer(self, format: str) -> str:
        return self._struct("pack_", format, lambda layout: layout.pack)

    def unpacker(self, format: str) -> str:
        return self._struct("read_", format, lambda layout: layout.unpack_from)

    def _struct(self, stem: str, format: str, method: Callable[[Struct], Any]) -> str:
        name = stem + format
        if name not in self.names:
            self.names[name] = method(Struct(">" + format))
        return name

    def later(self, stem: str, key: object, make: Callable[[], Callable[..., Any]]) -> str:
        """A global that makes its function when first called and then stands for it itself. One per stem and key.

        So recursive structs need no order, and what is never used is never generated. Two threads may both make it;
        both makes are good.
        """

        def first(*args: Any) -> Any:
            self.names[name] = made = make()
            return made(*args)

        if (stem, key) not in self._later:
            self._later[stem, key] = self.bind(stem, first)
        name = self._later[stem, key]
        return name

    @property
    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def function(self, name: str) -> Callable[..., Any]:
        """Compiles the text and returns its function `name`."""
        file = f"<mesh codec {next(_serial)}: {name}>"
        text = self.text
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        exec(compile(text, file, "exec"), self.names)
        made: Callable[..., Any] = self.names[name]
        return made
