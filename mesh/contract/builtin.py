"""The contracts that ship with mesh.

One rule: each is loaded once per process, when first asked for, so that its classes are the same for everybody.
"""

from __future__ import annotations

import functools
from pathlib import Path

from mesh.contract.loader import load
from mesh.contract.model import Contract


@functools.cache
def meta() -> Contract:
    """TChannel's `Meta`: health, the contract's texts, and versions. Every node answers it beside its own service."""
    return load(Path(__file__).with_name("meta.thrift"))
