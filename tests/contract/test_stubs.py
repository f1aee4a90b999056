"""Stubs: what mypy and pyright make of them, and that those in the repository are fresh."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.contract import load
from mesh.contract.stubfiles import StubState, build_stubs
from mesh.contract.stubs import stub_of
from tests.contract.text import contract

ROOT = Path(__file__).parents[2]


def test_committed_stubs_are_fresh() -> None:
    found = {stub.path.name: stub.state for stub in build_stubs([ROOT / "idl"], check=True)}
    assert found
    old = [name for name, state in found.items() if state is not StubState.FRESH]
    assert not old, f"{', '.join(old)}: run `mesh idl build idl` and commit what it writes"


TRICKY = """
include "base.thrift"
typedef base.P Alias
typedef list<set<i32>> Grid
const map<string, list<Kind>> KINDS = {"a": [Kind.int]}
enum Kind { int, str }
struct A {
  1: base.P base; 2: required Alias int; 3: A A; 4: Kind dict = Kind.str; 5: set<list<i32>> hashed
  6: optional map<list<string>, B> by, 7: required binary raw
}
struct B { }
union U { 1: i32 a; 2: base.P b }
exception Protocol { 1: string message }
service S extends base.Health {
  oneway void tell(1: i32 x = 1, 2: i32 y),
  U ask(1: optional U u, 2: i32 n = 2) throws (1: Protocol p) (deprecated = "use 'tell'")
}
service T extends S { }
"""
TRICKY_BASE = "struct P { 1: double lat } service Health { bool ok() }"
TRICKY_STUB = """\
# Made by `mesh idl build` out of a.thrift. Do not edit.

import builtins as _builtins
from collections.abc import Awaitable
from mesh.contract.typing import ServiceOf
from typing import Final, Protocol as _Protocol, TypeAlias
from typing_extensions import deprecated
from . import base as _base
from . import base as base

class Kind:
    int: Final = 0
    str: Final = 1
    _VALUES_TO_NAMES: Final[_builtins.dict[_builtins.int, _builtins.str]]
    _NAMES_TO_VALUES: Final[_builtins.dict[_builtins.str, _builtins.int]]

class A:
    base: _base.P | None
    int: _base.P
    A: _A | None
    dict: _builtins.int
    hashed: set[tuple[_builtins.int, ...]] | None
    by: _builtins.dict[tuple[_builtins.str, ...], B] | None
    raw: bytes
    def __init__(self, *, int: _base.P, raw: bytes, base: _base.P | None = None, A: _A | None = None, \
dict: _builtins.int = ..., hashed: set[tuple[_builtins.int, ...]] | None = None, \
by: _builtins.dict[tuple[_builtins.str, ...], B] | None = None) -> None: ...

class B:
    def __init__(self) -> None: ...

class U:
    a: _builtins.int | None
    b: _base.P | None
    def __init__(self, *, a: _builtins.int | None = None, b: _base.P | None = None) -> None: ...

class Protocol(Exception):
    message: _builtins.str | None
    def __init__(self, *, message: _builtins.str | None = None) -> None: ...

class SClient(base.HealthClient, _Protocol):
    async def tell(self, x: _builtins.int, y: _builtins.int) -> None: ...
    @deprecated("use 'tell'")
    async def ask(self, u: U | None = None, n: _builtins.int = ...) -> U: ...

class SHandler(base.HealthHandler, _Protocol):
    def tell(self, x: _builtins.int, y: _builtins.int, /) -> None | Awaitable[None]: ...
    def ask(self, u: U | None, n: _builtins.int, /) -> U | Awaitable[U]: ...

class SBlockingClient(base.HealthBlockingClient, _Protocol):
    def tell(self, x: _builtins.int, y: _builtins.int) -> None: ...
    @deprecated("use 'tell'")
    def ask(self, u: U | None = None, n: _builtins.int = ...) -> U: ...

class S(ServiceOf[SClient, SHandler, SBlockingClient]): ...

class TClient(SClient, _Protocol):
    ...

class THandler(SHandler, _Protocol):
    ...

class TBlockingClient(SBlockingClient, _Protocol):
    ...

class T(ServiceOf[TClient, THandler, TBlockingClient]): ...

Alias: TypeAlias = _base.P
Grid: TypeAlias = list[set[_builtins.int]]
KINDS: Final[_builtins.dict[_builtins.str, list[_builtins.int]]]

