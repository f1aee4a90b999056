"""The mesh for code that blocks: scripts, notebooks, Django and gunicorn workers, Celery tasks.

    with mesh.blocking.Node("report", registry="consul://127.0.0.1:8500") as node:
        prices = node.client(pricing.Pricing)
        with mesh.deadline(ms=250):
            quote = prices.quote(pricing.QuoteRequest(km=12.5))

One rule: nothing of a call is done twice. One thread of the process runs an ordinary `mesh.Node` on a loop of its own;
the blocking side hands it calls and waits, so that deadlines, errors, retries and metrics are the same.
"""

from mesh.blocking.node import Node

__all__ = ["Node"]
