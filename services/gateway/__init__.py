"""The city's door: HTTP and JSON on the outside, RPC on the inside. Keeps nothing; instances share one port."""
