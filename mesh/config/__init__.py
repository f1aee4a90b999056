"""Configuration: one TOML file and the environment into frozen dataclasses.

One rule: environment over file over default, and nothing is taken silently: an unknown key, a wrong type or a number
out of its range is refused with the place where it stands.
"""

from mesh.config.builder import ConfigError, build
from mesh.config.environment import VARIABLES, Variable, load
from mesh.config.secret import MASK, Secret
from mesh.config.settings import Config, check_address, check_name

__all__ = [
    "MASK",
    "VARIABLES",
    "Config",
    "ConfigError",
    "Secret",
    "Variable",
    "build",
    "check_address",
    "check_name",
    "load",
]
