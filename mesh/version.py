"""The version of the installed distribution."""

from importlib import metadata

try:
    VERSION = metadata.version("thriftmesh")
except metadata.PackageNotFoundError:  # run from a tree that was never installed
    VERSION = "0+unknown"
