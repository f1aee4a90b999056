"""The names that a stub uses, and what to do when a contract has taken one of them.

One rule: a stub is right whatever a contract calls its things. Inside a class body its members hide the names outside
(a field `geo` hides the module in `geo: geo.Point`), so a name that any member has is used under another.
"""

from __future__ import annotations

import posixpath
from typing import Any

from mesh.contract.model import Contract


class StubNames:
    """Hands out names and remembers what has to be imported for them."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._members = _members(contract)
        defined = {*contract.structs, *contract.enums, *contract.typedefs, *contract.constants, *contract.services}
        defined |= {
            f"{name}{suffix}" for name in contract.services for suffix in ("Client", "Handler", "BlockingClient")
        }
        self._taken = self._members | defined | set(contract.includes)
        self._imported: dict[str, set[str]] = {}
        self._builtins = False
        self._modules: dict[str, set[str]] = {stem: {stem} for stem in contract.includes}
        self._aliases: set[str] = set()

    # -- names

    def builtin(self, name: str) -> str:
        if name not in self._taken:
            return name
        self._builtins = True
        return f"_builtins.{name}"

    def _from(self, module: str, name: str) -> str:
        used = f"_{name}" if name in self._taken else name
        self._imported.setdefault(module, set()).add(name if used == name else f"{name} as {used}")
        return used

    def typing(self, name: str) -> str:
        return self._from("typing", name)

    def awaitable(self) -> str:
        return self._from("collections.abc", "Awaitable")

    def deprecated(self) -> str:
        return self._from("typing_extensions", "deprecated")

    def service_of(self) -> str:
        return self._from("mesh.contract.typing", "ServiceOf")

    def outside(self, cls: Any) -> str:
        """A class as the base of another, where no member hides it."""
        stem = self._stem(cls)
        return f"{stem}.{cls.__name__}" if stem else str(cls.__name__)

    def inside(self, cls: Any) -> str:
        """A class as the type of a member."""
        stem, name = self._stem(cls), str(cls.__name__)
        if stem is None:
            if name not in self._members:
                return name
            self._aliases.add(name)
            return f"_{name}"
        if stem not in self._members:
            return f"{stem}.{name}"
        self._modules[stem].add(f"_{stem}")
        return f"_{stem}.{name}"

    def _stem(self, cls: Any) -> str | None:
        """The include that a class is from; None for this contract's own."""
        if cls.__mesh_contract__ is self._contract:
            return None
        stem = str(cls.__mesh_contract__.name)
        if stem not in self._modules:  # of an include's include, through a typedef or a base service
            self._modules[stem] = {stem}
        return stem

    # -- lines

    def imports(self) -> list[str]:
        """The import lines, for after the names were handed out."""
        lines = ["import builtins as _builtins"] if self._builtins else []
        for module in sorted(self._imported):
            lines.append(f"from {module} import {', '.join(sorted(self._imported[module]))}")
        for stem in sorted(self._modules):
            for used in sorted(self._modules[stem]):
                lines.append(f"from {self._package(stem)} import {stem} as {used}")
        return lines

    def _package(self, stem: str) -> str:
        """Where an include's module is, seen from this one: `.` beside it, a dot more for each folder up."""
        other = self._contract.includes.get(stem) or _deep(self._contract, stem)
        if other is None:
            return "."
        here, there = self._contract.path.parent, other.path.parent
        relative = posixpath.relpath(there.as_posix(), here.as_posix())
        parts = [part for part in relative.split("/") if part != "."]
        return "." * (parts.count("..") + 1) + ".".join(part for part in parts if part != "..")

    def aliases(self) -> list[str]:
        """Other names for classes that a member hides."""
        return ["", *(f"_{name} = {name}" for name in sorted(self._aliases))] if self._aliases else []


def _members(contract: Contract) -> set[str]:
    found = {field.name for cls in contract.structs.values() for field in cls.__mesh_fields__}  # type: ignore[attr-defined]
    for enum in contract.enums.values():
        found.update(enum._NAMES_TO_VALUES)  # type: ignore[attr-defined]
    for service in contract.services.values():
        found.update(service.methods)
    return found


def _deep(contract: Contract, stem: str) -> Contract | None:
    for other in contract.includes.values():
        found = other if other.name == stem else _deep(other, stem)
        if found is not None:
            return found
    return None
