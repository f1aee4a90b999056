"""`mesh doctor`: is this machine, and is this project, as the mesh needs them?

One rule: a check only looks. It changes nothing, fetches nothing and takes a bounded time; whatever it says is wrong
comes with what to do about it.
"""

from mesh.doctor.checks import CHECKS, examine
from mesh.doctor.finding import Finding, Level, Patient

__all__ = ["CHECKS", "Finding", "Level", "Patient", "examine"]
