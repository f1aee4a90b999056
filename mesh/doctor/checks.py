"""The list of checks, and how they are gone through.

One rule: a check that fails in a way that it does not know is a finding too, and stops no other.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from mesh.config import ConfigError
from mesh.doctor import clock, consul, machine, project
from mesh.doctor.finding import Finding, Patient, fail

CHECK_S = 30.0  # large contracts take seconds on a busy machine; whatever takes longer hangs

Check = Callable[[Patient], Finding | Awaitable[Finding]]
CHECKS: Mapping[str, Check] = {
    "python": machine.python,
    "uvloop": machine.uvloop,
    "configuration": project.configuration,
    "consul": consul.agent_binary,
    "registry": consul.registry,
    "clock": clock.clock,
    "loopback": machine.loopback,
    "ports": project.ports,
    "files": machine.descriptors,
    "disk": machine.disk,
    "contracts": project.contracts,
    "leftovers": project.run_folders,
}


async def examine(patient: Patient, checks: Mapping[str, Check] = CHECKS) -> AsyncIterator[tuple[str, Finding]]:
    """Each check's name and finding, in their order, as soon as it is there."""
    for name, check in checks.items():
        yield name, await _finding(check, patient)


async def _finding(check: Check, patient: Patient) -> Finding:
    try:
        async with asyncio.timeout(CHECK_S):
            if inspect.iscoroutinefunction(check):
                found: Finding = await check(patient)
                return found
            made = await asyncio.to_thread(check, patient)
            assert isinstance(made, Finding)
            return made
    except TimeoutError:
        return fail(f"no answer within {CHECK_S:.0f} s", "look for a disk or a network that hangs")
    except ConfigError as error:
        return fail(f"cannot be examined: {error}", "correct that first")
    except Exception as error:
        return fail(f"the check itself failed: {type(error).__name__}: {error}", "this is a bug in mesh; please tell")
