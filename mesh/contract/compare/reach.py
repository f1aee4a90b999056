"""Which pairs of types (old and new) meet in calls: through which methods, in which direction, on which way.

One rule: a pair is a node whatever the number of ways to it; recursive types end there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mesh.contract.compare.pairing import Role
from mesh.contract.compare.record import Record, fits, inner_types, matches, record_of
from mesh.contract.model import Method
from mesh.contract.typespec import Spec

Pair = tuple[type, type]


@dataclass(slots=True)
class Node:
    """How a pair is reached. `path` is the shortest way from `first`, the first method that reaches it."""

    pair: Pair
    first: Method | None = None
    path: str = ""
    uses: int = 0  # a bit for each method and role: sets of thousands of methods, joined in one step


class Reach:
    """Filled with `root` for all that methods take and give, then `spread`."""

    def __init__(self) -> None:
        self.nodes: dict[Pair, Node] = {}
        self._methods: list[Method] = []
        self._waiting: deque[Node] = deque()

    def method(self, method: Method) -> int:
        """A number for `root`."""
        self._methods.append(method)
        return len(self._methods) - 1

    def fields(self, number: int, role: Role, old: Record, new: Record) -> None:
        """A method has the parameters `old` in the one contract and `new` in the other."""
        for step, pair in _in_fields(old, new):
            self.pair(number, role, pair, step)

    def root(self, number: int, role: Role, old: Spec, new: Spec, step: str) -> None:
        """A method has `old` in the one contract and `new` in the other at `step`."""
        for path, first, second in inner_types(old, new, step):
            self.pair(number, role, (first, second), path)

    def pair(self, number: int, role: Role, pair: Pair, path: str) -> None:
        bit = 1 << (2 * number + (role is Role.RESPONSE))
        self._reach(pair, bit, self._methods[number], path)

    def alone(self, pair: Pair) -> None:
        """A pair that is compared though no method may reach it."""
        self._reach(pair, 0, None, "")

    def spread(self) -> None:
        """From the roots to everything inside. The shortest ways come first."""
        while self._waiting:
            node = self._waiting.popleft()
            for step, pair in _inside(node.pair):
                path = f"{node.path}.{step}" if node.path else step
                self._reach(pair, node.uses, node.first, path)

    def _reach(self, pair: Pair, uses: int, first: Method | None, path: str) -> None:
        node = self.nodes.get(pair)
        if node is None:
            node = self.nodes[pair] = Node(pair, first, path, uses)
        elif uses | node.uses == node.uses:
            return
        elif node.first is None:
            node.first, node.path = first, path
        node.uses |= uses
        self._waiting.append(node)

    def role(self, node: Node) -> Role:
        """Both for a type that no method reaches: it may be stored or sent by other means."""
        found = Role(0)
        for number in range(len(self._methods)):
            found |= Role((node.uses >> 2 * number) & 3)
            if found == Role.BOTH:
                break
        return found or Role.BOTH

    def methods(self, node: Node) -> tuple[Method, ...]:
        return tuple(method for number, method in enumerate(self._methods) if (node.uses >> 2 * number) & 3)


def _inside(pair: Pair) -> Iterable[tuple[str, Pair]]:
    old, new = pair
    if not (hasattr(old, "thrift_spec") and hasattr(new, "thrift_spec")):
        return
    yield from _in_fields(record_of(old), record_of(new))


def _in_fields(old: Record, new: Record) -> Iterator[tuple[str, Pair]]:
    for match in matches(old, new):
        if match.old is None or match.new is None or match.moved:
            continue
        before, after = old.specs[match.old.id], new.specs[match.new.id]
        if fits(before, after) or fits(after, before):
            for step, first, second in inner_types(before, after, match.new.name):
                yield step, (first, second)
