"""The clocks: the monotonic one that deadlines are kept by, and the machine's time that logs and live rules carry."""

from __future__ import annotations

import ctypes
import sys
import time
from email.utils import parsedate_to_datetime

from mesh.doctor.finding import Finding, Patient, fail, ok, warn

SKEW_WARN_S, SKEW_FAIL_S = 3.0, 60.0  # a Date header has whole seconds; live rules are written to last tens of seconds
RESOLUTION_S = 0.001  # the wire counts deadlines in milliseconds
_STA_UNSYNC = 0x0040  # adjtimex(2)
_STATUS_AT = 5 * ctypes.sizeof(ctypes.c_long)  # struct timex: modes (padded), offset, freq, maxerror, esterror, status


def clock(patient: Patient) -> Finding:
    info = time.get_clock_info("monotonic")
    before = time.monotonic()
    if not info.monotonic or info.resolution > RESOLUTION_S or time.monotonic() < before:
        return fail(
            f"the monotonic clock ({info.implementation}) is none to keep deadlines by: resolution {info.resolution} s",
            "run on a machine, or under a hypervisor, with a stable clock source",
        )
    in_step = synchronised()
    if in_step is False:
        return warn(
            "nobody keeps the machine's time in step (the kernel says unsynchronised)",
            "start chrony, ntpd or systemd-timesyncd: rules that expire, and logs of several hosts, are read by it",
            synchronised=False,
        )
    known = "kept in step" if in_step else "whether it is kept in step cannot be told here"
    return ok(f"monotonic; {known}", synchronised=in_step)


def synchronised() -> bool | None:
    """What the kernel says of it; None where it does not say."""
    if sys.platform != "linux":
        return None
    state = ctypes.create_string_buffer(512)  # struct timex has 208 bytes; modes 0 only reads
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(state) < 0:
            return None
    except AttributeError:
        return None
    return not ctypes.c_int.from_buffer(state, _STATUS_AT).value & _STA_UNSYNC


def skew(header: str | None, sent: float, answered: float) -> float | None:
    """Seconds that another machine's clock is ahead of ours, of which nothing less than its whole seconds is known.

    `header` is its Date; `sent` and `answered` are our Unix times around it.
    """
    try:
        theirs = parsedate_to_datetime(header or "").timestamp()
    except (ValueError, TypeError):
        return None
    if theirs > answered:
        return theirs - answered
    if theirs + 1 < sent:
        return theirs + 1 - sent
    return 0.0


def judge_skew(skew_s: float, whose: str) -> Finding | None:
    """None for clocks that agree."""
    if abs(skew_s) < SKEW_WARN_S:
        return None
    what = f"the clock of {whose} is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    do = "keep both in step (chrony, ntpd): live rules would expire early, and logs do not fit together"
    return (fail if abs(skew_s) >= SKEW_FAIL_S else warn)(what, do, skew_s=round(skew_s, 1))
