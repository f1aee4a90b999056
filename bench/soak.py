"""`python -m bench.soak`: every soak there is, with large counts, minutes; writes build/soak.json.

Two kinds of entry, joined under their names: tests marked `soak` (their counts from THRIFTMESH_SOAK_CASES, figures from
the fixture `soak_record`), and the scripts in bench/soaks/, which exit 1 on any failure and whose last line on standard
output is a JSON object of figures. Every entry has at least `ok` and `seconds`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_SCRIPTS = _ROOT / "bench" / "soaks"
_BUILD = _ROOT / "build"
_LOG = "THRIFTMESH_SOAK_LOG"  # read by tests/conftest.py
_NO_TESTS = 5  # pytest's exit code for a selection without tests
_TEST_TIMEOUT_S = 1800  # a million cases of the slowest property take about a third of it


def tests() -> tuple[dict[str, Any], bool]:
    """Runs the soak tests; their entries by name, and whether pytest was content."""
    log = _BUILD / "soak-tests.jsonl"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-m", "soak", "-n", "2", f"--timeout={_TEST_TIMEOUT_S}", "--durations=0"]
    done = subprocess.run(command, cwd=_ROOT, env=os.environ | {_LOG: str(log)}, check=False)
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    entries = {entry.pop("name"): entry for entry in map(json.loads, lines)}
    return entries, done.returncode in (0, _NO_TESTS)


def script(path: Path) -> dict[str, Any]:
    """Runs one script; its output goes to the terminal as it comes."""
    print(f"== {path.stem}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, path], cwd=_ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    process.stdout.close()
    return _figures(last) | {"seconds": round(time.monotonic() - started, 1), "ok": process.wait() == 0}


def _figures(line: str) -> dict[str, Any]:
    try:
        figures = json.loads(line)
    except ValueError:
        return {}
    return figures if isinstance(figures, dict) else {}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of scripts in bench/soaks, without tests; all by default")
    only = parser.parse_args().only
    _BUILD.mkdir(exist_ok=True)
    entries, ok = ({}, True) if only else tests()
    for path in sorted(_SCRIPTS.glob("[!_]*.py")):
        if not only or path.stem in only:
            entries[path.stem] = script(path)
    (_BUILD / "soak.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")

    print(f"\n{'':60} {'cases':>10} {'seconds':>8}  ok")
    for name, entry in entries.items():
        print(f"{name:60} {entry.get('cases', ''):>10} {entry['seconds']:>8}  {'ok' if entry['ok'] else 'FAILED'}")
    return 0 if ok and entries and all(entry["ok"] for entry in entries.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
