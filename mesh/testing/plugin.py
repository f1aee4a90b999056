"""The pytest plugin of thriftmesh."""
