"""The reference city's contracts: each `.thrift` file here is a module, `from idl import pricing`.

The contract is the product: types, deadlines, what may be repeated and what was promised stand there and nowhere else.
"""

import mesh

mesh.contracts(__name__)
