"""Services and methods of two contracts: what a caller of the one finds at the other.

One rule: a call is found by the registry's name, the service's and the method's. Whatever changes one of the three is
`wire`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mesh.contract.compare.change import Level
from mesh.contract.compare.fields import Records
from mesh.contract.compare.finding import Finding, was_is, wire_or
from mesh.contract.compare.names import Names, text_of
from mesh.contract.compare.pairing import Flows, Pairing, Role
from mesh.contract.compare.promises import compare_policies
from mesh.contract.compare.record import fits, parameters_of, result_of
from mesh.contract.model import Method, Service, Throws


@dataclass(frozen=True, slots=True)
class MethodPair:
    services: tuple[Service, Service]
    old: Method
    new: Method


def common_methods(old: Service, new: Service) -> list[MethodPair]:
    return [
        MethodPair((old, new), method, new.methods[name]) for name, method in old.methods.items() if name in new.methods
    ]


def compare_services(old: Service, new: Service, pairing: Pairing) -> Iterator[tuple[Method | None, Finding]]:
    """What is said of the services themselves, and their methods that are only in one. None: the service itself."""
    yield from ((None, found) for found in _service_itself(old, new))
    gone = {name: method for name, method in old.methods.items() if name not in new.methods}
    fresh = {name: method for name, method in new.methods.items() if name not in old.methods}
    renamed = _renamed(old, new, gone, fresh)
    for name, method in gone.items():
        if renamed and name == renamed[0]:
            who = "new callers" if pairing is Pairing.CALLER else "old callers"
            text = f"was renamed, as it seems, to {renamed[1]}: {who} get `unknown method`"
            yield method, Finding(Level.WIRE, "method-renamed", "", name, renamed[1], text)
            continue
        refusal = None if pairing is Pairing.CALLER else "old callers get `unknown method`"
        text = f"is gone{f': {refusal}' if refusal else ''}"
        yield method, Finding(wire_or(Level.SOURCE, refusal), "method-removed", "", name, "", text)
    for name, method in fresh.items():
        # Else what is new can wait for the server.
        refusal = "an old server answers `unknown method`" if pairing is Pairing.CALLER else None
        if not (renamed and name == renamed[1]):
            text = f"is new{f': {refusal}' if refusal else ''}"
            yield method, Finding(wire_or(Level.INFO, refusal), "method-added", "", "", name, text)


def _service_itself(old: Service, new: Service) -> Iterator[Finding]:
    # A name that nobody stated is the file's; two files that somebody wants compared are versions of one.
    unstated = old.registry_name == old.contract.name and new.registry_name == new.contract.name
    if old.registry_name != new.registry_name and not unstated:
        names = old.registry_name, new.registry_name
        text = f"name in the registry {was_is(*names, 'callers and servers no longer find each other')}"
        yield Finding(Level.WIRE, "registry-name-changed", "", *names, text)
    if _base(old) != _base(new):
        bases = _base(old) or "nothing", _base(new) or "nothing"
        yield Finding(Level.SOURCE, "extends-changed", "", *bases, f"extends {was_is(*bases)}")
    if old.owner != new.owner:
        owners = old.owner or "nobody", new.owner or "nobody"
        yield Finding(Level.INFO, "owner-changed", "", *owners, f"owner {was_is(*owners)}")


def _base(service: Service) -> str | None:
    return service.extends.rpartition(".")[2] if service.extends else None


def _renamed(
    old: Service, new: Service, gone: Mapping[str, Method], fresh: Mapping[str, Method]
) -> tuple[str, str] | None:
    """The old and new name of a method that seems renamed: one is gone, one is new, and both take and give the same."""
    if len(gone) != 1 or len(fresh) != 1:
        return None
    (was, before), (now, after) = next(iter(gone.items())), next(iter(fresh.items()))
    return (was, now) if _signature(old, before) == _signature(new, after) else None


def _signature(service: Service, method: Method) -> tuple[object, ...]:
    result, specs = result_of(service, method), parameters_of(service, method).specs
    return (
        [(field.id, field.name, text_of(specs[field.id], service.contract)) for field in method.parameters],
        None if result is None else text_of(result, service.contract),
        [(line.id, line.exception.__name__) for line in method.throws],
        method.oneway,
    )


def compare_methods(pair: MethodPair, names: Names, pairing: Pairing) -> Iterator[Finding]:
    """A method that both have. What is inside its types is told elsewhere."""
    old, new = pair.old, pair.new
    contracts = pair.services[0].contract, pair.services[1].contract
    if old.oneway != new.oneway:
        texts = "oneway" if old.oneway else "answered", "oneway" if new.oneway else "answered"
        text = was_is(*texts, "one side waits for an answer that the other does not send")
        yield Finding(Level.WIRE, "oneway-changed", "", *texts, text)
    parameters = parameters_of(pair.services[0], old), parameters_of(pair.services[1], new)
    flows = Flows(pairing, Role.REQUEST)
    yield from Records(*parameters, contracts, flows, names, parameters=True).compare()
    yield from _result(pair, names, Flows(pairing, Role.RESPONSE))
    yield from _throws(old.throws, new.throws, names, Flows(pairing, Role.RESPONSE))
    yield from compare_policies(old.policy, new.policy)


def _result(pair: MethodPair, names: Names, flows: Flows) -> Iterator[Finding]:
    before, after = result_of(pair.services[0], pair.old), result_of(pair.services[1], pair.new)
    if before is None and after is None:
        return
    texts = tuple(
        "void" if spec is None else text_of(spec, service.contract)
        for spec, service in zip((before, after), pair.services, strict=True)
    )
    refusal: str | None = None
    if before is None or after is None:
        refusal = flows.any()
    else:
        refusal = None if fits(before, after) else flows.forward()
        refusal = refusal or (None if fits(after, before) else flows.backward(by_choice=False))
        if names.same_type(before, after):
            return
    text = f"result {was_is(texts[0], texts[1], refusal)}"
    yield Finding(wire_or(Level.SOURCE, refusal), "result-changed", "", texts[0], texts[1], text)


def _throws(old: tuple[Throws, ...], new: tuple[Throws, ...], names: Names, flows: Flows) -> Iterator[Finding]:
    after = {line.id: line for line in new}
    kept: set[int] = set()  # ids of the new version that are accounted for
    for line in old:
        same = next((other for other in new if names.same(line.exception, other.exception)), None)
        other = same or after.get(line.id)
        if other is not None:
            kept.add(other.id)
            yield from _thrown(line, other, same is not None)
            continue
        refusal = flows.forward()
        name = line.exception.__name__
        text = f"no longer throws {name}{f': {refusal} that hold it' if refusal else ''}"
        yield Finding(wire_or(Level.SOURCE, refusal), "throws-removed", line.name, name, "", text)
    for line in new:
        if line.id not in kept:
            refusal = flows.backward(by_choice=False)
            name = line.exception.__name__
            text = f"throws {name} now{f': {refusal} that hold it' if refusal else ''}"
            yield Finding(wire_or(Level.INFO, refusal), "throws-added", line.name, "", name, text)


def _thrown(old: Throws, new: Throws, same: bool) -> Iterator[Finding]:
    if not same:
        texts = old.exception.__name__, new.exception.__name__
        text = f"id {new.id} of throws {was_is(*texts, 'peers take the one for the other')}"
        yield Finding(Level.WIRE, "throws-type-changed", new.name, *texts, text)
    elif old.id != new.id:
        texts = f"id {old.id}", f"id {new.id}"
        text = f"throws {new.exception.__name__}: {was_is(*texts, 'peers refuse it, or take it for another')}"
        yield Finding(Level.WIRE, "throws-id-changed", new.name, *texts, text)
    elif old.name != new.name:
        yield Finding(
            Level.INFO, "throws-renamed", new.name, old.name, new.name, f"throws {was_is(old.name, new.name)}"
        )
