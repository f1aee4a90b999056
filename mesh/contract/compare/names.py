"""Which type of the old contract is which of the new one.

One rule: a type is the same under the same name, wherever it stands; a name that is gone was renamed to one that is new
where the one stood in the place of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from mesh.contract import typespec
from mesh.contract.compare.record import fits, inner_types
from mesh.contract.model import Contract
from mesh.contract.typespec import Spec


class Names:
    """`aliases` are stems of new files by those of the old files that they took the place of."""

    def __init__(self, old: Iterable[Contract], new: Iterable[Contract], aliases: dict[str, str]) -> None:
        self.old_names = {cls.__name__ for contract in _reached(old) for cls in _types(contract)}
        self.new_by_name: dict[str, list[type]] = {}
        for contract in _reached(new):
            for cls in _types(contract):
                self.new_by_name.setdefault(cls.__name__, []).append(cls)
        self._aliases = aliases

    def renamed(self, old: type, new: type) -> bool:
        """Whether `new`, found where `old` was, can be the same type under another name."""
        return (
            old.__name__ != new.__name__ and old.__name__ not in self.new_by_name and new.__name__ not in self.old_names
        )

    def same(self, old: type, new: type) -> bool:
        if old.__name__ != new.__name__:
            return self.renamed(old, new)
        return self._at_home(old, new) or not self._stayed(old)

    def same_type(self, old: Spec, new: Spec) -> bool:
        """Whether both are the same type for code, whatever became of what is inside structs and enums."""
        if not (fits(old, new) and fits(new, old)):
            return False
        return all(self.same(one, other) for _, one, other in inner_types(old, new))

    def moved(self, old: type, new: type) -> bool:
        """The same name in another file, and no longer in its own."""
        return old.__name__ == new.__name__ and not self._at_home(old, new) and not self._stayed(old)

    def _at_home(self, old: type, new: type) -> bool:
        before = home(old).name
        return self._aliases.get(before, before) == home(new).name

    def _stayed(self, old: type) -> bool:
        return any(self._at_home(old, new) for new in self.new_by_name.get(old.__name__, ()))


def home(cls: Any) -> Contract:
    """The contract that defines a class."""
    found: Contract = cls.__mesh_contract__
    return found


def kind_of(cls: Any) -> str:
    """`struct`, `union`, `exception` or `enum`."""
    return str(getattr(cls, "__mesh_kind__", "enum"))


def text_of(spec: Spec, contract: Contract) -> str:
    """A type as `contract` would write it, typedefs written out."""
    return re.sub(rf"(?<![\w.]){re.escape(contract.name)}\.", "", typespec.text_of(spec))


def _types(contract: Contract) -> Iterator[type]:
    yield from contract.structs.values()
    yield from contract.enums.values()


def _reached(contracts: Iterable[Contract]) -> list[Contract]:
    """These and all that they include, each once."""
    found: dict[Contract, None] = {}
    waiting = list(contracts)
    while waiting:
        contract = waiting.pop()
        if contract not in found:
            found[contract] = None
            waiting.extend(contract.includes.values())
    return list(found)
