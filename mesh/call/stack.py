"""A stack: named filters in an order, each with the reason why it stands there.

Built once per method, so that a layer may look up its policy, its metric children and its state before the first
call; a layer that has nothing to do for a method leaves itself out by making no filter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from mesh.call.call import Call, Filter, Reply, Service
from mesh.contract.model import Method

MakeFilter = Callable[[str, Method], Filter | None]


@dataclass(frozen=True, slots=True)
class Layer:
    """One floor of a stack. `make(service, method)` gives the filter for one method, or None for "not here"."""

    name: str
    make: MakeFilter
    why: str


def apply(filter: Filter, next: Service) -> Service:
    """`filter` in front of `next`. No coroutine of its own: the filter's is handed on."""

    def service(call: Call) -> Awaitable[Reply]:
        return filter(call, next)

    return service


class Stack:
    """Layers from the caller's side to the leaf's. Immutable: `insert` and `without` give a new one."""

    def __init__(self, *layers: Layer) -> None:
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names):
            raise ValueError(f"a layer stands twice in the stack: {', '.join(names)}")
        self.layers = layers

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def _position(self, name: str) -> int:
        for index, layer in enumerate(self.layers):
            if layer.name == name:
                return index
        raise LookupError(f"the stack has no layer {name!r}; it has {', '.join(x.name for x in self.layers)}")

    def insert(self, layer: Layer, *, before: str | None = None, after: str | None = None) -> Stack:
        """A new stack with `layer` just outside `before`, or just inside `after` (exactly one of the two)."""
        if (before is None) == (after is None):
            raise ValueError("say before=NAME or after=NAME, one of the two")
        at = self._position(before) if before is not None else self._position(after or "") + 1
        return Stack(*self.layers[:at], layer, *self.layers[at:])

    def without(self, name: str) -> Stack:
        at = self._position(name)
        return Stack(*self.layers[:at], *self.layers[at + 1 :])

    def replace(self, name: str, make: MakeFilter) -> Stack:
        """A new stack in which another filter stands in the place of `name`, for the same reason."""
        at = self._position(name)
        old = self.layers[at]
        return Stack(*self.layers[:at], Layer(old.name, make, old.why), *self.layers[at + 1 :])

    def build(self, service: str, method: Method, leaf: Service) -> Service:
        """The whole way of one method's calls, ending in `leaf`."""
        built = leaf
        for layer in reversed(self.layers):
            made = layer.make(service, method)
            if made is not None:
                built = apply(made, built)
        return built

    def describe(self) -> str:
        """The page as text: a line per layer, outermost first."""
        width = max((len(layer.name) for layer in self.layers), default=0)
        return "\n".join(f"{layer.name:<{width}}  {layer.why}" for layer in self.layers)
