"""thriftmesh."""
