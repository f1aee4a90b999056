"""Drills: a real cluster under steady traffic while something is done to it, and a verdict.

    python -m tests.drills.rolling        every service restarted with SIGTERM, 20 times: nothing may fail
    python -m tests.drills.outage         Consul killed for 30 s: nothing may fail, a new instance gets traffic after
    python -m tests.drills.crash          instances killed with SIGKILL: only what was in flight on them may fail

Each prints what was sent, what came of it by code, and exits with 1 when a promise was broken.
"""
