"""The reference city: six services that meet only through `idl` and the wire.

Within one, downwards: `__main__` > `controllers` > `views | service | store | remote` > `models`. Rules (`service`) and
models know neither Thrift nor mesh nor Tornado; `__main__` joins.
"""
