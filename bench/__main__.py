"""`python -m bench`: builds, measures, prints the table, writes build/bench.json.

Exit code 1 when a bound is missed by more than the noise (bench/bounds.py), 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from bench import bounds, build
from bench.measure import ROUNDS, measure

_QUIET = 0.8  # more than the echo of a build that just ended


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns for each server; medians are taken over them")
    arguments = parser.parse_args()
    try:
        build.build()
    except build.CannotBuild as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    if load > _QUIET:
        print(f"the machine is busy (load average {load:.1f}): ratios will be noisy, the codec's figures too high")
    measured = measure(arguments.rounds, lambda line: print(line, flush=True))
    result = build.OUT.parent / "bench.json"
    result.write_text(json.dumps({key: round(value, 3) for key, value in measured.items()}, indent=2) + "\n")
    print()
    print(bounds.table(measured))
    missed = bounds.missed(measured)
    print(
        f"\nwritten to {result}" + (f"; missed by more than {bounds.NOISE:.0%}: {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
