"""A pricing service of one tariff, for a mesh to call: python2.7 server.py PORT"""

from __future__ import print_function

import os
import sys

from tchannel import TChannel, thrift
from tornado import ioloop

IDL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "idl")
pricing = thrift.load(os.path.join(IDL, "pricing.thrift"), service="pricing")
channel = TChannel("pricing", hostport="127.0.0.1:" + sys.argv[1])


@channel.thrift.register(pricing.Pricing)
def quote(request):
    asked = request.body.request
    if asked.km is None:
        raise pricing.BadRoute("give km")
    fare = int(round(350 + 175 * asked.km))
    return pricing.Quote(fare_cents=fare, currency=pricing.Currency.CAD, km=asked.km, surge=1.0, hour=9)


channel.listen()
print(channel.hostport)
sys.stdout.flush()
ioloop.IOLoop.current().start()
