"""cluster.toml, its overlays and the .env beside it, while somebody edits them.

One rule: a plan that is wrong changes nothing; what runs goes on by the last one that was right.
"""

from __future__ import annotations

from mesh.cluster import ClusterConfig
from mesh.cluster.dotenv import FILE
from mesh.cluster.overlay import paths
from mesh.cluster.plan import Source
from mesh.cluster.rolling import FIXED


class Plans:
    """`config` is the plan in force, `files` those that it is read from."""

    def __init__(self, source: Source, config: ClusterConfig) -> None:
        self._source = source
        self.config = config
        overlays = paths(source.path, source.overlays)
        self.files = frozenset(path.resolve() for path in (source.path, *overlays, source.path.with_name(FILE)))

    def read(self) -> tuple[list[str], str]:
        """Reads it again. Returns the services that it starts otherwise than before, and what it takes a new `mesh dev`
        for ("" for nothing). Raises ConfigError."""
        new, old = self._source.read(), self.config
        both = [name for name in new.services if name in old.services]
        fixed = [
            f"{key} of {name}"
            for name in both
            for key in FIXED
            if getattr(new.services[name], key) != getattr(old.services[name], key)
        ]
        apart = sorted(new.services.keys() ^ old.services.keys())
        stale = [*fixed, *(f"the service {name}" for name in apart)]
        changed = [name for name in both if new.services[name] != old.services[name] or new.env != old.env]
        changed = [name for name in changed if not any(text.endswith(f" of {name}") for text in fixed)]
        self.config = new
        return changed, f"changed in the plan, and needs another mesh dev: {', '.join(stale)}" if stale else ""
