"""`everything.thrift`, loaded once for all tests of the codec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mesh.contract.loader import load

EVERYTHING = load(Path(__file__).with_name("everything.thrift"))
types: Any = EVERYTHING.module
STRUCTS: dict[str, Any] = dict(EVERYTHING.structs)
METHODS = EVERYTHING.services["Echo"].methods