_A = A
"""


def test_a_stub_is_right_whatever_things_are_called(tmp_path: Path) -> None:
    assert stub_of(contract(tmp_path, TRICKY, base=TRICKY_BASE)) == TRICKY_STUB


def test_includes_in_other_folders_are_relative_imports(tmp_path: Path) -> None:
    for folder in ("x/y", "x/z"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "x/up.thrift").write_text("struct U { }")
    (tmp_path / "x/z/side.thrift").write_text('include "../up.thrift" typedef up.U Mine')
    (tmp_path / "x/y/a.thrift").write_text('include "../z/side.thrift" struct A { 1: required side.Mine mine }')
    text = stub_of(load(tmp_path / "x/y/a.thrift"))
    assert "from ..z import side as side\n" in text
    assert "from .. import up as up\n" in text  # a typedef reached through the include
    assert "    mine: up.U\n" in text


def test_what_a_stub_names_is_there_at_run_time(tmp_path: Path) -> None:
    module = contract(tmp_path, TRICKY, base=TRICKY_BASE).module
    for name in re.findall(r"^(?:class )?([A-Za-z]\w*)[(:]", TRICKY_STUB, re.MULTILINE):
        assert hasattr(module, name), name


# -- what type checkers say. A line that ends in `# no` must be refused, every other must pass.

PROGRAM = """
import asyncio
from idl import geo, pricing, trips
from mesh import Node

class Plain:
    def quote(self, request: pricing.QuoteRequest) -> pricing.Quote:
        km: float | None = request.km
        if km is None:
            raise pricing.BadRoute(message="no km")
        return pricing.Quote(fare_cents=int(km * 100), currency=pricing.Currency.CAD, km=km, surge=1.0, hour=3)

class Async:
    async def quote(self, asked: pricing.QuoteRequest, /) -> pricing.Quote:
        stops: list[geo.Point] = asked.stops or []
        return pricing.Quote(fare_cents=len(stops), currency=1, km=1.0, surge=1.0, hour=3, zone=None)

class WrongResult:
    async def quote(self, request: pricing.QuoteRequest) -> pricing.QuoteRequest:
        return request

class WrongParameter:
    async def quote(self, request: trips.Trip) -> pricing.Quote:
        raise NotImplementedError

class Nothing:
    pass

async def main() -> None:
    node = Node("x")
    node.serve(pricing.Pricing, Plain())
    node.serve(pricing.Pricing, Async())
    node.serve(pricing.Pricing, WrongResult())  # no
    node.serve(pricing.Pricing, WrongParameter())  # no
    node.serve(pricing.Pricing, Nothing())  # no
    node.serve(pricing.QuoteRequest, Plain())  # no
    quotes = node.client(pricing.Pricing)
    typed: pricing.PricingClient = quotes
    quote = await typed.quote(pricing.QuoteRequest(km=12.5))
    fare: int = quote.fare_cents
    zone: str = quote.zone or "none"
    zone = quote.zone  # no
    print(quote.fare)  # no
    await quotes.quote("12.5")  # no
    await quotes.quote()  # no
    await quotes.price(pricing.QuoteRequest())  # no
    pricing.QuoteRequest(km="12.5")  # no
    pricing.QuoteRequest(kilometres=1.0)  # no
    pricing.QuoteRequest(12.5)  # no
    pricing.Quote(fare_cents=1)  # no
    pricing.QuoteRequest(stops=[geo.Point(lat=45.5, lon=-73.6)])
    pricing.QuoteRequest(stops=[trips.Trip(trip_id="t", state=1, fare_cents=1)])  # no
    print(fare, zone)

asyncio.run(main())
"""

# The same through a blocking node: no await, and futures of the right type.
BLOCKING = """
from concurrent.futures import Future

import mesh
from idl import pricing
from mesh import blocking

node = blocking.Node("x")
quotes = node.client(pricing.Pricing, peers=["127.0.0.1:1"])
typed: pricing.PricingBlockingClient = quotes
with mesh.deadline(ms=5), mesh.headers({"x": "y"}):
    quote = typed.quote(pricing.QuoteRequest(km=12.5))
