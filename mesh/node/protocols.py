"""How many calls came by which protocol, counted so that a TChannel call pays nothing for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from mesh.filters import CallMetrics


class ProtocolCalls(Collector):
    """`rpc_server_calls_by_protocol_total`: calls that came to a method's stack, finished or not.

    `framed` is counted by who serves those connections; what is left of all calls came over TChannel.
    """

    def __init__(self, served: CallMetrics) -> None:
        self._served = served
        self.framed: Counter[str] = Counter()  # by form: framed, multiplexed, theader

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily("rpc_server_calls_by_protocol", "Calls taken in", labels=("protocol",))
        others = dict(self.framed)
        calls.add_metric(("tchannel",), max(0, self._served.started - sum(others.values())))
        for form, count in sorted(others.items()):
            calls.add_metric((form,), count)
        yield calls
