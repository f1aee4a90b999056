"""`mesh restart` of good and broken builds under traffic fails no call. Alone on the machine: its bounds are times."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.drills import restart

RATE_PER_S, ROUNDS = (200.0, 6)

if __name__ == "__main__":
    code = asyncio.run(restart.drill(RATE_PER_S, ROUNDS))
    print(json.dumps({"rate_per_s": RATE_PER_S, "rounds": ROUNDS}))
    sys.exit(code)
