"""Builds what is not Python, into build/bench/: the C floor, the load generator, the frames it sends, grpc's stubs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import frames

HERE = Path(__file__).resolve().parent  # also where the bench runs from build/compiled, through a link
OUT = HERE.parent / "build" / "bench"
FLOOR, LOAD = OUT / "floor", OUT / "load"
CALL, INIT, FRAMED_CALL = OUT / "call.frame", OUT / "init.frame", OUT / "framed-call.frame"
PROTO = "echo.proto"


class CannotBuild(Exception):
    """Something that the machine lacks; the text says what to install."""


def build() -> Path:
    """Compiles what is older than its sources; the folder it all went to."""
    if sys.platform != "linux":
        raise CannotBuild("the bench measures with epoll and /proc/PID/schedstat: it runs on Linux only")
    OUT.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise CannotBuild("the bench needs a C compiler for its floor; on Debian and Ubuntu: apt install gcc libc6-dev")
    for program in (FLOOR, LOAD):
        _compile(compiler, program)
    CALL.write_bytes(frames.call())
    INIT.write_bytes(frames.init_request())
    FRAMED_CALL.write_bytes(frames.framed_call())
    _grpc_stubs()
    return OUT


def _compile(compiler: str, program: Path) -> None:
    native = HERE / "native"
    sources = [native / f"{program.name}.c", *native.glob("*.h")]
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return
    subprocess.run([compiler, "-O2", "-Wall", "-o", program, sources[0]], check=True)


def _grpc_stubs() -> None:
    """Real protobuf messages and stubs, as a grpc user has them."""
    from grpc_tools import protoc

    status = protoc.main(["protoc", f"-I{HERE}", f"--python_out={OUT}", f"--grpc_python_out={OUT}", str(HERE / PROTO)])
    if status:
        raise CannotBuild(f"protoc failed with status {status} on {HERE / PROTO}")
