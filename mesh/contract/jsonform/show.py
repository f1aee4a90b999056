"""The values of a contract as JSON; `body` is the way back and says the form.

One rule: what is marked `pii` shows as `***` unless the person asked to see it.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from thriftpy2.thrift import TType

from mesh.contract.jsonform.spec import split
from mesh.contract.typespec import Spec, spec_of

MASK = "***"


def to_json(spec: Spec, value: Any, *, show_pii: bool = False) -> Any:
    """`value` of the type `spec` as JSON; `pii` fields as `***` unless `show_pii`."""
    if value is None:
        return None
    kind, what = split(spec)
    if kind == TType.STRUCT:
        return struct_to_json(value, show_pii=show_pii)
    if kind == TType.LIST:
        return [to_json(what, item, show_pii=show_pii) for item in value]
    if kind == TType.SET:
        items = [to_json(what, item, show_pii=show_pii) for item in value]
        return sorted(items, key=lambda item: (str(type(item)), item if isinstance(item, int | float) else str(item)))
    if kind == TType.MAP:
        return _map_to_json(what, value, show_pii)
    if kind == TType.I32 and what is not None:
        return what._VALUES_TO_NAMES.get(value, value)
    if kind == TType.BINARY:
        return base64.b64encode(value).decode()
    if kind == TType.DOUBLE and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def struct_to_json(struct: Any, *, show_pii: bool = False) -> dict[str, Any]:
    """A struct or a declared exception; fields that are not set are left out."""
    made: dict[str, Any] = {}
    for field in type(struct).__mesh_fields__:
        value = getattr(struct, field.name, None)
        if value is None:
            continue
        if field.pii and not show_pii:
            made[field.name] = MASK
        else:
            made[field.name] = to_json(spec_of(type(struct).thrift_spec[field.id]), value, show_pii=show_pii)
    return made


def _map_to_json(what: Any, value: Mapping[Any, Any], show_pii: bool) -> Any:
    key_spec, value_spec = what
    pairs = [
        (to_json(key_spec, key, show_pii=show_pii), to_json(value_spec, item, show_pii=show_pii))
        for key, item in value.items()
    ]
    if any(isinstance(key, dict | list) for key, _ in pairs):
        return [list(pair) for pair in pairs]
    return {key if isinstance(key, str) else json.dumps(key): item for key, item in pairs}
