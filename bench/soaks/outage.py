"""Thirty seconds without Consul fail no call. Alone on the machine, since its bounds are times."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.drills import outage

RATE_PER_S, OUTAGE_S = (200.0, 30.0)

if __name__ == "__main__":
    code = asyncio.run(outage.drill(RATE_PER_S, OUTAGE_S))
    print(json.dumps({"rate_per_s": RATE_PER_S, "outage_s": OUTAGE_S}))
    sys.exit(code)
