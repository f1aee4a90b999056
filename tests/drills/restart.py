"""`mesh restart` under traffic: rolling restarts lose nothing, and a broken build stops and goes back by itself.

In a copy of the project, so that its files can be broken: code with a syntax error, a command that fails, and a plan of
which only the second instance turns out to be bad.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

from mesh.cluster.plan import Source
from tests.drills.stage import ROOT, Stage, arguments, note, stage, verdict

NAME = "restart"
ECHO = """
[services.echo]
instances = 2
command = ["{python}", "-m", "tests.drills.echo_service"]
"""
FAILING = ECHO.replace('"-m", "tests.drills.echo_service"', '"-c", "raise SystemExit(\'out of paper\')"')
# The first instance gets what the new plan says, the second one ends at once.
SECOND_FAILS = ECHO.replace(
    'command = ["{python}", "-m", "tests.drills.echo_service"]',
    'command = ["sh", "-c", "case $MESH_INSTANCE in echo-2*) echo no second one; exit 3;; esac;'
    ' exec {python} -m tests.drills.echo_service"]\nenv = { NEW_PLAN = "1" }',
)
SERVICES = ("echo", "pricing", "gateway", "dispatch", "trips", "drivers", "payments")


class Project:
    """A copy of what the city is made of, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("services", "idl", "tests/drills"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tests" / "__init__.py", folder / "tests")
        self.plan = folder / "cluster.toml"
        self.city = (ROOT / "cluster.toml").read_text(encoding="utf-8")
        self.write(ECHO)

    def write(self, echo: str) -> None:
        """The plan: the city, and this for the echo service."""
        self.plan.write_text(self.city + echo, encoding="utf-8")

    @property
    def source(self) -> Source:
        return Source(self.plan)


async def mesh(project: Project, *words: str) -> tuple[int, str]:
    """The exit code of `mesh ...` in another process, as from another terminal, and all that it printed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mesh.cli.main", *words),
        cwd=project.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode()


def pids(on: Stage) -> dict[str, int]:
    return {one.id: one.pid for one in on.cluster.instances}


async def good(on: Stage, project: Project, services: tuple[str, ...]) -> list[str]:
    """Every instance gets a new process."""
    before = pids(on)
    code, said = await mesh(project, "restart", *services)
    after = pids(on)
    same = [id for id, pid in before.items() if id.rpartition("-")[0] in services and after[id] == pid]
    broken = [f"mesh restart ended with {code}: {said}"] if code else []
    return broken + [f"{id} has its old process" for id in same]


async def bad(on: Stage, project: Project, service: str, what: str, says: str) -> list[str]:
    """A restart that must fail, say why, and change no process."""
    before = pids(on)
    code, said = await mesh(project, "restart", service)
    note(f"{what}: exit code {code}, {said.strip().splitlines()[-1]}")
    broken = [] if code == 1 else [f"{what}: mesh restart ended with {code} and not 1: {said}"]
    if not re.search(says, said):
        broken.append(f"{what}: it does not say {says!r}: {said}")
    if pids(on) != before:
        broken.append(f"{what}: the processes are others now: {before} {pids(on)}")
    return broken


async def went_back(on: Stage, project: Project) -> list[str]:
    """The second instance of the new plan fails: the first one must run the old plan again, in a new process."""
    before = pids(on)
    code, said = await mesh(project, "restart", "echo")
    note(f"a plan whose second instance fails: exit code {code}, {said.strip().splitlines()[-1]}")
    after = pids(on)
    broken = [] if code == 1 and "back to what they ran before: echo-1" in said else [f"no way back: {code}: {said}"]
    if after["echo-2"] != before["echo-2"] or after["echo-1"] == before["echo-1"]:
        broken.append("echo-2 should have its process still, echo-1 a new one")
    if "NEW_PLAN" in psutil.Process(after["echo-1"]).environ():
        broken.append("echo-1 still runs as the new plan says")
    return broken


async def round_of(on: Stage, project: Project, services: tuple[str, ...]) -> list[str]:
    """One good restart and all the bad ones."""
    broken = await good(on, project, services)
    with edited(project.folder / "services" / "pricing" / "__main__.py", lambda text: text + "\ndef broken(:\n"):
        broken += await bad(
            on, project, "pricing", "a syntax error", r"pricing-1 was not restarted.*\n(.*\n)*.*SyntaxError"
        )
    with edited(project.plan, lambda text: text.replace(ECHO, FAILING)):
        broken += await bad(on, project, "echo", "a command that fails", r"out of paper")
    with edited(project.plan, lambda text: text.replace(ECHO, "\n[services.echo]\ncomand = []\n")):
        code, said = await mesh(project, "restart", "echo")
        if code != 2 or "did you mean 'command'" not in said:
            broken.append(f"a wrong plan: {code}: {said}")
    with edited(project.plan, lambda text: text.replace(ECHO, SECOND_FAILS)):
        broken += await went_back(on, project)
    return broken


class edited:
    """`with edited(path, change):` the file is another one inside, and what it was afterwards."""

    def __init__(self, path: Path, change: Callable[[str], str]) -> None:
        self._path, self._before = path, path.read_text(encoding="utf-8")
        self._after = change(self._before)
        assert self._after != self._before

    def __enter__(self) -> None:
        self._path.write_text(self._after, encoding="utf-8")

    def __exit__(self, *exc: object) -> None:
        self._path.write_text(self._before, encoding="utf-8")


async def drill(rate_per_s: float, rounds: int, services: tuple[str, ...] = SERVICES) -> int:
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mesh-restart-") as folder:
        project = Project(Path(folder))
        async with stage(NAME, rate_per_s, directory=project.folder, source=project.source) as on:
            await asyncio.sleep(1)
            for number in range(1, rounds + 1):
                broken += await round_of(on, project, services)
                note(f"round {number} of {rounds}: sent {len(on.book.calls)}, not ok {len(on.book.failed)}")
            await asyncio.sleep(1)
        if on.book.failed:
            broken.append(f"{len(on.book.failed)} calls failed during restarts")
        return verdict(on, broken)


if __name__ == "__main__":
    given = arguments(__doc__, rounds=2)
    sys.exit(asyncio.run(drill(given.rate, given.rounds)))
