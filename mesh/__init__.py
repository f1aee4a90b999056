"""thriftmesh: an RPC service mesh toolkit. The contract is the product.

    async with mesh.Node("pricing", registry="consul://127.0.0.1:8500") as node:
        node.serve(pricing.Pricing, Pricing())
        await node.run()

A package of contracts is `import mesh; mesh.contracts(__name__)` beside its `.thrift` files.
"""

from mesh import blocking
from mesh.call import Context, baggage, current, deadline, headers, tracing
from mesh.contract import ContractError, contracts, load
from mesh.errors import MeshError
from mesh.node import Client, Node, run
from mesh.version import VERSION as __version__

__all__ = [
    "Client", "Context", "ContractError", "MeshError", "Node", "__version__", "baggage", "blocking", "contracts",
    "current", "deadline", "headers", "load", "run", "tracing",
]  # fmt: skip
