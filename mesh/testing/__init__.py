"""What users need in their own tests: a mesh in memory, fakes checked by the contract, virtual time, leak checks."""

from mesh.testing.fakes import Fake, RecordedCall, busy, fake, then, timeout
from mesh.testing.leaks import LeakError, no_leaks
from mesh.testing.local import LocalMesh
from mesh.testing.memory import MemoryNetwork
from mesh.testing.registry import MemoryRegistry
from mesh.testing.virtual import VirtualLoop, run_virtual, virtual_time

__all__ = [
    "Fake", "LeakError", "LocalMesh", "MemoryNetwork", "MemoryRegistry", "RecordedCall", "VirtualLoop", "busy", "fake",
    "no_leaks", "run_virtual", "then", "timeout", "virtual_time",
]  # fmt: skip
