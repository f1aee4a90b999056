"""`make newcomer`: a wheel of this checkout, an empty folder, and docs/tutorial.md followed to the letter.

One rule: exit code 0 when all of the text holds; else 1, with the file, the line and what came instead.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.newcomer.blocks import TextError
from tests.newcomer.following import Follower, environment
from tests.newcomer.wheel import ROOT, build_wheel

TUTORIAL = ROOT / "docs" / "tutorial.md"


def newcomer(file: Path, work: Path) -> int:
    """Follows `file` in the empty folder `work`, printing as it goes."""
    begun = time.monotonic()
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file

    def say(line: int, text: str) -> None:
        print(f"{shown}:{line}: {text}", flush=True)

    print("building the wheel", flush=True)
    env = environment(work, build_wheel(work))
    home = work / "newcomer"
    home.mkdir()
    try:
        with Follower(home, env, say) as follower:
            count = follower.follow(file.read_text(encoding="utf-8"))
    except TextError as error:
        print(f"\n{shown}:{error.line}: DOES NOT HOLD: {error}", flush=True)
        return 1
    print(f"{shown}: all {count} steps hold, {time.monotonic() - begun:.0f} s", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=TUTORIAL, help="default: docs/tutorial.md")
    parser.add_argument("--keep", action="store_true", help="leave the folder there, to look at")
    args = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="newcomer-"))
    try:
        return newcomer(args.file.resolve(), work)
    finally:
        if args.keep:
            print(f"left there: {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
