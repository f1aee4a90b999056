"""Contracts out of text, for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.contract import ContractError, load
from mesh.contract.model import Contract, Method


def contract(folder: Path, text: str, name: str = "a", **others: str) -> Contract:
    """Writes `text` as NAME.thrift, and `others` beside it, and loads it."""
    for stem, content in {**others, name: text}.items():
        (folder / f"{stem}.thrift").write_text(content, "utf-8")
    return load(folder / f"{name}.thrift")


def refusal(folder: Path, text: str, **others: str) -> ContractError:
    """The error that loading `text` raises."""
    with pytest.raises(ContractError) as caught:
        contract(folder, text, **others)
    return caught.value


def method(loaded: Contract, wire_name: str) -> Method:
    service, _, name = wire_name.partition("::")
    return loaded.services[service].methods[name]
