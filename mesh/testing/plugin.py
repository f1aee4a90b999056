"""The pytest plugin of thriftmesh: fixtures for testing services without sockets, and with a real Consul."""
