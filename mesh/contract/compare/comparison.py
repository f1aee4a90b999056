"""Two contracts, or two sets of them, compared: every difference once, where it stands.

One rule: a type is compared where the two versions of it meet in calls, however far inside; a type that no method
reaches as if it travelled both ways, since it may be stored or sent by other means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mesh.contract.compare import definitions
from mesh.contract.compare.change import Change, Level
from mesh.contract.compare.enums import compare_enums
from mesh.contract.compare.fields import Records
from mesh.contract.compare.finding import Finding, was_is
from mesh.contract.compare.names import Names, home, kind_of
from mesh.contract.compare.pairing import Flows, Pairing, Role
from mesh.contract.compare.reach import Node, Reach
from mesh.contract.compare.record import parameters_of, record_of, result_of
from mesh.contract.compare.services import MethodPair, common_methods, compare_methods, compare_services
from mesh.contract.model import Contract, Method, Service

ContractPair = tuple[Contract | None, Contract | None]  # old and new of one file; None where it is not


def compare(old: Contract, new: Contract, *, pairing: Pairing = Pairing.EITHER) -> list[Change]:
    """All differences of two versions of a contract, the worst first; empty when nobody could tell them apart.

    At run time `compare(callers, servers, pairing=Pairing.SERVER)`; what calls can feel of it has `methods`.
    """
    return compare_all([(old, new)], pairing=pairing)


def compare_all(pairs: Iterable[ContractPair], *, pairing: Pairing = Pairing.EITHER) -> list[Change]:
    """As `compare`, for all files of a folder.

    The contracts of one side must come from one `Loader`: a file that several include is compared once then.
    """
    return sorted(set(_Comparison(list(pairs), pairing).changes()), key=_order)


def _order(change: Change) -> tuple[object, ...]:
    place = (change.contract, change.service, change.method, change.struct, change.path, change.field)
    return (change.level.rank, *place, change.code, change.message)


class _Comparison:
    def __init__(self, pairs: Sequence[ContractPair], pairing: Pairing) -> None:
        self._pairs = pairs
        self._pairing = pairing
        self._both = [(old, new) for old, new in pairs if old is not None and new is not None]
        olds, news = [old for old, _ in pairs if old is not None], [new for _, new in pairs if new is not None]
        self._names = Names(olds, news, {old.name: new.name for old, new in self._both})
        self._reach = Reach()

    def changes(self) -> Iterator[Change]:
        for old, new in self._pairs:
            yield from _whole_file(old, new)
        for old, new in self._both:
            yield from self._services(old, new)
            for pair in definitions.common_types(old, new, self._names):
                self._reach.alone(pair)
        self._reach.spread()
        kept: set[type] = set()
        for node in self._reach.nodes.values():
            if self._names.same(*node.pair):
                kept.update(node.pair)
            for found in self._node(node):
                yield self._in_type(node, found)
        for old, new in self._both:
            for name, found in definitions.compare_definitions(old, new, self._names, kept):
                yield _in_file(new, name, found)

    # -- services

    def _services(self, old: Contract, new: Contract) -> Iterator[Change]:
        renamed = definitions.renamed_service(old, new)
        for name, service in old.services.items():
            if name in new.services:
                yield from self._service(service, new.services[name])
            elif renamed and service is renamed[0]:
                other = renamed[1].name
                text = f"was renamed, as it seems, to {other}: nothing is found under the old name"
                yield _of_service(service, None, Finding(Level.WIRE, "service-renamed", "", name, other, text))
                yield from self._service(*renamed)
            else:
                yield _of_service(service, None, Finding(Level.WIRE, "service-removed", "", name, "", "is gone"))
        for name, service in new.services.items():
            if name not in old.services and not (renamed and service is renamed[1]):
                yield _of_service(service, None, Finding(Level.INFO, "service-added", "", "", name, "is new"))

    def _service(self, old: Service, new: Service) -> Iterator[Change]:
        for method, found in compare_services(old, new, self._pairing):
            yield _of_service(new, method, found)
        for pair in common_methods(old, new):
            self._enter(pair)
            for found in compare_methods(pair, self._names, self._pairing):
                yield _of_service(new, pair.new, found)

    def _enter(self, pair: MethodPair) -> None:
        """The types that a method takes and gives, for what is inside them."""
        number = self._reach.method(pair.new)
        old, new = parameters_of(pair.services[0], pair.old), parameters_of(pair.services[1], pair.new)
        self._reach.fields(number, Role.REQUEST, old, new)
        results = result_of(pair.services[0], pair.old), result_of(pair.services[1], pair.new)
        if results[0] is not None and results[1] is not None:
            self._reach.root(number, Role.RESPONSE, results[0], results[1], "result")
        for line in pair.old.throws:
            for other in pair.new.throws:
                if self._names.same(line.exception, other.exception):
                    self._reach.pair(number, Role.RESPONSE, (line.exception, other.exception), f"throws.{other.name}")

    # -- types

    def _node(self, node: Node) -> Iterator[Finding]:
        old, new = node.pair
        flows = Flows(self._pairing, self._reach.role(node))
        yield from definitions.compare_pair(node.pair, self._names)
        if kind_of(old) == "enum":
            yield from compare_enums(old, new, flows)
            return
        union = "union" in (kind_of(old), kind_of(new))
        yield from Records(
            record_of(old), record_of(new), (home(old), home(new)), flows, self._names, union=union
        ).compare()
        faults = getattr(old, "__mesh_fault__", None) or "", getattr(new, "__mesh_fault__", None) or ""
        if all(faults) and faults[0] != faults[1]:
            text = f"fault {was_is(*faults, 'it counts otherwise against the SLA, and for retries and breakers')}"
            yield Finding(Level.PROMISE, "fault-changed", "", *faults, text)

    def _in_type(self, node: Node, found: Finding) -> Change:
        contract, name = home(node.pair[1]), node.pair[1].__name__
        methods = self._reach.methods(node)
        place = f"{name}.{found.field}" if found.field else name
        if node.first is None or not methods:
            return _in_file(contract, name, found)
        more = f" and {len(methods) - 1} more" if len(methods) > 1 else ""
        return _change(
            found,
            contract,
            service=node.first.registry_name,
            method=node.first.wire_name,
            struct=name,
            path=f"{node.path}.{found.field}" if found.field else node.path,
            where=f"{node.first.registry_name}: {node.first.wire_name}{more}, {place}",
            methods=tuple(dict.fromkeys([node.first.wire_name, *(method.wire_name for method in methods)])),
        )


def _whole_file(old: Contract | None, new: Contract | None) -> Iterator[Change]:
    if old is not None and new is None:
        names = ", ".join(old.services)
        level = Level.WIRE if old.services else Level.SOURCE
        text = f"the file is gone{f', and with it the service {names}' if names else ''}"
        yield _in_file(old, "", Finding(level, "contract-removed", "", old.name, "", text))
    elif new is not None and old is None:
        yield _in_file(new, "", Finding(Level.INFO, "contract-added", "", "", new.name, "the file is new"))


def _of_service(service: Service, method: Method | None, found: Finding) -> Change:
    """About a service itself, one of its methods, or a parameter or line of `throws` of that."""
    where = f"{service.registry_name}: {f'service {service.name}' if method is None else method.wire_name}"
    throws = found.code.startswith("throws-")
    path = "result" if found.code == "result-changed" else f"throws.{found.field}" if throws else found.field
    if method is None:
        path = service.name
    return _change(
        found,
        service.contract,
        service=service.registry_name,
        method=method.wire_name if method else "",
        path=path,
        where=f"{where}, {found.field}" if found.field and not throws else where,
        methods=(method.wire_name,) if method else tuple(item.wire_name for item in service.methods.values()),
    )


def _in_file(contract: Contract, name: str, found: Finding) -> Change:
    """About a definition that no call is known to reach."""
    typed = name if found.field != name else ""
    place = f"{name}.{found.field}" if typed and found.field else name
    where = f"{contract.name}.thrift: {place}" if place else f"{contract.name}.thrift"
    return _change(found, contract, struct=typed, path=place, where=where)


def _change(
    found: Finding,
    contract: Contract,
    *,
    where: str,
    path: str,
    service: str = "",
    method: str = "",
    struct: str = "",
    methods: tuple[str, ...] = (),
) -> Change:
    return Change(
        level=found.level,
        code=found.code,
        contract=contract.name,
        service=service,
        method=method,
        struct=struct,
        field=found.field,
        path=path,
        old=found.old,
        new=found.new,
        message=f"{where}: {found.text}",
        methods=methods,
    )
