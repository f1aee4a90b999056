"""Contracts that only the bench needs: `from bench.contracts import mix`."""

import mesh

mesh.contracts(__name__)