fare: int = quote.fare_cents
named: pricing.Quote = quotes.quote(request=pricing.QuoteRequest())
future: Future[pricing.Quote] = node.submit(quotes.quote, pricing.QuoteRequest(km=1.0))
text: str = node.submit(quotes.quote, pricing.QuoteRequest(km=1.0)).result()  # no
zone: str = quote.zone  # no
quotes.quote("12.5")  # no
quotes.quote()  # no
quotes.price(pricing.QuoteRequest())  # no
node.submit(quotes.quote, "12.5")  # no
node.client(pricing.QuoteRequest)  # no
asynchronous: pricing.PricingClient = quotes  # no
print(fare, named, future, text, zone, asynchronous)
"""

# A service extends another of another file: its client is one of the other's, and so is its handler.
EXTENDING = """
from city import base, child
from mesh import Node

class Handler:
    def ok(self) -> bool:
        return True
    async def ask(self, n: int) -> str:
        return str(n)

class Half:
    async def ask(self, n: int) -> str:
        return str(n)

async def health(client: base.HealthClient) -> bool:
    return await client.ok()

def handled(handler: base.HealthHandler) -> None: ...

async def main(node: Node) -> None:
    asking: child.AskClient = node.client(child.Ask)
    await health(asking)
    await health(node.client(base.Health))
    node.serve(child.Ask, Handler())
    node.serve(base.Health, Handler())
    node.serve(child.Ask, Half())  # no
    asked: child.AskClient = node.client(base.Health)  # no
    handler: child.AskHandler = Handler()
    handled(handler)
    text: str = await asking.ask(5)
    number: int = await asking.ask(5)  # no
    aliased: child.Cents = child.LIMITS[0]
    print(asked, text, number, aliased)
"""
# A contract that has taken every name which its stub would use.
ODD = """
from odd import a, base

made = a.A(int=base.P(lat=1.0), raw=b"")
point: base.P = made.int
alias: a.Alias = point
kinds: list[int] = a.KINDS["a"]
number: int = a.Kind.str
also: int = made.dict
inner: a.A | None = made.A
keys: dict[tuple[str, ...], a.B] = made.by or {}
text: str = made.dict  # no
a.A(int=1, raw=b"")  # no
print(alias, kinds, number, also, inner, keys, text)
"""
PROGRAMS = {"program.py": PROGRAM, "blocking.py": BLOCKING, "extending.py": EXTENDING, "odd_names.py": ODD}
CITY = {
    "__init__.py": "import mesh\n\nmesh.contracts(__name__)\n",
    "base.thrift": "service Health { bool ok() }",
    "child.thrift": 'include "base.thrift" typedef i64 Cents const list<Cents> LIMITS = [1] '
    "service Ask extends base.Health { string ask(1: i32 n) }",
}


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs and the packages of their contracts."""
    odd = {"__init__.py": CITY["__init__.py"], "a.thrift": TRICKY, "base.thrift": TRICKY_BASE}
    for package, files in (("city", CITY), ("odd", odd)):
        (tmp_path / package).mkdir()
        for name, text in files.items():
            (tmp_path / package / name).write_text(text)
        assert [stub.state for stub in build_stubs([tmp_path / package])] == [StubState.WRITTEN] * 2
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def wrong_lines(text: str) -> list[int]:
    return [number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# no")]


def complaints(output: str, file: str) -> list[int]:
    """The lines of `file` that a type checker's output finds an error in."""
    found = re.findall(rf"{file}:(\d+)(?::\d+)?(?: -|:) error", output)
    return sorted({int(line) for line in found})


@pytest.mark.integration
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_accept_what_is_right_and_refuse_what_is_wrong(programs: Path, checker: str) -> None:
    if checker == "mypy":
        command = ["mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(ROOT / "build" / "mypy-stubs")]
    else:
        command = ["pyright", "--pythonpath", sys.executable]
        (programs / "pyrightconfig.json").write_text(f'{{"extraPaths": ["{ROOT}"], "typeCheckingMode": "strict"}}')
    # pyright's wheel brings its own copy; without this it asks the network whether there is a newer one.
    environment = {**os.environ, "MYPYPATH": f"{programs}:{ROOT}", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", *command, *PROGRAMS, "odd/a.pyi"],
        cwd=programs, env=environment, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    said = ran.stdout + ran.stderr
    for name, text in PROGRAMS.items():
        assert complaints(said, re.escape(name)) == wrong_lines(text), said
    assert complaints(said, r"\.pyi") == [], said
