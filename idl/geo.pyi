# Made by `mesh idl build` out of geo.thrift. Do not edit.


class Point:
    lat: float
    lon: float
    def __init__(self, *, lat: float, lon: float) -> None: ...
