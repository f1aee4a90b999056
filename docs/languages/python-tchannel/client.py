"""Asks the pricing service of a mesh for quotes, with Uber's archived library: python2.7 client.py HOST:PORT"""

from __future__ import print_function

import os
import sys

from tchannel import TChannel, thrift
from tornado import gen, ioloop

IDL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "idl")
pricing = thrift.load(os.path.join(IDL, "pricing.thrift"), service="pricing", hostport=sys.argv[1])
channel = TChannel("python-tchannel")


@gen.coroutine
def main():
    # `timeout` (seconds) is the call's deadline, on both sides.
    request = pricing.QuoteRequest(km=12.5, hour=9)
    answer = yield channel.thrift(pricing.Pricing.quote(request), headers={"x-from": "python 2"}, timeout=2.0)
    print("12.5 km: %.2f CAD" % (answer.body.fare_cents / 100.0))
    try:
        yield channel.thrift(pricing.Pricing.quote(pricing.QuoteRequest()), timeout=2.0)
    except pricing.BadRoute as refused:
        print("refused:", refused.message)


ioloop.IOLoop.current().run_sync(main)
