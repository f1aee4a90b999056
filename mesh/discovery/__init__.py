"""Who runs where: `open_registry` gives the registry at an address, `registry` says what one can do."""

from mesh.discovery.open import open_registry
from mesh.discovery.registry import (
    Instance,
    Registration,
    Registry,
    RegistryError,
    RegistryRefused,
    Rule,
    RuleWatch,
    Watch,
)

__all__ = [
    "Instance",
    "Registration",
    "Registry",
    "RegistryError",
    "RegistryRefused",
    "Rule",
    "RuleWatch",
    "Watch",
    "open_registry",
]
