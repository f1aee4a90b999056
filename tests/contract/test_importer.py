"""Contracts as Python modules: `import mesh; mesh.contracts(__name__)`."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mesh
from mesh.contract import ContractError, contract_of, grammar, service_of
from mesh.contract.importer import ContractImportError

INIT = "import mesh\n\nmesh.contracts(__name__)\n"
FILES = {
    "__init__.py": INIT,
    "geo.thrift": "struct P { 1: required double lat }",
    "pricing.thrift": 'include "geo.thrift" struct Ask { 1: geo.P at } service Pricing { Ask ask(1: Ask ask) }',
    "trips.thrift": 'include "pricing.thrift" include "geo.thrift" struct Trip { 1: pricing.Ask ask, 2: geo.P at }',
    "broken.thrift": "\nstruct A { 0: i32 x }",
    "uses_broken.thrift": 'include "broken.thrift"',
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of an importable package of contracts, forgotten afterwards."""
    name = f"city_{abs(hash(tmp_path)):x}"
    (tmp_path / name).mkdir()
    for file, text in FILES.items():
        (tmp_path / name / file).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def load(name: str) -> Any:
    return importlib.import_module(name)


def test_three_ways_to_import(package: str) -> None:
    space: dict[str, Any] = {}
    exec(f"from {package} import pricing\nimport {package}.geo\nfrom {package}.pricing import Pricing", space)
    assert service_of(space["Pricing"]).name == "Pricing"
    assert space["pricing"].Pricing is space["Pricing"]
    assert load(package).geo is load(f"{package}.geo")
    assert load(f"{package}.pricing").__file__.endswith("pricing.thrift")


@pytest.mark.parametrize("first", ["geo", "pricing", "trips"])
def test_includes_are_the_same_modules_whoever_comes_first(package: str, first: str) -> None:
    load(f"{package}.{first}")
    geo, pricing, trips = (load(f"{package}.{stem}") for stem in ("geo", "pricing", "trips"))
    assert (pricing.geo, trips.geo, trips.pricing) == (geo, geo, pricing)
    assert contract_of(trips).includes["geo"] is contract_of(geo)
    assert (geo.__name__, geo.P.__module__) == (f"{package}.geo", f"{package}.geo")


def test_instances_can_be_pickled(package: str) -> None:
    pricing, geo = load(f"{package}.pricing"), load(f"{package}.geo")
    ask = pricing.Ask(at=geo.P(lat=1.5))
    assert pickle.loads(pickle.dumps(ask)) == ask


def test_a_broken_file_says_where(package: str, tmp_path: Path) -> None:
    load(f"{package}.geo")
    for stem in ("broken", "uses_broken"):
        with pytest.raises(ContractImportError, match=r"broken\.thrift:2: 'x' has the id 0") as caught:
            load(f"{package}.{stem}")
        assert isinstance(caught.value, ImportError)
        assert isinstance(caught.value.__cause__, ContractError)
        assert caught.value.path == str(tmp_path / package / f"{stem}.thrift")
        assert f"{package}.{stem}" not in sys.modules


def test_a_mended_file_can_be_imported(package: str, tmp_path: Path) -> None:
    with pytest.raises(ContractImportError):
        load(f"{package}.broken")
    (tmp_path / package / "broken.thrift").write_text("struct A { 1: i32 x }")
    assert load(f"{package}.broken").A(x=3).x == 3


def test_what_is_not_there_is_not_found(package: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        load(f"{package}.nothing")
    with pytest.raises(ImportError):
        exec(f"from {package} import nothing")
    with pytest.raises(ModuleNotFoundError):
        load(f"{package}.geo.P")


def test_a_python_module_wins_over_a_contract_of_its_name(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "geo.py").write_text("ours = True")
    assert load(f"{package}.geo").ours


def test_threads_get_one_module(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`trips` includes `geo`, so two threads want to make geo's module under two different import locks."""
    start, found, inside, most = threading.Barrier(2), [], [], []
    parse = grammar.parse

    def slow_parse(text: str, file: str) -> Any:
        inside.append(file)
        most.append(len(inside))
        threading.Event().wait(0.02)  # long enough for the other thread to come, were it let in
        inside.remove(file)
        return parse(text, file)

    def run(stem: str) -> None:
        start.wait(10)
        found.append(load(f"{package}.{stem}"))

    load(package)
    monkeypatch.setattr(grammar, "parse", slow_parse)
    threads = [threading.Thread(target=run, args=(stem,)) for stem in ("geo", "trips")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert max(most) == 1
    assert load(f"{package}.trips").geo is load(f"{package}.geo")
    assert len(found) == 2


@pytest.mark.parametrize("name", ["no_such_package", "json.decoder"])
def test_only_packages_have_contracts(name: str) -> None:
    with pytest.raises(TypeError, match=r"in a package's __init__\.py"):
        mesh.contracts(name)


SETUP = """
from setuptools import setup
setup(name="city-idl", version="1", packages=["city_idl"], package_data={"city_idl": ["*.thrift"]})
"""
PROGRAM = """
import sys
from city_idl import trips
import city_idl.geo
assert trips.geo is city_idl.geo
assert city_idl.__file__.startswith(sys.argv[1]), city_idl.__file__
print(trips.Trip(at=city_idl.geo.P(lat=2.5)).at.lat)
"""


@pytest.mark.integration
def test_contracts_work_from_an_installed_wheel(tmp_path: Path) -> None:
    (tmp_path / "src" / "city_idl").mkdir(parents=True)
    (tmp_path / "src" / "setup.py").write_text(SETUP)
    for file, text in FILES.items():
        (tmp_path / "src" / "city_idl" / file).write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    target = tmp_path / "site"
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(target), str(tmp_path / "src")],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r})\n{PROGRAM}", str(target)],
        capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert (ran.stdout, ran.stderr) == ("2.5\n", "")
