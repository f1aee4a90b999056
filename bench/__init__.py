"""What a call costs: `make bench`. Measured against a C floor and grpc.aio in the same run, never in absolute figures.

One rule: machines are shared and noisy, so a bound is on a ratio of two things measured turn by turn.
"""
