"""Asks the pricing service of a mesh for quotes, with Apache Thrift: python client.py HOST:PORT

Beside Apache's generated code: thrift -r --gen py -out . idl/pricing.thrift
"""

import sys

from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.transport.THeaderTransport import THeaderClientType
from thrift.transport.TSocket import TSocket

from idl.pricing import Pricing
from idl.pricing.ttypes import BadRoute, QuoteRequest

host, _, port = sys.argv[1].rpartition(":")
socket = TSocket(host, int(port))
socket.setTimeout(2000)  # milliseconds: when this side gives up
protocol = THeaderProtocol(socket, (THeaderClientType.HEADERS,))
prices = Pricing.Client(protocol)


def tell_the_mesh():
    """What TFramedTransport and TBinaryProtocol cannot say; a header is sent with the next call only."""
    protocol.set_header(b"client_timeout", b"2000")  # milliseconds: the call's deadline, also further down
    protocol.set_header(b"caller", b"python-thrift")
    protocol.set_header(b"x-from", b"python")  # an application header


socket.open()
tell_the_mesh()
quote = prices.quote(QuoteRequest(km=12.5, hour=9))
print(f"12.5 km: {quote.fare_cents / 100:.2f} CAD")
tell_the_mesh()
try:
    prices.quote(QuoteRequest())
except BadRoute as refused:
    print("refused:", refused.message)
socket.close()
