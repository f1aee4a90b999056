"""Asks the pricing service of a mesh for quotes, as a script: python client.py HOST:PORT"""

import sys

import mesh
from idl import pricing

with mesh.blocking.Node("report") as node:
    prices = node.client(pricing.Pricing, peers=[sys.argv[1]])  # or registry= above, and no peers
    with mesh.deadline(ms=2000), mesh.headers({"x-from": "script"}):
        quote = prices.quote(pricing.QuoteRequest(km=12.5, hour=9))
    print(f"12.5 km: {quote.fare_cents / 100:.2f} CAD")
    try:
        prices.quote(pricing.QuoteRequest())
    except pricing.BadRoute as refused:
        print("refused:", refused.message)
