"""What is wrong with changed files, said before anything is started; and the stubs of changed contracts.

One rule: it only reads source, and writes nothing but `.pyi` files. That a file compiles does not say that it can be
imported: the new process tells that (`failure`).
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from mesh.contract.problem import ContractError, Finding, Level
from mesh.contract.stubfiles import StubState, build_stubs
from mesh.dev.imports import Imports
from mesh.dev.tree import MAX_SOURCE_BYTES, Files

_BLANKS = re.compile(r"\s+")
Faults = dict[Path, tuple[Finding, ...]]  # what is wrong with each file that was looked at; nothing: empty


def programs(paths: Iterable[Path]) -> Faults:
    """Whether each Python file of `paths` compiles. One that is gone has no fault of its own."""
    return {path: _compiled(path) for path in paths if path.suffix == ".py"}


def _compiled(path: Path) -> tuple[Finding, ...]:
    try:
        if path.stat().st_size > MAX_SOURCE_BYTES:
            return ()
        source = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (Finding(str(path), 0, Level.ERROR, f"cannot be read: {error.strerror}"),)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        text = _BLANKS.sub(" ", (error.text or "").strip())
        shown = f": {text[:80]}" if text else ""
        return (Finding(str(path), error.lineno or 0, Level.ERROR, f"{type(error).__name__}: {error.msg}{shown}"),)
    except (ValueError, RecursionError, MemoryError) as error:  # a null byte; nested beyond the compiler's stack
        return (Finding(str(path), 0, Level.ERROR, f"{type(error).__name__}: {error}"),)
    return ()


def contracts(changed: Iterable[Path], files: Files) -> tuple[list[Path], Faults]:
    """Rebuilds the stubs of the `.thrift` files among `changed`, and of those that include them.

    Returns the stubs that were written, and what is wrong with each contract.
    """
    changed = {path for path in changed if path.suffix == ".thrift"}
    if not changed:
        return [], {}
    includes = Imports(())
    # One that is gone is missed by those that include it; without their names, every contract is asked.
    all_there = changed <= files.keys()
    concerned = [
        path
        for path in sorted(files)
        if path.suffix == ".thrift" and (not all_there or changed & includes.closure([path], files))
    ]
    written: list[Path] = []
    faults: Faults = dict.fromkeys(changed, ())
    for path in concerned:
        faults[path] = ()
        try:
            written += [stub.path for stub in build_stubs([path]) if stub.state is StubState.WRITTEN]
        except ContractError as error:
            faults[path] = error.findings
        except OSError as error:
            reason = f"its stub cannot be written: {error.strerror}"
            faults[path] = (Finding(str(path), 0, Level.WARNING, reason),)
    return written, faults


def forget_compiled(paths: Iterable[Path]) -> None:
    """Removes what Python keeps of changed files.

    It believes a `.pyc` whose source has the same size and the same second of change: two edits within a second, the
    second of the same length, and the new process would run the first.
    """
    for path in paths:
        if path.suffix == ".py":
            for level in ("", "1", "2"):
                try:
                    Path(importlib.util.cache_from_source(str(path), optimization=level)).unlink(missing_ok=True)
                except OSError:
                    pass  # in a folder that is not ours: Python writes none there either
