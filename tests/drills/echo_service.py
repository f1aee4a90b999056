"""`python -m tests.drills.echo_service`: a service whose `tick` is not idempotent, and which keeps book of each call.

One rule: an executed call leaves its id in a file before its answer, with one write, so that neither SIGKILL nor a
restart hides that it ran, or that it ran twice.
"""

from __future__ import annotations

import os

import mesh
from idl import interop
from mesh.node import Node

LEDGER = "executed"  # in the service's data folder; O_APPEND makes the writes of its instances line by line


class Ledger:
    """The handler. Only what the drills call is there."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._count = 0

    async def tick(self, counter: str) -> int:
        os.write(self._fd, f"{counter}\n".encode())
        self._count += 1
        return self._count

    async def touch(self, text: str) -> str:
        return text

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)

        async def absent(*args: object) -> object:
            raise NotImplementedError(f"the drills' service has no {name}")

        return absent


async def main() -> None:
    async with Node("echo") as node:
        assert node.config.data_dir is not None
        fd = os.open(node.config.data_dir / LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        node.serve(interop.Echo, Ledger(fd), name="echo")
        await node.run()


if __name__ == "__main__":
    mesh.run(main())
