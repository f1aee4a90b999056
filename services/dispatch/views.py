"""Our matches as the contract's."""

from __future__ import annotations

from idl import dispatch
from services.dispatch.models import Match


def to_match(match: Match) -> dispatch.Match:
    driver = match.driver
    return dispatch.Match(trip_id=match.trip_id, driver_id=driver.driver_id, zone=driver.zone, km=driver.km)
