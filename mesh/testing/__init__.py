"""What users need in their own tests: a mesh in memory, fakes checked by the contract, virtual time, leak checks."""

from mesh.testing.virtual import VirtualLoop, run_virtual, virtual_time

__all__ = ["VirtualLoop", "run_virtual", "virtual_time"]
