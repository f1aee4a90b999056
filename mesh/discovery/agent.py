"""Finds a real Consul agent: on the PATH, in our cache, or in the Debian archive that this machine trusts.

One rule: a binary is handed out only after it has run here. No current Debian release has Consul; the suite named below
has 1.8.7, a static program that also runs on newer releases.
"""

from __future__ import annotations

import re
from pathlib import Path

from mesh.discovery.apt import AptError
from mesh.discovery.program import Program

CONSUL = Program("consul", "consul", "bullseye", "version", re.compile(r"Consul v(\S+)"))


class ConsulUnavailable(Exception):
    """No agent can be had on this machine; the text is one line with the reason and what to do."""


def default_cache() -> Path:
    """Outside every repository: `$XDG_CACHE_HOME/thriftmesh/consul`, by default below ~/.cache."""
    return CONSUL.cache


def find_consul(cache_dir: Path | None = None) -> Path:
    """The path of a Consul binary that runs here; fetches one (some seconds, 23 MB) where there is none yet.

    Blocks; says on stderr what it does while it fetches. Raises ConsulUnavailable.
    """
    cache = cache_dir or default_cache()
    try:
        return CONSUL.find(cache)
    except AptError as error:
        raise ConsulUnavailable(f"no Consul agent: {error}. Put a consul binary on the PATH.") from error
    except OSError as error:
        raise ConsulUnavailable(f"no Consul agent: cannot use the cache {cache}: {error.strerror or error}") from error


def version_of(binary: Path) -> str | None:
    """What `consul version` says ("1.8.7"), or None if the binary does not run or is something else."""
    return CONSUL.version_of(binary)
