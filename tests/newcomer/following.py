"""Follows a text to the letter, on a machine that never saw this checkout.

One rule: the first thing that does not hold ends it, with the line of the text where it stands.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.newcomer.blocks import Change, Interrupt, Run, Shows, Step, TextError, Watch, Write, pattern, steps
from tests.newcomer.terminal import Terminal, wait_until
from tests.newcomer.wheel import ROOT

SHOWN_S = 90.0  # what runs in the second terminal shows what it should: Consul may have to be fetched first
ENDED_S = 30.0  # a cluster that drains
STATES = (".mesh/*/state.json", "*/.mesh/*/state.json")  # where a running cluster says its supervisor's pid
# What a newcomer's shell has: where programs, home, caches and the package index are. Nothing else gets through.
KEPT = re.compile(r"HOME|LANG|LC_.*|TZ|TMPDIR|XDG_.*|PIP_.*|UV_.*|SSL_.*|REQUESTS_CA_BUNDLE|(?i:\w+_proxy)")


def environment(work: Path, wheel: Path) -> dict[str, str]:
    """Variables under which `pip install thriftmesh` takes `wheel`, `python3` is this Python, and no checkout shows."""
    programs = work / "bin"
    programs.mkdir()
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (programs / "python3").chmod(0o755)
    constraint = work / "constraint.txt"
    constraint.write_text(f"thriftmesh @ {wheel.as_uri()}\n")
    outside = [part for part in os.environ["PATH"].split(os.pathsep) if not _inside_environment(Path(part))]
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(programs), *outside]),
        "PIP_CONSTRAINT": " ".join([str(constraint), *kept.get("PIP_CONSTRAINT", "").split()]),
        "PIP_FIND_LINKS": " ".join([str(wheel.parent), *kept.get("PIP_FIND_LINKS", "").split()]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "1",  # what is imported is compiled then; the rest of mypy need not be
        "PYTHONUNBUFFERED": "1",  # stdout before stderr, as on a terminal
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": f"newcomer{at}" for who in ("AUTHOR", "COMMITTER") for what, at in _WHO},
    }


_WHO = (("NAME", ""), ("EMAIL", "@localhost"))


def _inside_environment(folder: Path) -> bool:
    """Programs of this checkout, or of the virtual environment that runs this."""
    return any(folder.resolve().is_relative_to(root) for root in (ROOT, Path(sys.prefix).resolve() / "bin"))


class Follower:
    """`with Follower(...) as follower: follower.follow(text)`. `say` gets a line of progress per step."""

    def __init__(self, folder: Path, env: dict[str, str], say: Callable[[int, str], None]) -> None:
        self._say = say
        self._home = folder
        self._first = Terminal(folder, env)
        self._second = Terminal(folder, env)
        self._seen = 0  # characters of the second terminal's output that the text has spoken of
        self._open = ExitStack()

    def __enter__(self) -> Follower:
        self._open.enter_context(self._first)
        self._open.enter_context(self._second)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()
        self._end_clusters()

    def _end_clusters(self) -> None:
        """What `mesh up -d` left running, where the text ended before its `mesh down`."""
        for state in [file for place in STATES for file in self._home.glob(place)]:
            with contextlib.suppress(OSError):  # it ends by itself at this moment
                os.kill(json.loads(state.read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
                wait_until(lambda file=state: not file.exists(), ENDED_S)

    def follow(self, text: str) -> int:
        """Gives the number of steps. Raises TextError."""
        found = steps(text)
        for step in found:
            self._take(step)
        if self._second.busy:
            raise TextError(found[-1].line, "at the end of the text something still runs in the second terminal")
        return len(found)

    def _take(self, step: Step) -> None:
        match step:
            case Run():
                self._run(step)
            case Watch():
                self._watch(step.line, step.shown)
            case Interrupt():
                self._say(step.line, "Ctrl-C in the second terminal")
                code = self._second.interrupt()
                if code:
                    raise TextError(step.line, f"exit code {code} after Ctrl-C:\n{self._second.output()}")
            case Write():
                self._say(step.line, f"write {step.path}")
                (self._first.folder / step.path).parent.mkdir(parents=True, exist_ok=True)
                (self._first.folder / step.path).write_text(step.text, encoding="utf-8")
            case Change():
                self._say(step.line, f"change {step.path}")
                old = self._read(step.line, step.path)
                if old.count(step.old) != 1:
                    raise TextError(step.line, f"stands {old.count(step.old)} times in {step.path}:\n{step.old}")
                (self._first.folder / step.path).write_text(old.replace(step.old, step.new), encoding="utf-8")
            case Shows():
                self._say(step.line, f"look at {step.path}")
                if not pattern(step.text).search(self._read(step.line, step.path)):
                    raise TextError(step.line, f"does not stand in {step.path}:\n{step.text}")

    def _read(self, line: int, path: str) -> str:
        try:
            return (self._first.folder / path).read_text(encoding="utf-8")
        except OSError as error:
            raise TextError(line, f"{path}: {error.strerror}") from None

    def _run(self, step: Run) -> None:
        terminal = self._second if step.second else self._first
        output = ""
        for command in step.commands[:-1] if step.second else step.commands:
            begun = time.monotonic()
            try:
                code, said = terminal.run(command.text)
            except TimeoutError as error:
                raise TextError(command.line, f"{command.text}: {error}") from None
            self._say(command.line, f"$ {command.text}  ({time.monotonic() - begun:.1f} s)")
            if code != command.exit:
                raise TextError(command.line, f"{command.text}: exit code {code}, not {command.exit}\n{said}")
            output += said
        if step.second:
            self._leave_running(terminal, step)
        elif step.shown is not None and not pattern(step.shown).fullmatch(_whole(output)):
            raise TextError(step.shown_line, f"the text shows\n{step.shown}\nand the commands printed\n{output}")

    def _leave_running(self, terminal: Terminal, step: Run) -> None:
        command = step.commands[-1]
        if terminal.busy:
            raise TextError(command.line, "something still runs in the second terminal")
        self._say(command.line, f"$ {command.text}  (in the second terminal)")
        terminal.start(command.text)
        self._seen = 0
        if step.shown is not None:
            self._watch(step.shown_line, step.shown)

    def _watch(self, line: int, shown: str) -> None:
        """Waits until the second terminal shows it, behind what was seen there before."""
        self._say(line, "look at the second terminal")
        wanted, terminal = pattern(shown), self._second

        def look() -> re.Match[str] | None:
            return wanted.search(terminal.output(), self._seen)

        wait_until(lambda: look() is not None or not terminal.busy, SHOWN_S)
        found = look()
        if found is None:
            what = "it shows" if terminal.busy else "what ran there has ended after"
            raise TextError(line, f"the second terminal should show\n{shown}\nand {what}\n{terminal.output()}")
        self._seen = found.end()


def _whole(output: str) -> str:
    """With a newline at its end, as output blocks have."""
    return output if output.endswith("\n") or not output else f"{output}\n"
