"""What setup.cfg cannot say: a wheel's hot modules are compiled by mypyc, where there is a C compiler.

The modules stand in setup.cfg, `[mypyc]`. They are the same source: types that mypy checks are what makes the machine
code fast, and without them, or without a compiler, the same files run as they are. An editable install is never
compiled, since an edit would then change nothing.

`THRIFTMESH_COMPILE` = `auto` (the default), `no`, or `yes` (a failure to compile is an error).
"""

from __future__ import annotations

import atexit
import configparser
import os
import shutil
import sys
import sysconfig
import tempfile
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def hot_modules() -> list[str]:
    """Paths of the modules to compile, by the globs in setup.cfg.

    From Python 3.12 on without those that have coroutines: mypyc hands an exception on in a form that Python warns of
    since then, with every cancelled call, and where warnings are errors the cancellation would be lost.
    """
    told = configparser.ConfigParser()
    told.read(Path(__file__).with_name("setup.cfg"))
    paths = sorted(path for pattern in told["mypyc"]["modules"].split() for path in glob(pattern))
    if sys.version_info >= (3, 12):
        paths = [path for path in paths if "async def" not in Path(path).read_text(encoding="utf-8")]
    return paths


def has_compiler() -> bool:
    command = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    header = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which(command.split()[0]) is not None and header.exists()


def extensions() -> list[Extension]:
    wish = os.environ.get("THRIFTMESH_COMPILE", "auto")
    if wish not in ("auto", "yes", "no"):
        raise SystemExit(f"THRIFTMESH_COMPILE={wish!r}: say auto, yes or no")
    if wish == "no" or "bdist_wheel" not in sys.argv:
        return []
    if wish == "auto" and not has_compiler():
        print(
            "thriftmesh: no C compiler or Python headers here, so nothing is compiled; it will run about half as fast"
        )
        return []
    from mypyc.build import mypycify

    compiled: list[Extension] = mypycify(hot_modules(), opt_level="3", debug_level="0", target_dir=str(WORK))
    return compiled


class AllOrNothing(build_ext):
    """The modules share one library, so a few of them alone would not even import."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as problem:
            if os.environ.get("THRIFTMESH_COMPILE") == "yes":
                raise
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            print(f"thriftmesh: compiling failed ({problem}), so nothing is compiled; it will run about half as fast")


# Built in a folder of its own each time: setuptools would put into this wheel what an earlier build left in `build`,
# and a module compiled from yesterday's source is imported in place of today's.
WORK = Path(tempfile.mkdtemp(prefix="thriftmesh-build-"))
atexit.register(shutil.rmtree, WORK, ignore_errors=True)

setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": AllOrNothing},
    options={"build": {"build_base": str(WORK)}},
)
