"""Application headers in arg2, and transport headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.wire import HeaderError, Limits, decode_headers, encode_headers, encode_transport_headers
from mesh.wire.faults import ProtocolBreach, Refusal
from mesh.wire.transport import decode_transport_headers
from tests.wire.world import hexed, transport

VECTORS = [
    ({}, "0000"),
    ({"k": "v"}, "0001 0001 6b 0001 76"),
    ({"a": "", "": "b"}, "0002 0001 61 0000 0000 0001 62"),
    ({"ü": "€"}, "0001 0002 c3bc 0003 e282ac"),
]


@pytest.mark.parametrize(("headers", "data"), VECTORS)
def test_vectors(headers: dict[str, str], data: str) -> None:
    assert encode_headers(headers) == hexed(data)
    assert decode_headers(hexed(data)) == headers


def test_no_bytes_are_no_headers() -> None:
    assert decode_headers(b"") == {}


BROKEN = {
    "one byte": "00",
    "a count without headers": "0001",
    "a key cut short": "0001 0002 6b",
    "no value": "0001 0001 6b",
    "a value cut short": "0001 0001 6b 0002 76",
    "bytes after": "0001 0001 6b 0001 76 00",
    "bytes after none": "0000 00",
    "a key twice": "0002 0001 6b 0001 76 0001 6b 0001 77",
    "no text": "0001 0001 ff 0001 76",
    "more than are there": "ffff 0001 6b 0001 76",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_broken_headers(data: str) -> None:
    with pytest.raises(HeaderError):
        decode_headers(hexed(data))


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=8))
def test_what_goes_in_comes_out_and_no_prefix_does(headers: dict[str, str]) -> None:
    data = encode_headers(headers)
    assert decode_headers(data) == headers
    for cut in range(1, len(data)):
        with pytest.raises(HeaderError):
            decode_headers(data[:cut])


def test_limits_hold_both_ways() -> None:
    limits = Limits(headers=2, headers_bytes=30)
    fits = {"a": "1", "b": "2" * 17}
    assert len(encode_headers(fits, limits)) == 30
    assert decode_headers(encode_headers(fits), limits) == fits
    for headers in ({"a": "", "b": "", "c": ""}, {"a": "1", "b": "2" * 18}):
        with pytest.raises(HeaderError):
            encode_headers(headers, limits)
        with pytest.raises(HeaderError):
            decode_headers(encode_headers(headers), limits)


def test_what_cannot_be_written() -> None:
    with pytest.raises(HeaderError, match="surrogates"):
        encode_headers({"k": "\udc80"})
    with pytest.raises(HeaderError):
        encode_headers({"k": "v" * 65_536}, Limits(headers_bytes=1 << 20))


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda key: len(key.encode()) <= 16),
        st.text(max_size=60).filter(lambda value: len(value.encode()) <= 255),
        max_size=8,
    )
)
def test_transport_headers_come_out_as_they_went_in(headers: dict[str, str]) -> None:
    data = encode_transport_headers(headers)
    assert data == transport(tuple(headers.items()))
    assert decode_transport_headers(data) == headers
    for cut in range(len(data)):
        with pytest.raises((ProtocolBreach, Refusal)):
            decode_transport_headers(data[:cut])
    with pytest.raises(ProtocolBreach):
        decode_transport_headers(data + b"x")
