"""`mesh restart` of a good build and of broken ones, under traffic, costs no call. bench/soaks has it long."""

import pytest

from tests.drills import restart

# A fifth of the soak's: what is shown is that no call is lost, on a machine that runs other tests at the same time.
RATE_PER_S = 40.0


@pytest.mark.integration
@pytest.mark.timeout(300)  # it takes 30 s alone on two processors; starting Python two dozen times is most of that
async def test_rolling_restarts_and_broken_builds_cost_no_call(capsys):
    assert await restart.drill(RATE_PER_S, 1, ("echo", "gateway")) == 0, capsys.readouterr()
