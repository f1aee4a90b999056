"""`python -m bench`: builds, measures, prints the table, writes build/bench.json.

Exit code 1 when a bound is missed by more than the noise (bench/bounds.py), 2 when nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys

from bench import bounds, build
from bench.measure import ROUNDS, measure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns for each server; medians are taken over them")
    arguments = parser.parse_args()
    try:
        build.build()
    except build.CannotBuild as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
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
